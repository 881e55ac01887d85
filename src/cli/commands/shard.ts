/** `sparsedoctor shard`: makes and reads expert shard files, and moves them through the edge's registry. */
import { readFile, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { InvalidArgumentError, type Command } from 'commander';
import { CallerError } from '../../base/errors.ts';
import {
  checkShardBytes,
  MAX_TOP_K,
  shardVersionSchema,
  specialtySchema,
} from '../../base/shard-metadata.ts';
import { sha256Hex } from '../../base/sha256.ts';
import { openCheckpoint } from '../../model/checkpoint.ts';
import { fingerprint } from '../../model/fingerprint.ts';
import {
  readShardFile,
  writeShardFile,
  type ShardExpectations,
  type ShardFile,
} from '../../model/shard-file.ts';
import type { Activation } from '../../protocol/shards.ts';
import type { CliContext } from '../context.ts';
import { directorySource, fileSource } from '../directory-source.ts';
import { edgeClient, type EdgeClient } from '../edge-client.ts';

interface PackOptions {
  readonly output: string;
  readonly base?: string;
  readonly specialty?: string;
  readonly shardVersion?: string;
  readonly alpha?: number;
  readonly topK?: number;
  readonly trainingRun?: string;
  readonly licence?: string;
  readonly type: 'F16' | 'BF16' | 'F32';
}

interface EdgeOptions {
  readonly edge?: string;
}

const DEFAULT_EDGE_PORT = '8787';
const POLL_MS = 500;
const MAX_WAIT_MS = 300_000;

export function registerShardCommand(program: Command, context: CliContext): void {
  const shard = program.command('shard').description('expert shard files, and the versions the edge serves');
  shard
    .command('pack <input>')
    .description('rewrite a shard file under another name, version or number type, and check it')
    .requiredOption('-o, --output <file>', 'where the packed shard goes')
    .option('--base <directory>', 'base model to check the shard against')
    .option('--specialty <name>', 'specialty, if other than in the input', checkedBy(specialtySchema))
    .option('--shard-version <version>', 'version, if other than in the input', checkedBy(shardVersionSchema))
    .option('--alpha <number>', 'LoRA alpha, if other than in the input', positive)
    .option('--top-k <number>', `experts per token, 1 to ${MAX_TOP_K}`, positive)
    .option('--training-run <text>', 'which run it comes from')
    .option('--licence <text>', 'licence of the weights')
    .option('--type <F16|BF16|F32>', 'number type', numberType, 'F16')
    .action((input: string, options: PackOptions) => pack(context, input, options));
  shard
    .command('inspect <file>')
    .description('check a shard file and print what it holds')
    .option('--base <directory>', 'base model to check the shard against')
    .option('--json', 'print JSON')
    .action((file: string, options: { base?: string; json?: boolean }) => inspect(context, file, options));
  withEdge(shard.command('list').description('print the versions the edge knows')).action(
    (options: EdgeOptions) => list(context, options),
  );
  withEdge(shard.command('push <file>').description('upload a shard file to the edge'))
    .option('--activate', 'make it the active version')
    .action((file: string, options: EdgeOptions & { activate?: boolean }) => push(context, file, options));
  withEdge(
    shard.command('activate <specialty> <version>').description('let new requests use this version'),
  ).action((specialty: string, version: string, options: EdgeOptions) =>
    activate(context, clientOf(context, options), specialty, version),
  );
  withEdge(
    shard.command('rollback <specialty>').description('let new requests use the previous version again'),
  ).action(async (specialty: string, options: EdgeOptions) => {
    const result = await clientOf(context, options).rollback(specialty);
    context.print(describe(result));
  });
}

async function pack(context: CliContext, input: string, options: PackOptions): Promise<void> {
  const before = await readShardFile(await read(input), await expectationsOf(options.base));
  const { metadata } = before;
  const after: ShardFile = {
    ...before,
    metadata: {
      ...metadata,
      specialty: options.specialty ?? metadata.specialty,
      version: options.shardVersion ?? metadata.version,
      alpha: options.alpha ?? metadata.alpha,
      topK: options.topK ?? metadata.topK,
      trainingRun: options.trainingRun ?? metadata.trainingRun,
      licence: options.licence ?? metadata.licence,
    },
  };
  const bytes = await writeShardFile(after, options.type);
  await writeFile(options.output, bytes);
  const { specialty, version } = after.metadata;
  context.print(`${options.output}: ${specialty} ${version}, ${bytes.length} bytes, ${options.type}`);
}

async function inspect(
  context: CliContext,
  file: string,
  options: { base?: string; json?: boolean },
): Promise<void> {
  const bytes = await read(file);
  // Reads every value: an inspected shard is one that a host would take.
  await readShardFile(bytes, await expectationsOf(options.base));
  const { metadata, header, ...layout } = await checkShardBytes(bytes);
  const types = [...new Set([...header.tensors.values()].map(({ type }) => type))];
  const facts = { ...metadata, ...layout, types, bytes: bytes.length, sha256: await sha256Hex(bytes) };
  if (options.json === true) {
    context.print(JSON.stringify(facts, null, 2));
    return;
  }
  for (const [name, value] of Object.entries(facts)) {
    const shown = Array.isArray(value) ? value.join(', ') : String(value ?? '-');
    context.print(`${name.padEnd(16)} ${shown}`);
  }
}

async function list(context: CliContext, options: EdgeOptions): Promise<void> {
  const { data } = await clientOf(context, options).list();
  for (const { specialty, active, versions } of data) {
    const shown = versions.map(({ version, state, hosts }) => {
      const mark = version === active ? '*' : '';
      return `${mark}${version} (${state}, ${hosts} ${hosts === 1 ? 'host' : 'hosts'})`;
    });
    context.print(`${specialty.padEnd(24)} ${shown.join('  ')}`);
  }
}

async function push(
  context: CliContext,
  file: string,
  options: EdgeOptions & { activate?: boolean },
): Promise<void> {
  const bytes = await read(file);
  const { specialty, version } = (await readShardFile(bytes)).metadata;
  const client = clientOf(context, options);
  await client.push(specialty, version, bytes);
  context.print(`${specialty} ${version} is published.`);
  if (options.activate === true) await activate(context, client, specialty, version);
}

/** The edge may first have to wait for hosts to load the version; asking again is harmless. */
async function activate(
  context: CliContext,
  client: EdgeClient,
  specialty: string,
  version: string,
): Promise<void> {
  let result = await client.activate(specialty, version);
  if (result.state === 'staged') context.print(describe(result));
  for (let waitedMs = 0; result.state === 'staged'; waitedMs += POLL_MS) {
    if (waitedMs >= MAX_WAIT_MS) {
      const message = `Too few hosts took ${specialty} ${version} so far. It becomes active once they did; look with: sparsedoctor shard list`;
      throw new CallerError('still_staged', message);
    }
    await sleep(POLL_MS);
    result = await client.activate(specialty, version);
  }
  context.print(describe(result));
}

function describe({ specialty, version, state, previous, holders, quorum }: Activation): string {
  if (state === 'active')
    return `${specialty} ${version} is active${previous === null ? '' : ` (before: ${previous})`}.`;
  return `${specialty} ${version} is on ${holders} of ${quorum} hosts; it becomes active when it is on enough.`;
}

async function read(path: string): Promise<Uint8Array> {
  const source = await fileSource(path);
  if (source === undefined)
    throw new CallerError('file_not_found', `There is no file ${path}.`, { param: path });
  return readFile(path);
}

async function expectationsOf(base: string | undefined): Promise<ShardExpectations> {
  if (base === undefined) return {};
  const checkpoint = await openCheckpoint(directorySource(base));
  return { config: checkpoint.config, baseFingerprint: await fingerprint(checkpoint) };
}

function withEdge(command: Command): Command {
  return command.option(
    '--edge <url>',
    'address of the edge (default: SPARSEDOCTOR_EDGE_URL, or this machine). The key is SPARSEDOCTOR_ADMIN_KEY',
  );
}

function clientOf({ environment }: CliContext, options: EdgeOptions): EdgeClient {
  const key = environment['SPARSEDOCTOR_ADMIN_KEY'];
  if (key === undefined || key === '') {
    const message = "Set SPARSEDOCTOR_ADMIN_KEY to the edge's admin key (npm start prints it).";
    throw new CallerError('missing_admin_key', message);
  }
  const port = environment['SPARSEDOCTOR_EDGE_PORT'] ?? DEFAULT_EDGE_PORT;
  const url = options.edge ?? environment['SPARSEDOCTOR_EDGE_URL'] ?? `http://127.0.0.1:${port}`;
  if (!URL.canParse(url)) throw new CallerError('invalid_edge_url', `"${url}" is not a URL.`);
  return edgeClient({ url, key });
}

function checkedBy(schema: typeof specialtySchema): (value: string) => string {
  return (value) => {
    const result = schema.safeParse(value);
    if (result.success) return result.data;
    throw new InvalidArgumentError(result.error.issues.map(({ message }) => message).join('; '));
  };
}

function positive(value: string): number {
  const number = Number(value);
  if (!Number.isFinite(number) || number <= 0) throw new InvalidArgumentError('must be a positive number.');
  return number;
}

function numberType(value: string): PackOptions['type'] {
  const upper = value.toUpperCase();
  if (upper === 'F16' || upper === 'BF16' || upper === 'F32') return upper;
  throw new InvalidArgumentError('must be F16, BF16 or F32.');
}
