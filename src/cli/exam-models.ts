/** The models that an evaluation asks: one engine in this process with its shards, or a server's. */
import { z } from 'zod';
import { CallerError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Answerer } from '../eval/answerer.ts';
import { createChatEncoder } from '../model/chat-template.ts';
import { parseModelName } from '../protocol/route.ts';
import type { Settings } from './config.ts';
import { openEngineAnswerers } from './engine-answerer.ts';
import { openTokenizer } from './files.ts';
import { createPromptEncoder } from './prompt-encoder.ts';
import { openaiAddress } from './server-address.ts';
import { createServerAnswerer } from './server-answerer.ts';
import { chooseShards } from './shard-choice.ts';
import { listShardFiles, newestOfEach, type ShardPath } from './shard-files.ts';

export interface ExamModels {
  readonly list: readonly { readonly name: string; readonly answerer: Answerer }[];
  /** Null for a server: it does not tell. */
  readonly baseFingerprint: string | null;
  close(): Promise<void>;
}

export interface ExamModelFlags {
  /** Names, separated by commas. */
  readonly model: string;
  readonly shardVersion?: string;
  readonly url?: string;
  readonly tokenizer?: string;
}

export async function openExamModels(
  settings: Settings,
  flags: ExamModelFlags,
  logger: Logger,
): Promise<ExamModels> {
  const names = [...new Set(flags.model.split(',').map((name) => name.trim()))].filter((name) => name !== '');
  if (names.length === 0) throw new CallerError('unknown_model', '--model names no model.');
  if (flags.url !== undefined) return openServerModels(settings, { ...flags, url: flags.url }, names);
  const all = await chooseFiles(settings.shards, flags.shardVersion);
  const specialties = all.map(({ specialty }) => specialty);
  const choices = names.map((name) => chooseShards(name, specialties, false));
  // Only what is asked for is loaded.
  const isNeeded = ({ specialty }: ShardPath): boolean =>
    names.some((name) => name === 'right' || name === 'wrong') ||
    choices.some((choice) => choice.shardFor(null) === specialty);
  const answerers = await openEngineAnswerers(settings, all.filter(isNeeded), logger);
  return {
    list: choices.map((choice) => ({ name: choice.name, answerer: answerers.answerer(choice) })),
    baseFingerprint: answerers.baseFingerprint,
    close: () => answerers.close(),
  };
}

async function chooseFiles(folder: string, version: string | undefined): Promise<ShardPath[]> {
  const files = await listShardFiles(folder);
  return newestOfEach(version === undefined ? files : files.filter((file) => file.version === version));
}

async function openServerModels(
  settings: Settings,
  { url, tokenizer: folder }: ExamModelFlags & { url: string },
  names: readonly string[],
): Promise<ExamModels> {
  if (!URL.canParse(url))
    throw new CallerError('bad_url', `--url ${url} is no address: give http://host:port/v1.`);
  const key = settings.apiKey;
  const shards = names.some((name) => name === 'right' || name === 'wrong') ? await listShards(url, key) : [];
  const tokenizer = folder === undefined ? null : (await openTokenizer(folder)).tokenizer;
  const chat = tokenizer && tokenizer.chatTemplate !== null ? createChatEncoder(tokenizer) : null;
  const encoder = tokenizer && createPromptEncoder(tokenizer, chat);
  const list = names.map((name) => {
    const choice = chooseShards(name, shards, true);
    return { name, answerer: createServerAnswerer({ url, key, choice, encoder }) };
  });
  return { list, baseFingerprint: null, close: () => Promise.resolve() };
}

const modelsSchema = z.object({ data: z.array(z.object({ id: z.string() })) });

/** The specialties that the server lists as models of its own. */
async function listShards(url: string, key: string | undefined): Promise<string[]> {
  const response = await fetch(openaiAddress(url, '/models'), {
    headers: key === undefined ? {} : { authorization: `Bearer ${key}` },
  }).catch((cause: unknown) => {
    throw new CallerError('server_unreachable', `No server answers at ${url}. Is it running?`, { cause });
  });
  const models = modelsSchema.safeParse(await response.json().catch(() => null));
  const shards = (models.data?.data ?? []).flatMap(({ id }) => {
    const named = parseModelName(id);
    return named?.kind === 'pinned' ? [named.specialty] : [];
  });
  if (shards.length > 0) return shards;
  throw new CallerError('no_shards', `The server at ${url} lists no shards: right and wrong need some.`);
}
