import { describe, expect, it } from 'vitest';
import { ShardStore } from '../../src/backend/shard-store.ts';
import { MemoryPool } from '../support/test-host.ts';
import { tinyModel, tinyShardBytes, type TinyShardOptions } from '../support/tiny-model.ts';

const model = await tinyModel();

function makeStore(capacity?: number): {
  store: ShardStore;
  pool: MemoryPool;
  bytesOf: (o: TinyShardOptions) => Promise<Uint8Array>;
} {
  const pool = new MemoryPool(capacity);
  const store = new ShardStore({
    pool,
    expectations: { config: model.config, baseFingerprint: model.fingerprint },
  });
  return { store, pool, bytesOf: (options) => tinyShardBytes(model, options) };
}

function use(version: string): { name: string; version: string; prior: number } {
  return { name: 'cardiovascular', version, prior: 1 };
}

describe('ShardStore', () => {
  it('loads a file and gives its route to requests that name the version', async () => {
    const { store, bytesOf } = makeStore();
    const identity = await store.add(await bytesOf({ version: '1' }));
    expect(identity).toMatchObject({ specialty: 'cardiovascular', version: '1' });
    const { route } = store.acquire([{ ...use('1'), prior: 0.5 }]);
    expect(route.shards[0]).toMatchObject({ prior: 0.5, shard: { version: '1' } });
  });

  it('loads the same bytes once, also when they come twice at a time', async () => {
    const { store, pool, bytesOf } = makeStore();
    const bytes = await bytesOf({ version: '1' });
    await Promise.all([store.add(bytes), store.add(bytes), store.add(bytes)]);
    expect(pool.resident.size).toBe(1);
  });

  it('refuses other bytes under a version that it holds', async () => {
    const { store, pool, bytesOf } = makeStore();
    await store.add(await bytesOf({ version: '1', seed: 1 }));
    await expect(store.add(await bytesOf({ version: '1', seed: 2 }))).rejects.toMatchObject({
      code: 'shard_conflict',
    });
    expect(pool.resident.size).toBe(1);
  });

  it.each([
    ['a truncated file', (bytes: Uint8Array) => bytes.slice(0, -8)],
    ['a tampered file', (bytes: Uint8Array) => bytes.with(bytes.length - 3, bytes[bytes.length - 3]! ^ 1)],
    ['no shard at all', () => new Uint8Array(100)],
  ])('refuses %s and loads nothing', async (_title, spoil) => {
    const { store, pool, bytesOf } = makeStore();
    await expect(store.add(spoil(await bytesOf({ version: '1' })))).rejects.toMatchObject({
      name: 'CallerError',
    });
    expect(pool.resident.size).toBe(0);
    expect(store.resident()).toEqual([]);
  });

  it('refuses a shard for another base', async () => {
    const { store } = makeStore();
    const other = await tinyModel({}, { seed: 99 });
    await expect(store.add(await tinyShardBytes(other, {}))).rejects.toMatchObject({ name: 'CallerError' });
  });

  it('refuses bytes that are not what the sender said', async () => {
    const { store, bytesOf } = makeStore();
    const bytes = await bytesOf({ version: '1' });
    const said = { specialty: 'cardiovascular', version: '1', sha256: '0'.repeat(64) };
    await expect(store.add(bytes, { local: false, expected: said })).rejects.toThrow('SHA-256');
    await expect(store.add(bytes, { local: false, expected: { ...said, version: '2' } })).rejects.toThrow(
      'version',
    );
    expect(store.resident()).toEqual([]);
  });

  it('pins nothing when one of several is missing', async () => {
    const { store, bytesOf } = makeStore();
    await store.add(await bytesOf({ version: '1' }));
    expect(() => store.acquire([use('1'), { ...use('1'), name: 'neurology' }])).toThrow(
      expect.objectContaining({ code: 'shard_not_resident' }),
    );
    expect(store.resident()[0]!.leases).toBe(0);
  });

  it('unloads a retired version when its last request has ended, and serves it until then', async () => {
    const { store, pool, bytesOf } = makeStore();
    await store.add(await bytesOf({ version: '1' }));
    const first = store.acquire([use('1')]);
    store.retire({ specialty: 'cardiovascular', version: '1' });
    const second = store.acquire([use('1')]);
    first.release();
    first.release();
    expect(store.resident()).toHaveLength(1);
    second.release();
    expect(store.resident()).toEqual([]);
    expect(pool.resident.size).toBe(0);
    expect(() => store.acquire([use('1')])).toThrow(expect.objectContaining({ code: 'shard_not_resident' }));
  });

  it('keeps a retired version that is ordered again in time', async () => {
    const { store, bytesOf } = makeStore();
    const identity = await store.add(await bytesOf({ version: '1' }));
    const lease = store.acquire([use('1')]);
    store.retire(identity);
    store.keep(identity);
    lease.release();
    expect(store.holds(identity)).toBe(true);
  });

  it('takes the newest version that is not retired for requests without one', async () => {
    const { store, bytesOf } = makeStore();
    expect(store.newest('cardiovascular')).toBeUndefined();
    await store.add(await bytesOf({ version: '2', created: '2025-03-01T00:00:00Z' }));
    await store.add(await bytesOf({ version: '10', created: '2025-02-01T00:00:00Z' }));
    expect(store.newest('cardiovascular')).toBe('2');
    const lease = store.acquire([use('2')]);
    store.retire({ specialty: 'cardiovascular', version: '2' });
    expect(store.newest('cardiovascular')).toBe('10');
    lease.release();
  });

  it('displaces its own unused shards, least recently used first, for what the edge orders', async () => {
    const { store, bytesOf } = makeStore(3);
    for (const version of ['1', '2', '3']) await store.add(await bytesOf({ version }));
    const held = store.acquire([use('1')]);
    store.acquire([use('2')]).release();
    await store.add(await bytesOf({ version: '4' }), { local: false });
    const versions = (): string[] => store.resident().map((shard) => shard.version);
    expect(versions()).toEqual(['1', '2', '4']);
    await store.add(await bytesOf({ version: '5' }), { local: false });
    expect(versions()).toEqual(['1', '4', '5']);
    // The rest is in use or ordered.
    await expect(store.add(await bytesOf({ version: '6' }), { local: false })).rejects.toMatchObject({
      code: 'expert_pool_full',
    });
    held.release();
    await expect(store.add(await bytesOf({ version: '6' }))).rejects.toMatchObject({
      code: 'expert_pool_full',
    });
    expect(versions()).toEqual(['1', '4', '5']);
  });

  it('tells listeners of every change until they stop', async () => {
    const { store, bytesOf } = makeStore();
    let changes = 0;
    const stop = store.onChange(() => (changes += 1));
    const identity = await store.add(await bytesOf({ version: '1' }));
    store.retire(identity);
    expect(changes).toBe(2);
    stop();
    await store.add(await bytesOf({ version: '1' }));
    expect(changes).toBe(2);
  });
});
