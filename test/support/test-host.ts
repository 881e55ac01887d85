/** A whole host on loopback around a small model, for tests of its HTTP surface. */
import OpenAI from 'openai';
import { CallerError } from '../../src/base/errors.ts';
import type { Logger } from '../../src/base/logger.ts';
import { createHost, type Host, type HostOptions } from '../../src/backend/host.ts';
import { ShardStore, type ExpertPool } from '../../src/backend/shard-store.ts';
import { Engine, type EngineOptions } from '../../src/engine/engine.ts';
import type { ModelRunner, ResidentShard } from '../../src/model/runner.ts';
import { byteTokenizer } from './byte-tokenizer.ts';
import { ParrotRunner, type ParrotOptions } from './parrot-runner.ts';

export interface TestHostOptions {
  readonly runner?: ModelRunner;
  /** Default: `MemoryPool`. */
  readonly pool?: ExpertPool;
  readonly parrot?: ParrotOptions;
  readonly engine?: EngineOptions;
  readonly host?: Partial<HostOptions>;
}

export interface TestHost {
  readonly host: Host;
  readonly engine: Engine;
  readonly shards: ShardStore;
  readonly url: string;
  readonly openai: OpenAI;
  /** Everything that was logged, as text. */
  readonly log: string[];
  readonly post: (
    path: string,
    body: unknown,
    init?: { headers?: Record<string, string>; signal?: AbortSignal },
  ) => Promise<Response>;
}

export const testSecret = 'secret-of-the-test-host';

/** A pool that holds nothing but the fact, for models that compute no experts. */
export class MemoryPool implements ExpertPool {
  readonly resident = new Set<ResidentShard>();
  readonly #capacity: number;

  constructor(capacity = 100) {
    this.#capacity = capacity;
  }

  async load(file: Parameters<ExpertPool['load']>[0]): Promise<ResidentShard> {
    const { specialty, version } = file.metadata;
    if (this.resident.size >= this.#capacity) throw new CallerError('expert_pool_full', 'No room.');
    const shard = { specialty, version, bytes: 1000 };
    this.resident.add(shard);
    return shard;
  }

  unload(shard: ResidentShard): void {
    if (!this.resident.delete(shard)) throw new Error('unloaded twice');
  }
}

export async function startTestHost(options: TestHostOptions = {}): Promise<TestHost> {
  const log: string[] = [];
  const write = (fields: Record<string, unknown>, message: string): void => {
    log.push(`${message} ${JSON.stringify(fields)}`);
  };
  const logger: Logger = { debug: write, info: write, warn: write, error: write };
  const shards = new ShardStore({ pool: options.pool ?? new MemoryPool(), logger });
  const engine = new Engine(options.runner ?? new ParrotRunner(options.parrot), {
    logger,
    ...options.engine,
  });
  const host = createHost({
    engine,
    shards,
    logger,
    secret: testSecret,
    ...byteTokenizer(),
    ...options.host,
  });
  const { url } = await host.listen(0);
  return {
    host,
    engine,
    shards,
    url,
    log,
    openai: new OpenAI({ baseURL: `${url}/v1`, apiKey: testSecret, maxRetries: 0 }),
    post: (path, body, init = {}) =>
      fetch(url + path, {
        method: 'POST',
        body: typeof body === 'string' ? body : JSON.stringify(body),
        ...init,
        headers: {
          authorization: `Bearer ${testSecret}`,
          'content-type': 'application/json',
          ...init.headers,
        },
      }),
  };
}

/** For bodies whose shape the assertions check. */
export async function readJson<Value>(response: Response): Promise<Value> {
  const value: Value = await response.json();
  return value;
}
