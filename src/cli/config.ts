/**
 * Settings of the commands that serve. In order of strength: command line, `SPARSEDOCTOR_*` variables, the config file
 * (`sparsedoctor.config.json` in the working directory), defaults. Unknown names fail, and all problems are told at once.
 */
import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { CallerError } from '../base/errors.ts';
import { deviceNames } from './devices.ts';

const CONFIG_FILE = 'sparsedoctor.config.json';

/** The folder of the project: what ships with it lies there, wherever the command is called from. */
export const projectRoot = join(import.meta.dirname, '..', '..');

export const weightFormats = ['f32', 'f16', 'q8', 'q4'] as const;
export const halfFormats = ['f32', 'f16'] as const;

const port = z.coerce.number().int().min(0).max(65_535);
const count = (most: number) => z.coerce.number().int().min(1).max(most);
const key = z.string().min(8, 'must have at least 8 characters').max(256);
const folder = z.string().min(1);

const settingsSchema = z.strictObject({
  edgePort: port.default(8787),
  hostPort: port.default(8788),
  /** Address that `serve` listens on. */
  listen: z.string().min(1).default('127.0.0.1'),
  model: folder.default(join(projectRoot, 'weights', 'base')),
  shards: folder.default(join(projectRoot, 'weights', 'shards')),
  /** What the local edge remembers between two starts. */
  state: folder.default(join(projectRoot, '.wrangler', 'sparsedoctor')),
  device: z.enum(deviceNames).default('auto'),
  threads: count(256).default(availableParallelism),
  /** Requests that run at one time. */
  maxConcurrent: count(1024).default(16),
  /** Pages of the KV cache, 16 tokens each. */
  cachePages: count(1_000_000).default(1024),
  /** Experts that fit into the host's pool, and their largest rank. */
  expertSlots: count(65_536).default(128),
  expertRank: count(256).default(16),
  /** Formats of the base's matrices, of experts, and of the KV cache. */
  weights: z.enum(weightFormats).default('f32'),
  experts: z.enum(halfFormats).default('f32'),
  cache: z.enum(halfFormats).default('f32'),
  /** How long a host that ends waits for its running answers. */
  drainMs: z.coerce.number().int().min(0).max(3_600_000).default(30_000),
  edgeUrl: z.url({ protocol: /^https?$/ }).optional(),
  /** Where the edge reaches this host, if not where it listens. */
  publicUrl: z.url({ protocol: /^https?$/ }).optional(),
  hostName: z.string().min(1).max(64).default('local'),
  hostSecret: key.optional(),
  apiKey: key.optional(),
  adminKey: key.optional(),
  logLevel: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
});

export type Settings = z.output<typeof settingsSchema>;
export type SettingName = keyof Settings;

const names = Object.keys(settingsSchema.shape);

/** Keys belong into the environment, where no backup or repository finds them. */
const notInFile: ReadonlySet<string> = new Set(['hostSecret', 'apiKey', 'adminKey']);
const prefix = 'SPARSEDOCTOR_';

export interface SettingSources {
  readonly flags: Readonly<Partial<Record<SettingName, string | undefined>>>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Content of the config file; absent where there is none. */
  readonly file?: string | undefined;
}

export function parseSettings({ flags, environment, file }: SettingSources): Settings {
  const problems: string[] = [];
  const values = new Map<string, { value: unknown; from: string }>();
  for (const [name, value] of Object.entries(readFileValues(file, problems))) {
    if (names.includes(name) && !notInFile.has(name))
      values.set(name, { value, from: `${CONFIG_FILE}: ${name}` });
    else problems.push(`${CONFIG_FILE}: ${name} is not a setting of this file`);
  }
  for (const [variable, value] of Object.entries(environment)) {
    if (!variable.startsWith(prefix) || value === undefined || value === '') continue;
    const name = settingOf(variable);
    if (names.includes(name)) values.set(name, { value, from: variable });
    else problems.push(`${variable} is not a known variable`);
  }
  for (const [name, value] of Object.entries(flags)) {
    if (value !== undefined) values.set(name, { value, from: flagOf(name) });
  }
  const merged = Object.fromEntries([...values].map(([name, { value }]) => [name, value]));
  const result = settingsSchema.safeParse(merged);
  if (result.success && problems.length === 0) return withAbsoluteFolders(result.data);
  for (const { path, message } of result.error?.issues ?? []) {
    problems.push(`${values.get(String(path[0]))?.from ?? path.join('.')}: ${message}`);
  }
  throw new CallerError(
    'bad_settings',
    `Settings are not valid:\n${problems.map((one) => `  ${one}`).join('\n')}`,
  );
}

/** Settings with the config file of the working directory. */
export async function readSettings(
  flags: SettingSources['flags'],
  environment: SettingSources['environment'],
): Promise<Settings> {
  const file = await readFile(CONFIG_FILE, 'utf8').catch(() => undefined);
  return parseSettings({ flags, environment, file });
}

function readFileValues(text: string | undefined, problems: string[]): object {
  if (text === undefined) return {};
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch {
    // Reported below, like every other content that is no object.
  }
  problems.push(`${CONFIG_FILE} is not a JSON object`);
  return {};
}

function settingOf(variable: string): string {
  return variable
    .slice(prefix.length)
    .toLowerCase()
    .replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

function flagOf(name: string): string {
  if (name === 'edgePort' || name === 'hostPort') return '--port';
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

function withAbsoluteFolders(settings: Settings): Settings {
  const { model, shards, state } = settings;
  return { ...settings, model: resolve(model), shards: resolve(shards), state: resolve(state) };
}
