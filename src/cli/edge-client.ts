/** Speaks to the edge as an administrator: shard uploads, activation and rollback. */
import type { z } from 'zod';
import { CallerError } from '../base/errors.ts';
import { parseErrorBody } from '../protocol/errors.ts';
import { activationSchema, shardListSchema, type Activation, type ShardList } from '../protocol/shards.ts';

export interface EdgeClient {
  list(): Promise<ShardList>;
  push(specialty: string, version: string, bytes: Uint8Array): Promise<void>;
  activate(specialty: string, version: string): Promise<Activation>;
  rollback(specialty: string): Promise<Activation>;
}

const TIMEOUT_MS = 120_000;

export function edgeClient(options: { url: string; key: string }): EdgeClient {
  const call = async (method: string, path: string, body?: Uint8Array | object): Promise<unknown> => {
    const isBytes = body instanceof Uint8Array;
    const response = await reach(options.url, path, {
      method,
      headers: {
        authorization: `Bearer ${options.key}`,
        ...(body === undefined
          ? {}
          : { 'content-type': isBytes ? 'application/octet-stream' : 'application/json' }),
      },
      ...(body === undefined ? {} : { body: isBytes ? new Uint8Array(body) : JSON.stringify(body) }),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const json: unknown = await response.json().catch(() => undefined);
    if (response.ok) return json;
    const error = parseErrorBody(json);
    throw new CallerError(
      error?.code ?? 'edge_refused',
      `The edge answered ${response.status}: ${error?.message ?? 'and did not say why.'}`,
      error?.param === null || error === undefined ? {} : { param: error.param },
    );
  };
  return {
    list: async () => understood(shardListSchema, await call('GET', '/v1/shards')),
    push: async (specialty, version, bytes) => {
      await call('PUT', shardPath(specialty, 'versions', version), bytes);
    },
    activate: async (specialty, version) =>
      understood(activationSchema, await call('POST', shardPath(specialty, 'activate'), { version })),
    rollback: async (specialty) =>
      understood(activationSchema, await call('POST', shardPath(specialty, 'rollback'))),
  };
}

function shardPath(specialty: string, ...rest: string[]): string {
  return ['/v1/shards', ...[specialty, ...rest].map(encodeURIComponent)].join('/');
}

async function reach(url: string, path: string, request: RequestInit): Promise<Response> {
  try {
    return await fetch(new URL(path, url), request);
  } catch (cause) {
    const message = `No edge answers at ${url}. Is it running (npm start), and is --edge right?`;
    throw new CallerError('edge_unreachable', message, { cause });
  }
}

function understood<T>(schema: z.ZodType<T>, json: unknown): T {
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  throw new CallerError(
    'edge_not_understood',
    'The edge answered something else than expected; is it another version?',
  );
}
