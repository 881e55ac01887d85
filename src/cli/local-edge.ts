/**
 * The edge on this machine: the bundled Workers in workerd, by miniflare. No account and no network; nothing of wrangler's
 * development server, whose proxy would stand between clients and the Worker.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  convertV4MiniflareOptions,
  Log,
  LogLevel,
  Miniflare,
  V4WorkerOptionsSchema,
  type V4WorkerOptions,
} from 'miniflare';
import { z } from 'zod';
import { CallerError } from '../base/errors.ts';
import { invariant } from '../base/invariant.ts';
import { projectRoot } from './config.ts';

export interface LocalEdgeOptions {
  /** 0 takes a free one. */
  readonly port: number;
  /** Where Durable Objects and the bucket are kept. */
  readonly state: string;
  /** Variables and secrets of the gateway, over those of wrangler.toml. */
  readonly variables: Readonly<Record<string, string>>;
}

export interface LocalEdge {
  readonly url: string;
  close(): Promise<void>;
}

const host = '127.0.0.1';
const bundles = join(projectRoot, 'build', 'edge');
/** A Worker as build-edge.ts writes it; the rest is checked by miniflare's own schema. */
const workersSchema = z
  .array(
    z.looseObject({
      name: z.string(),
      bindings: z.record(z.string(), z.string()),
      assets: z.looseObject({ directory: z.string() }).optional(),
    }),
  )
  .min(1);

export async function startLocalEdge(options: LocalEdgeOptions): Promise<LocalEdge> {
  const workers = (await readWorkers()).map((worker, index) => {
    const { name, bindings, assets } = worker;
    const settings = {
      ...worker,
      rootPath: join(bundles, name),
      modulesRoot: join(bundles, name),
      bindings: index === 0 ? { ...bindings, ...options.variables } : bindings,
      ...(assets ? { assets: { ...assets, directory: join(projectRoot, assets.directory) } } : {}),
    };
    invariant(isMiniflareWorker(settings), 'build-edge.ts writes what miniflare takes');
    return settings;
  });
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      host,
      port: options.port,
      workers,
      resourcePersistencePath: options.state,
      // Both would ask the network.
      cf: false,
      telemetry: { enabled: false },
      logRequests: false,
      log: new Log(LogLevel.WARN),
    }),
  );
  const url = await miniflare.ready;
  return { url: url.origin, close: () => miniflare.dispose() };
}

/** The gateway is the first. */
async function readWorkers() {
  const text = await readFile(join(bundles, 'workers.json'), 'utf8').catch((cause: unknown) => {
    throw new CallerError('edge_not_built', 'The edge is not built: run `npm run build`.', { cause });
  });
  return workersSchema.parse(JSON.parse(text));
}

/** A guard, because the schema's output writes `undefined` where the type leaves fields out. */
function isMiniflareWorker(worker: unknown): worker is V4WorkerOptions {
  return V4WorkerOptionsSchema.safeParse(worker).success;
}
