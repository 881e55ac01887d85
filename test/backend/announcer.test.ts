import { afterEach, describe, expect, it } from 'vitest';
import { createServer, type Server } from 'node:http';
import { createAnnouncer, type Announcer } from '../../src/backend/announcer.ts';
import { ShardStore } from '../../src/backend/shard-store.ts';
import { silentLogger } from '../../src/base/logger.ts';
import { sha256Hex } from '../../src/base/sha256.ts';
import { hostAnnouncementSchema, type HostAnnouncement, type HostOrders } from '../../src/protocol/hosts.ts';
import { MemoryPool, startTestHost } from '../support/test-host.ts';
import { tinyModel, tinyShardBytes } from '../support/tiny-model.ts';

const model = await tinyModel();
const closers: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

/** The edge's end of the contract, as far as a host sees it. */
class Edge {
  readonly announcements: HostAnnouncement[] = [];
  readonly files = new Map<string, Uint8Array>();
  readonly fetched: string[] = [];
  orders: HostOrders = { stage: [], retire: [], active: {}, announce_every_ms: 20 };
  secret = 'host-secret';
  #server: Server | undefined;

  async listen(port = 0): Promise<{ url: string; port: number }> {
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        if (request.headers.authorization !== `Bearer ${this.secret}`) {
          response.writeHead(401).end('{}');
        } else if (request.method === 'POST' && request.url === '/v1/hosts') {
          this.announcements.push(hostAnnouncementSchema.parse(JSON.parse(Buffer.concat(chunks).toString())));
          response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(this.orders));
        } else {
          this.fetched.push(request.url ?? '');
          const file = this.files.get(request.url ?? '');
          response.writeHead(file ? 200 : 404).end(file);
        }
      });
    });
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('a TCP server has a port');
    return { url: `http://127.0.0.1:${address.port}`, port: address.port };
  }

  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (!server) return;
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }

  /** Publishes a file and orders it. */
  async stage(bytes: Uint8Array, version: string, sha256?: string): Promise<void> {
    this.files.set(`/v1/shards/cardiovascular/versions/${version}`, bytes);
    const shard = {
      specialty: 'cardiovascular',
      version,
      sha256: sha256 ?? (await sha256Hex(bytes)),
      bytes: bytes.length,
    };
    this.orders = { ...this.orders, stage: [...this.orders.stage, shard] };
  }

  get last(): HostAnnouncement | undefined {
    return this.announcements.at(-1);
  }
}

async function start(edge = new Edge()): Promise<{
  edge: Edge;
  announcer: Announcer;
  shards: ShardStore;
  pool: MemoryPool;
  port: number;
}> {
  const { url, port } = await edge.listen();
  const pool = new MemoryPool();
  const shards = new ShardStore({ pool, expectations: { baseFingerprint: model.fingerprint } });
  const announcer = createAnnouncer({
    edgeUrl: url,
    secret: 'host-secret',
    shards,
    logger: silentLogger,
    describe: () => ({
      url: 'http://127.0.0.1:1',
      name: 'test',
      base_fingerprint: model.fingerprint,
      capacity: 4,
      running: 0,
      waiting: 0,
    }),
    retry: { firstMs: 5, mostMs: 20 },
  });
  closers.push(
    () => edge.close(),
    () => announcer.stop(),
  );
  return { edge, announcer, shards, pool, port };
}

const resident = (edge: Edge): string[] => edge.last?.resident.map((shard) => shard.version) ?? [];

describe('createAnnouncer', () => {
  it('stages what the edge orders, and reports it with its hash', async () => {
    const edge = new Edge();
    const bytes = await tinyShardBytes(model, { version: 'v1' });
    await edge.stage(bytes, 'v1');
    await start(edge);
    await expect.poll(() => resident(edge)).toEqual(['v1']);
    expect(edge.last!.resident[0]!.sha256).toBe(await sha256Hex(bytes));
    expect(edge.fetched).toHaveLength(1);
  });

  it('announces right after loading, however long the interval', async () => {
    const edge = new Edge();
    edge.orders = { ...edge.orders, announce_every_ms: 60_000 };
    await edge.stage(await tinyShardBytes(model, { version: 'v1' }), 'v1');
    await start(edge);
    await expect.poll(() => resident(edge)).toEqual(['v1']);
  });

  it('retires when told, but not while a request uses the version', async () => {
    const { edge, shards } = await start();
    await edge.stage(await tinyShardBytes(model, { version: 'v1' }), 'v1');
    await edge.stage(await tinyShardBytes(model, { version: 'v2' }), 'v2');
    await expect.poll(() => resident(edge)).toEqual(['v1', 'v2']);
    const lease = shards.acquire([{ name: 'cardiovascular', version: 'v1', prior: 1 }]);
    edge.orders = {
      ...edge.orders,
      stage: edge.orders.stage.slice(1),
      retire: [{ specialty: 'cardiovascular', version: 'v1' }],
    };
    const seen = edge.announcements.length;
    await expect.poll(() => edge.announcements.length).toBeGreaterThan(seen + 3);
    expect(resident(edge)).toEqual(['v1', 'v2']);
    lease.release();
    await expect.poll(() => resident(edge)).toEqual(['v2']);
  });

  it('frees what came from the edge and is in no list, but not what the host brought itself', async () => {
    const { edge, shards } = await start();
    await shards.add(await tinyShardBytes(model, { version: 'own' }));
    await edge.stage(await tinyShardBytes(model, { version: 'v1' }), 'v1');
    await expect.poll(() => resident(edge)).toEqual(['own', 'v1']);
    edge.orders = { ...edge.orders, stage: [] };
    await expect.poll(() => resident(edge)).toEqual(['own']);
    edge.orders = { ...edge.orders, retire: [{ specialty: 'cardiovascular', version: 'own' }] };
    await expect.poll(() => resident(edge)).toEqual([]);
  });

  it.each([
    ['tampered', (bytes: Uint8Array) => bytes.with(bytes.length - 1, bytes[bytes.length - 1]! ^ 1)],
    ['truncated', (bytes: Uint8Array) => bytes.slice(0, -4)],
    ['too long', (bytes: Uint8Array) => new Uint8Array([...bytes, 0])],
  ])('does not load a shard that arrives %s, and goes on with the next', async (_title, spoil) => {
    const edge = new Edge();
    const good = await tinyShardBytes(model, { version: 'bad' });
    await edge.stage(good, 'bad');
    edge.files.set('/v1/shards/cardiovascular/versions/bad', spoil(good));
    await edge.stage(await tinyShardBytes(model, { version: 'v2' }), 'v2');
    await start(edge);
    await expect.poll(() => resident(edge)).toEqual(['v2']);
    expect(edge.fetched).toHaveLength(2);
  });

  it('survives a restart of the edge', async () => {
    const { edge, announcer, port } = await start();
    await expect.poll(() => announcer.joined).toBe(true);
    await edge.close();
    await expect.poll(() => announcer.joined).toBe(false);
    const reborn = new Edge();
    await reborn.stage(await tinyShardBytes(model, { version: 'v1' }), 'v1');
    await reborn.listen(port);
    closers.splice(-1, 0, () => reborn.close());
    await expect.poll(() => resident(reborn)).toEqual(['v1']);
    expect(announcer.joined).toBe(true);
  });

  it('keeps trying with a refused secret and joins once it is right', async () => {
    const edge = new Edge();
    edge.secret = 'another';
    const { announcer } = await start(edge);
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(announcer.joined).toBe(false);
    edge.secret = 'host-secret';
    await expect.poll(() => announcer.joined).toBe(true);
  });
});

describe('a host that joined', () => {
  it('reports address, capacity and leases, and says when it drains', async () => {
    const edge = new Edge();
    const { url: edgeUrl } = await edge.listen();
    closers.push(() => edge.close());
    const opened = Promise.withResolvers<void>();
    const { host, url, post } = await startTestHost({ parrot: { before: () => opened.promise } });
    host.join({ edgeUrl, secret: 'host-secret', name: 'gpu-1', baseFingerprint: model.fingerprint });
    await expect.poll(() => edge.last).toMatchObject({ url, name: 'gpu-1', lease_ids: [], draining: false });
    const answer = post(
      '/v1/chat/completions',
      { model: 'base', messages: [{ role: 'user', content: 'x' }] },
      { headers: { 'x-sparsedoctor-lease': 'lease-7' } },
    );
    await expect.poll(() => edge.last).toMatchObject({ lease_ids: ['lease-7'], running: 1 });
    const closing = host.close();
    await expect.poll(() => edge.last).toMatchObject({ draining: true, lease_ids: ['lease-7'] });
    opened.resolve();
    expect((await answer).status).toBe(200);
    await closing;
    expect(edge.last).toMatchObject({ draining: true, lease_ids: [], running: 0 });
  });
});
