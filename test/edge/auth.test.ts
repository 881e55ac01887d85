import { reset } from 'cloudflare:test';
import { beforeEach, describe, expect, it } from 'vitest';
import { call, expectError, keys } from './support/edge.ts';

beforeEach(async () => {
  await reset();
});

const routes: [method: string, path: string, allowed: readonly string[]][] = [
  ['POST', '/v1/chat/completions', [keys.client, keys.second, keys.admin]],
  ['POST', '/v1/completions', [keys.client, keys.second, keys.admin]],
  ['POST', '/v1/route', [keys.client, keys.second, keys.admin]],
  ['GET', '/v1/models', [keys.client, keys.second, keys.admin]],
  ['GET', '/v1/shards', [keys.client, keys.second, keys.admin]],
  ['GET', '/metrics', [keys.client, keys.second, keys.admin]],
  ['PUT', '/v1/shards/tcm/versions/1', [keys.admin]],
  // A client gets the active version alone: see registry/life-cycle.test.ts.
  ['GET', '/v1/shards/tcm/versions/1', [keys.client, keys.second, keys.host, keys.admin]],
  ['POST', '/v1/shards/tcm/activate', [keys.admin]],
  ['POST', '/v1/shards/tcm/rollback', [keys.admin]],
  ['POST', '/v1/hosts', [keys.host]],
];

describe.each(routes)('%s %s', (method, path, allowed) => {
  it('refuses a missing, a wrong and a nearly right key', async () => {
    await expectError(await call(path, { method, key: null }), 401, 'invalid_api_key');
    const basic = { authorization: `Basic ${keys.client}` };
    await expectError(await call(path, { method, headers: basic }), 401, 'invalid_api_key');
    for (const wrong of ['nonsense', 'client-key,second-key', 'client-ke', 'client-keyy', ',']) {
      await expectError(await call(path, { method, key: wrong }), 401, 'invalid_api_key');
    }
  });

  it('serves the roles that it is for and no other', async () => {
    for (const key of Object.values(keys)) {
      const response = await call(path, { method, key });
      await response.body?.cancel();
      if (allowed.includes(key)) expect([401, 403]).not.toContain(response.status);
      else expect(response.status).toBe(403);
    }
  });
});

it('asks no key for the health of the service', async () => {
  await expect((await call('/health', { key: null })).json()).resolves.toEqual({
    status: 'no_host',
    hosts: 0,
    capacity: 0,
  });
});

it('says nothing of keys in its answers', async () => {
  const response = await call('/v1/models', { key: 'secret-guess' });
  expect(await response.text()).not.toMatch(/secret-guess|client-key/);
});
