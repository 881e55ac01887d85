/** A GPU host: HTTP server over an engine, its shards, and its tie to the edge. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { CallerError } from '../base/errors.ts';
import { silentLogger, type Logger } from '../base/logger.ts';
import type { Engine } from '../engine/engine.ts';
import type { ChatEncoder } from '../model/chat-template.ts';
import type { SamplingDefaults } from '../model/sampling-defaults.ts';
import type { Tokenizer } from '../model/tokenizer.ts';
import { Admission } from './admission.ts';
import { createAnnouncer, type Announcer } from './announcer.ts';
import { createApp } from './app.ts';
import type { HostContext } from './context.ts';
import { createMetrics } from './metrics.ts';
import type { ShardStore } from './shard-store.ts';
import { createTokenText } from './token-text.ts';

export interface HostOptions {
  readonly engine: Engine;
  readonly tokenizer: Tokenizer;
  readonly chat: ChatEncoder;
  readonly shards: ShardStore;
  /** Bearer secret of every path but /health. Without one the host binds loopback only. */
  readonly secret?: string;
  readonly logger?: Logger;
  /** Label of the metrics. */
  readonly modelName?: string;
  /** How the model's numbers are kept, for the metrics: labels and formats. */
  readonly formats?: Readonly<Record<'weights' | 'experts' | 'cache', string>>;
  readonly defaultMaxTokens?: number;
  /** Sampling of requests that do not say, from the model's generation_config.json. */
  readonly samplingDefaults?: SamplingDefaults;
  readonly heartbeatMs?: number;
  readonly templateVariables?: Readonly<Record<string, unknown>>;
  /** How long `close` waits for running answers before it cancels them. */
  readonly drainMs?: number;
}

interface EdgeOptions {
  /** The edge, without a path. */
  readonly edgeUrl: string;
  /** The secret that this host and the edge share. */
  readonly secret: string;
  readonly name: string;
  /** Where the edge reaches this host. Default: the address that `listen` got. */
  readonly publicUrl?: string;
  readonly baseFingerprint: string;
}

export interface Host {
  fetch(request: Request): Response | Promise<Response>;
  /** Port 0 takes a free one. */
  listen(port: number, hostname?: string): Promise<{ url: string; port: number }>;
  /** Begins to announce this host; after `listen`. */
  join(edge: EdgeOptions): Announcer;
  /** Drains, for `drainMs` if given, leaves the edge, closes sockets and engine. */
  close(drainMs?: number): Promise<void>;
}

const loopback = new Set(['127.0.0.1', '::1', 'localhost']);

export function createHost(options: HostOptions): Host {
  const { engine, shards, secret } = options;
  const logger = options.logger ?? silentLogger;
  const context: HostContext = {
    engine,
    shards,
    logger,
    tokenizer: options.tokenizer,
    tokenText: createTokenText(options.tokenizer),
    chat: options.chat,
    admission: new Admission(),
    metrics: createMetrics({
      engine,
      shards,
      modelName: options.modelName ?? 'sparsedoctor',
      formats: options.formats ?? {},
    }),
    defaultMaxTokens: options.defaultMaxTokens ?? 512,
    samplingDefaults: options.samplingDefaults ?? {},
    heartbeatMs: options.heartbeatMs ?? 1000,
    templateVariables: options.templateVariables ?? {},
  };
  const app = createApp(context, secret === undefined ? {} : { secret });
  let server: Server | undefined;
  let url: string | undefined;
  let announcer: Announcer | undefined;
  let closing: Promise<void> | undefined;

  const close = async (drainMs: number): Promise<void> => {
    const drained = context.admission.drain(drainMs);
    announcer?.announceNow();
    await drained;
    await announcer?.stop();
    if (server) await closeServer(server);
    await engine.close();
    logger.info({}, 'host closed');
  };

  return {
    fetch: (request) => app.fetch(request),
    async listen(port, hostname = '127.0.0.1') {
      if (secret === undefined && !loopback.has(hostname)) {
        throw new CallerError('secret_missing', `A host that listens on ${hostname} needs a secret.`);
      }
      const started = createServer(getRequestListener(app.fetch, { overrideGlobalObjects: false }));
      // Longer than an edge keeps its side open, or a request would meet a socket that is just being closed.
      started.keepAliveTimeout = 75_000;
      started.maxConnections = 2048;
      const address = await listening(started, port, hostname);
      server = started;
      url = `http://${hostname.includes(':') ? `[${hostname}]` : hostname}:${address.port}`;
      logger.info({ url }, 'host listens');
      return { url, port: address.port };
    },
    join(edge) {
      const publicUrl = edge.publicUrl ?? url;
      if (publicUrl === undefined) {
        throw new CallerError(
          'not_listening',
          'Listen first, or say under which address the edge reaches the host.',
        );
      }
      announcer = createAnnouncer({
        edgeUrl: edge.edgeUrl,
        secret: edge.secret,
        shards,
        logger,
        describe: () => {
          const { running, waiting, maxSequences, maxLength } = engine.stats();
          return {
            url: publicUrl,
            name: edge.name,
            base_fingerprint: edge.baseFingerprint,
            capacity: maxSequences,
            running,
            waiting,
            lease_ids: context.admission.leaseIds,
            draining: context.admission.draining || !engine.stats().alive,
            max_model_len: maxLength,
          };
        },
      });
      return announcer;
    },
    close: (drainMs = options.drainMs ?? 30_000) => (closing ??= close(drainMs)),
  };
}

function listening(server: Server, port: number, hostname: string): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const advice =
        cause.code === 'EADDRINUSE' ? 'it is in use: choose another with --port' : (cause.code ?? '');
      reject(
        new CallerError('cannot_listen', `The host cannot listen on port ${port}: ${advice}.`, { cause }),
      );
    });
    server.listen(port, hostname, () => {
      const address = server.address();
      if (address === null || typeof address === 'string') reject(new Error('a TCP server has an address'));
      else resolve(address);
    });
  });
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
    // What is still open now has had its answer or was cancelled.
    setTimeout(() => server.closeAllConnections(), 500).unref();
  });
}
