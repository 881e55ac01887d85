import { evictAllDurableObjects, reset } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { hostOrdersSchema, type HostOrders } from '../../../src/protocol/hosts.ts';
import {
  activationSchema,
  shardListSchema,
  type Activation,
  type ShardList,
} from '../../../src/protocol/shards.ts';
import { announce, call, expectError, keys } from '../support/edge.ts';
import { activate, identity, makeShard, rollback, upload } from '../support/shard.ts';

const modelsSchema = z.object({ data: z.array(z.object({ id: z.string() })) });

beforeEach(async () => {
  await reset();
});

async function list(): Promise<ShardList['data']> {
  return shardListSchema.parse(await (await call('/v1/shards')).json()).data;
}

async function models(): Promise<string[]> {
  const { data } = modelsSchema.parse(await (await call('/v1/models')).json());
  return data.map(({ id }) => id);
}

async function orders(host: Parameters<typeof announce>[0] = {}): Promise<HostOrders> {
  const response = await announce(host);
  expect(response.status).toBe(200);
  return hostOrdersSchema.parse(await response.json());
}

async function activation(response: Promise<Response>, status: number): Promise<Activation> {
  const answered = await response;
  expect(answered.status).toBe(status);
  return activationSchema.parse(await answered.json());
}

async function storedObjects(): Promise<number> {
  return (await env.SHARDS.list()).objects.length;
}

describe('an upload', () => {
  it('is published with the hash of its bytes, and a host can fetch exactly those', async () => {
    await announce();
    const file = await makeShard();
    const response = await upload(file);
    expect(response.status).toBe(201);
    const { sha256 } = await identity(file, 'tcm', '1');
    expect(await list()).toEqual([
      {
        specialty: 'tcm',
        active: null,
        versions: [
          expect.objectContaining({ version: '1', state: 'published', sha256, bytes: file.length, hosts: 0 }),
        ],
      },
    ]);
    const fetched = await call('/v1/shards/tcm/versions/1', { key: keys.host });
    expect(fetched.headers.get('x-sparsedoctor-sha256')).toBe(sha256);
    expect(new Uint8Array(await fetched.arrayBuffer())).toEqual(file);
  });

  it('of the same bytes again is fine; other bytes under the same version are a conflict', async () => {
    await announce();
    const file = await makeShard();
    expect((await upload(file)).status).toBe(201);
    expect((await upload(file)).status).toBe(200);
    await expectError(await upload(await makeShard({ fill: 2 })), 409, 'shard_conflict');
    const fetched = await call('/v1/shards/tcm/versions/1', { key: keys.host });
    expect(new Uint8Array(await fetched.arrayBuffer())).toEqual(file);
    expect(await storedObjects()).toBe(1);
  });

  it('needs to know the base model: from a host, or from the settings', async () => {
    const message = await expectError(await upload(await makeShard()), 503, 'no_host');
    expect(message).toContain('BASE_FINGERPRINT');
  });

  it('is refused while hosts disagree about the base', async () => {
    await announce();
    await announce({ name: 'two', url: 'http://127.0.0.1:9002', base_fingerprint: 'cd'.repeat(32) });
    await expectError(await upload(await makeShard()), 503, 'no_host');
  });

  const wrong: [what: string, code: string, make: () => Promise<Uint8Array<ArrayBuffer>>][] = [
    ['that lost its end', 'safetensors_out_of_range', async () => (await makeShard()).slice(0, -10)],
    [
      'that was cut inside its header',
      'safetensors_truncated',
      async () => (await makeShard()).slice(0, 100),
    ],
    ['of four bytes', 'shard_truncated', async () => (await makeShard()).slice(0, 4)],
    ['with a flipped bit in a tensor', 'shard_hash_mismatch', async () => flipped(await makeShard(), -3)],
    ['with bytes behind its end', 'safetensors_trailing_bytes', async () => padded(await makeShard())],
    ['for another base', 'shard_other_base', () => makeShard({ baseFingerprint: 'cd'.repeat(32) })],
    ['of another specialty', 'shard_other_name', () => makeShard({ specialty: 'obgyn' })],
    ['of another version', 'shard_other_name', () => makeShard({ version: '2' })],
    ['with a header of garbage', 'safetensors_header_not_json', async () => flipped(await makeShard(), 8)],
    ['with a huge header', 'safetensors_header_too_large', async () => hugeHeader()],
  ];

  it.each(wrong)('%s is refused, and leaves nothing behind', async (_, code, make) => {
    await announce();
    await expectError(await upload(await make()), 400, code);
    expect(await list()).toEqual([]);
    expect(await storedObjects()).toBe(0);
  });

  it('without a length is refused', async () => {
    await announce();
    const response = await call('/v1/shards/tcm/versions/1', {
      method: 'PUT',
      key: keys.admin,
      body: streamOf(await makeShard()),
    });
    await expectError(response, 411, 'length_required');
  });

  it('that is shorter or longer than its length says is refused, and leaves nothing behind', async () => {
    await announce();
    const file = await makeShard();
    for (const length of [file.length + 8, file.length - 8]) {
      const response = await call('/v1/shards/tcm/versions/1', {
        method: 'PUT',
        key: keys.admin,
        body: streamOf(file),
        headers: { 'content-length': String(length) },
      });
      expect(response.status).toBe(400);
      await response.body?.cancel();
    }
    expect(await list()).toEqual([]);
    expect(await storedObjects()).toBe(0);
  });

  it('with a length beyond the limit is refused before a byte is read', async () => {
    await announce();
    const response = await call('/v1/shards/tcm/versions/1', {
      method: 'PUT',
      key: keys.admin,
      body: new Blob(['x']).stream(),
      headers: { 'content-length': String(2 ** 40) },
    });
    await expectError(response, 413, 'body_too_large');
  });
});

describe('an activation', () => {
  it('makes hosts stage the version, and becomes valid when one holds it', async () => {
    await announce();
    const file = await makeShard();
    await upload(file);
    expect((await orders()).stage).toEqual([]);
    expect(await activation(activate('tcm', '1'), 202)).toMatchObject({
      state: 'staged',
      holders: 0,
      quorum: 1,
    });
    const { stage, active } = await orders();
    expect(stage).toEqual([{ ...(await identity(file, 'tcm', '1')), bytes: file.length }]);
    expect(active).toEqual({});
    const after = await orders({ resident: [await identity(file, 'tcm', '1')] });
    expect(after.active).toEqual({ tcm: '1' });
    expect((await list())[0]).toMatchObject({ active: '1', versions: [{ state: 'active', hosts: 1 }] });
  });

  it('answers as soon as the version is valid', async () => {
    await announce();
    const file = await makeShard();
    await upload(file);
    const answered = activate('tcm', '1');
    await announce({ resident: [await identity(file, 'tcm', '1')] });
    expect(await activation(answered, 200)).toMatchObject({ state: 'active', previous: null, holders: 1 });
  });

  it('does not count a host with other bytes, nor one that drains', async () => {
    await announce();
    await upload(await makeShard());
    await activation(activate('tcm', '1'), 202);
    const forged = { specialty: 'tcm', version: '1', sha256: '00'.repeat(32) };
    expect((await orders({ resident: [forged] })).retire).toEqual([{ specialty: 'tcm', version: '1' }]);
    const resident = [await identity(await makeShard(), 'tcm', '1')];
    expect((await orders({ resident, draining: true })).active).toEqual({});
    expect((await orders({ resident })).active).toEqual({ tcm: '1' });
  });

  it('of a second version keeps both on the host until the change, then retires the first', async () => {
    const [first, second] = await twoVersions();
    expect(await activation(activate('tcm', '2'), 202)).toMatchObject({ state: 'staged', previous: '1' });
    const between = await orders({ resident: [first] });
    expect(between.stage.map((one) => one.version)).toEqual(['1', '2']);
    expect(between.retire).toEqual([]);
    expect(between.active).toEqual({ tcm: '1' });
    const after = await orders({ resident: [first, second] });
    expect(after.active).toEqual({ tcm: '2' });
    expect(after.retire).toEqual([{ specialty: 'tcm', version: '1' }]);
    expect((await list())[0]?.versions.map((one) => one.state)).toEqual(['retired', 'active']);
  });

  it('lets clients fetch the version that is active, and no other', async () => {
    const [first] = await twoVersions();
    const fetched = await call('/v1/shards/tcm/versions/1');
    expect(fetched.headers.get('x-sparsedoctor-sha256')).toBe(first.sha256);
    expect((await fetched.arrayBuffer()).byteLength).toBe((await makeShard()).length);
    await expectError(await call('/v1/shards/tcm/versions/2'), 404, 'shard_not_found');
    expect((await call('/v1/shards/tcm/versions/2', { key: keys.host })).status).toBe(200);
  });

  it('can be repeated, and is taken back by a rollback while it is still staged', async () => {
    const [first] = await twoVersions();
    await activation(activate('tcm', '2'), 202);
    await activation(activate('tcm', '2'), 202);
    expect(await activation(rollback('tcm'), 200)).toMatchObject({ version: '1', state: 'active' });
    const { stage } = await orders({ resident: [first] });
    expect(stage.map((one) => one.version)).toEqual(['1']);
    expect((await list())[0]?.versions.map((one) => one.state)).toEqual(['active', 'published']);
  });

  it('is undone by a rollback, step by step, and hosts load the old version again', async () => {
    const [first, second] = await twoVersions();
    const answered = activate('tcm', '2');
    await orders({ resident: [first, second] });
    await activation(answered, 200);
    await orders({ resident: [second] });
    expect(await activation(rollback('tcm'), 202)).toMatchObject({
      version: '1',
      state: 'staged',
      previous: '2',
    });
    expect((await orders({ resident: [second] })).stage.map((one) => one.version)).toEqual(['2', '1']);
    expect((await orders({ resident: [first, second] })).active).toEqual({ tcm: '1' });
    await expectError(await rollback('tcm'), 409, 'conflict');
  });

  it('shows in the models and survives a restart of the registry', async () => {
    await twoVersions();
    expect(await models()).toEqual(['sparsedoctor', 'base', 'sparsedoctor:tcm']);
    await evictAllDurableObjects();
    expect(await models()).toEqual(['sparsedoctor', 'base', 'sparsedoctor:tcm']);
    expect((await orders()).stage.map((one) => one.version)).toEqual(['1']);
    expect((await call('/v1/models/sparsedoctor:tcm')).status).toBe(200);
    await expectError(await call('/v1/models/sparsedoctor:obgyn'), 404, 'model_not_found');
  });
});

/** Versions 1 (active) and 2 (published) of tcm. */
async function twoVersions() {
  await announce();
  const files = [await makeShard(), await makeShard({ version: '2', fill: 2 })] as const;
  await upload(files[0]);
  await upload(files[1], { version: '2' });
  const first = await identity(files[0], 'tcm', '1');
  const answered = activate('tcm', '1');
  await announce({ resident: [first] });
  await activation(answered, 200);
  return [first, await identity(files[1], 'tcm', '2')] as const;
}

/** A body whose length nobody can know beforehand. */
function streamOf(bytes: Uint8Array): ReadableStream {
  return new ReadableStream({
    start(controller) {
      controller.enqueue(bytes);
      controller.close();
    },
  });
}

function flipped(file: Uint8Array<ArrayBuffer>, at: number): Uint8Array<ArrayBuffer> {
  const index = at < 0 ? file.length + at : at;
  file[index] = (file[index] ?? 0) ^ 1;
  return file;
}

function padded(file: Uint8Array): Uint8Array<ArrayBuffer> {
  const longer = new Uint8Array(file.length + 4);
  longer.set(file);
  return longer;
}

function hugeHeader(): Uint8Array<ArrayBuffer> {
  const file = new Uint8Array(64);
  new DataView(file.buffer).setBigUint64(0, 2n ** 60n, true);
  return file;
}
