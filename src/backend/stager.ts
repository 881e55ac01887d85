/** Fetches the shards that the edge orders, one at a time, beside the serving; a failed one is tried again, less and less. */
import { CallerError, InternalError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { HostOrders } from '../protocol/hosts.ts';
import { MAX_SHARD_BYTES } from '../protocol/shards.ts';
import type { ShardStore } from './shard-store.ts';

type Ordered = HostOrders['stage'][number];

export interface Stager {
  /** Sets what is to be held; what is on the way or failed a moment ago is not started twice. */
  order(shards: readonly Ordered[]): void;
  /** Resolves when nothing is being fetched. */
  idle(): Promise<void>;
}

export interface StagerOptions {
  readonly edgeUrl: string;
  readonly secret: string;
  readonly shards: ShardStore;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

const longestPauseMs = 60_000;
const fetchTimeoutMs = 300_000;

/** Orders to actions: stage what is missing, retire what is named, and what once came from an edge and is in no list. */
export function carryOut(orders: HostOrders, shards: ShardStore, stager: Stager): void {
  const wanted = new Set(orders.stage.map(keyOf));
  const retire = new Set(orders.retire.map(keyOf));
  for (const shard of shards.resident()) {
    const key = keyOf(shard);
    if (retire.has(key) || (!shard.local && !wanted.has(key))) shards.retire(shard);
  }
  stager.order(orders.stage.filter((shard) => !retire.has(keyOf(shard))));
}

export function createStager(options: StagerOptions): Stager {
  const { shards, logger, signal } = options;
  const failures = new Map<string, { count: number; notBefore: number }>();
  let wanted: readonly Ordered[] = [];
  let working: Promise<void> | undefined;

  const nextUp = (): Ordered | undefined =>
    wanted.find((shard) => {
      const failure = failures.get(identityOf(shard));
      return !shards.holds(shard) && (!failure || failure.notBefore <= Date.now());
    });

  const work = async (): Promise<void> => {
    for (let shard = nextUp(); shard && !signal.aborted; shard = nextUp()) {
      const key = identityOf(shard);
      try {
        const bytes = await fetchShard(shard, options);
        await shards.add(bytes, { local: false, expected: shard });
        failures.delete(key);
      } catch (error) {
        if (signal.aborted) return;
        const count = (failures.get(key)?.count ?? 0) + 1;
        const pauseMs = Math.min(longestPauseMs, 500 * 2 ** count);
        failures.set(key, { count, notBefore: Date.now() + pauseMs });
        const isKnown = error instanceof CallerError || error instanceof InternalError;
        const why = isKnown ? { code: error.code, detail: error.message } : { code: 'fetch_failed' };
        logger.warn({ shard: keyOf(shard), ...why, retryInMs: pauseMs }, 'shard could not be staged');
      }
    }
  };

  return {
    order(list) {
      wanted = list;
      for (const shard of list) shards.keep(shard);
      const known = new Set(list.map(identityOf));
      for (const key of failures.keys()) if (!known.has(key)) failures.delete(key);
      working ??= work().finally(() => (working = undefined));
    },
    idle: async () => {
      await working;
    },
  };
}

async function fetchShard(shard: Ordered, options: StagerOptions): Promise<Uint8Array> {
  if (shard.bytes > MAX_SHARD_BYTES) throw new CallerError('shard_invalid', 'The shard is too large.');
  const path = `/v1/shards/${encodeURIComponent(shard.specialty)}/versions/${encodeURIComponent(shard.version)}`;
  const response = await fetch(new URL(path, options.edgeUrl), {
    headers: { authorization: `Bearer ${options.secret}` },
    signal: AbortSignal.any([options.signal, AbortSignal.timeout(fetchTimeoutMs)]),
  });
  if (!response.ok || !response.body) {
    await response.body?.cancel();
    throw new InternalError('fetch_failed', `The edge answered ${response.status}.`);
  }
  // The announced size bounds what is read, whatever the other side sends.
  const bytes = new Uint8Array(shard.bytes);
  let length = 0;
  for await (const chunk of response.body) {
    if (length + chunk.byteLength > bytes.byteLength) {
      throw new CallerError('shard_invalid', 'The shard is longer than was announced.');
    }
    bytes.set(chunk, length);
    length += chunk.byteLength;
  }
  if (length < bytes.byteLength)
    throw new CallerError('shard_invalid', 'The shard is shorter than was announced.');
  return bytes;
}

function keyOf(shard: { readonly specialty: string; readonly version: string }): string {
  return `${shard.specialty}@${shard.version}`;
}

function identityOf(shard: Ordered): string {
  return `${keyOf(shard)}#${shard.sha256}`;
}
