/** The whole product on this machine: a host, the edge, and the shards of a folder in its registry. */
import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CallerError } from '../base/errors.ts';
import { openCheckpoint } from '../model/checkpoint.ts';
import { fingerprint } from '../model/fingerprint.ts';
import { startChild, type Child } from './child.ts';
import type { Settings } from './config.ts';
import { keepHost, type KeptHost } from './keep-host.ts';
import { directorySource } from './directory-source.ts';
import { edgeClient, type EdgeClient } from './edge-client.ts';
import { publishShards, type Published } from './publish.ts';
import { listShardFiles, type ShardPath } from './shard-files.ts';

export interface StackOptions {
  readonly settings: Settings;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Variables of the gateway beyond those it needs. */
  readonly variables?: Readonly<Record<string, string>>;
  readonly onProgress?: (text: string) => void;
  readonly signal?: AbortSignal;
}

export interface Stack {
  readonly edgeUrl: string;
  readonly apiKey: string;
  readonly adminKey: string;
  readonly admin: EdgeClient;
  readonly files: readonly ShardPath[];
  readonly published: Published;
  readonly edge: Child;
  readonly logs: string;
  /** The host that runs now, or the one that ended and is being started again. */
  host(): Child;
  /** Starts the host again, at its old address, after it died. */
  restartHost(): Promise<void>;
  /** Resolves with a message when a part ends that nobody ended. */
  readonly broken: Promise<string>;
  /** The host first: it finishes its answers while the edge still carries them. */
  close(): Promise<void>;
}

/** Somebody waits at the terminal: a running answer gets a moment, not half a minute. */
const DRAIN_MS = 5_000;

export async function startStack(options: StackOptions): Promise<Stack> {
  const { settings, onProgress = () => {} } = options;
  const base = await fingerprint(await openCheckpoint(directorySource(settings.model)));
  const files = await listShardFiles(settings.shards);
  await checkPort(settings.edgePort, 'edge', '--port or SPARSEDOCTOR_EDGE_PORT');
  await checkPort(settings.hostPort, 'host', '--host-port or SPARSEDOCTOR_HOST_PORT');
  // A registry belongs to one base model: with another, all shards in it would be strangers.
  const state = join(settings.state, base.slice(0, 12));
  const logs = join(state, 'logs');
  await mkdir(logs, { recursive: true });

  const keys = {
    SPARSEDOCTOR_API_KEY: settings.apiKey ?? randomKey(),
    SPARSEDOCTOR_ADMIN_KEY: settings.adminKey ?? randomKey(),
    SPARSEDOCTOR_HOST_SECRET: settings.hostSecret ?? randomKey(),
  };
  const environment = { ...options.environment, ...keys };
  let edge: Child | undefined;
  let host: KeptHost | undefined;
  let closing = false;
  const close = async (): Promise<void> => {
    closing = true;
    await host?.stop();
    await edge?.stop();
  };
  const edgeBroken = async (child: Child): Promise<string> => {
    const { how } = await child.exited;
    const message = `The edge ended (${how}). Its last words:\n${await child.lastLines()}`;
    return closing ? new Promise(() => undefined) : message;
  };

  try {
    // One machine: announcements cost nothing, and a host that is silent for long is busy rather than gone.
    const variables = {
      BASE_FINGERPRINT: base,
      ANNOUNCE_EVERY_MS: '500',
      HOST_TTL_MS: '20000',
      ...options.variables,
    };
    const edgeFlags = { port: settings.edgePort, state, variables: JSON.stringify(variables) };
    const edgeChild = await startChild({
      name: 'edge',
      args: ['edge', ...flagsOf(edgeFlags)],
      environment,
      logFile: join(logs, 'edge.log'),
    });
    edge = edgeChild;
    const edgeUrl = edgeChild.url;
    onProgress('edge is up');
    const routerIsWarm = warmRouter(edgeUrl, keys.SPARSEDOCTOR_API_KEY);
    const kept = await keepHost({
      port: settings.hostPort,
      onProgress,
      start: (port, append) =>
        startChild({
          name: 'host',
          args: ['serve', ...flagsOf({ edge: edgeUrl, port, ...hostFlags(settings) })],
          environment,
          logFile: join(logs, 'host.log'),
          append,
        }),
    });
    host = kept;
    onProgress('model is loaded');
    const admin = edgeClient({ url: edgeUrl, key: keys.SPARSEDOCTOR_ADMIN_KEY });
    await untilJoined(edgeUrl);
    const published = await publishShards(admin, files);
    await routerIsWarm;
    onProgress(`${files.length} shard versions published, ${published.activated} activated`);
    return {
      edge: edgeChild,
      admin,
      files,
      published,
      logs,
      close,
      edgeUrl,
      apiKey: keys.SPARSEDOCTOR_API_KEY,
      adminKey: keys.SPARSEDOCTOR_ADMIN_KEY,
      host: () => kept.current(),
      broken: Promise.race([edgeBroken(edgeChild), kept.broken]),
      restartHost: () => kept.restart(),
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function hostFlags(settings: Settings): Record<string, string | number> {
  const {
    model,
    shards,
    device,
    threads,
    maxConcurrent,
    cachePages,
    expertSlots,
    expertRank,
    weights,
    experts,
    cache,
    hostName,
    logLevel,
  } = settings;
  return {
    model,
    shards,
    device,
    threads,
    'max-concurrent': maxConcurrent,
    'cache-pages': cachePages,
    'expert-slots': expertSlots,
    'expert-rank': expertRank,
    weights,
    experts,
    cache,
    name: hostName,
    'log-level': logLevel,
    'drain-ms': DRAIN_MS,
  };
}

function flagsOf(flags: Readonly<Record<string, string | number>>): string[] {
  return Object.entries(flags).flatMap(([name, value]) => [`--${name}`, String(value)]);
}

/** The first question loads onnxruntime: asked now, it is there when a person asks. A failure shows then, too. */
async function warmRouter(edgeUrl: string, apiKey: string): Promise<void> {
  const headers = { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' };
  const body = JSON.stringify({ messages: [{ role: 'user', content: '你好' }] });
  const answer = await fetch(new URL('/v1/route', edgeUrl), { method: 'POST', headers, body }).catch(
    () => null,
  );
  await answer?.body?.cancel();
}

async function untilJoined(edgeUrl: string): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!(await fetch(new URL('/health', edgeUrl))).ok) {
    if (Date.now() > deadline) {
      throw new CallerError(
        'start_failed',
        'The host did not join the edge in time: look into the log of the host.',
      );
    }
    await sleep(100);
  }
}

/** Asks before anything is started, for a message that says what to do. */
async function checkPort(port: number, name: string, advice: string): Promise<void> {
  if (port === 0) return;
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
  } catch (cause) {
    const busy = cause instanceof Error && 'code' in cause && cause.code === 'EADDRINUSE';
    const why = busy ? 'is in use, perhaps by another `npm start`' : 'cannot be opened';
    throw new CallerError('port_busy', `Port ${port} of the ${name} ${why}. Choose another with ${advice}.`, {
      cause,
    });
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}

function randomKey(): string {
  return `sd-${randomBytes(24).toString('base64url')}`;
}
