import { reset } from 'cloudflare:test';
import { beforeEach, describe, expect, it } from 'vitest';
import { limits } from '../../src/protocol/limits.ts';
import { announce, call, chat, expectError, keys } from './support/edge.ts';

beforeEach(async () => {
  await reset();
});

const message = { role: 'user', content: '你好' };

describe('a body that is no valid chat request', () => {
  const bodies: [what: string, json: unknown, status: number, code: string][] = [
    ['no object', [], 400, 'invalid_request'],
    ['null', null, 400, 'invalid_request'],
    ['no messages', { model: 'base' }, 400, 'invalid_request'],
    ['empty messages', { model: 'base', messages: [] }, 400, 'invalid_request'],
    [
      'an empty question',
      { model: 'base', messages: [{ role: 'user', content: ' ' }] },
      400,
      'invalid_request',
    ],
    [
      'a number as content',
      { model: 'base', messages: [{ role: 'user', content: 7 }] },
      400,
      'invalid_request',
    ],
    [
      'an unknown role',
      { model: 'base', messages: [{ role: 'king', content: 'x' }] },
      400,
      'invalid_request',
    ],
    [
      'a text as temperature',
      { model: 'base', messages: [message], temperature: 'hot' },
      400,
      'invalid_request',
    ],
    ['an unknown model', { model: 'gpt-9', messages: [message] }, 404, 'model_not_found'],
    [
      'an unknown specialty',
      { model: 'sparsedoctor:astrology', messages: [message] },
      404,
      'model_not_found',
    ],
    ['a specialty with a path', { model: 'sparsedoctor:../x', messages: [message] }, 404, 'model_not_found'],
    [
      'shards of its own',
      { model: 'base', messages: [message], sparsedoctor: { shards: [] } },
      400,
      'unsupported_value',
    ],
    [
      'too many messages',
      { model: 'base', messages: Array.from({ length: limits.messages + 1 }, () => message) },
      400,
      'invalid_request',
    ],
    [
      'too many characters',
      { model: 'base', messages: [{ role: 'user', content: '痛'.repeat(limits.promptCharacters + 1) }] },
      400,
      'context_length_exceeded',
    ],
  ];

  it.each(bodies)('%s', async (_, json, status, code) => {
    await expectError(await call('/v1/chat/completions', { json }), status, code);
  });

  it('broken JSON', async () => {
    const headers = { 'content-type': 'application/json' };
    const response = await call('/v1/chat/completions', { method: 'POST', body: '{"model": ', headers });
    expect(await expectError(response, 400, 'invalid_json')).not.toContain('model');
  });

  it('bytes that are no text', async () => {
    const headers = { 'content-type': 'application/json' };
    const body = new Uint8Array([0xff, 0xfe, 0x80]);
    await expectError(
      await call('/v1/chat/completions', { method: 'POST', body, headers }),
      400,
      'invalid_json',
    );
  });

  it('no JSON by its own account', async () => {
    const headers = { 'content-type': 'text/plain' };
    const response = await call('/v1/chat/completions', { method: 'POST', body: '{}', headers });
    await expectError(response, 415, 'unsupported_media_type');
  });

  it('more bytes than the limit, declared or not', async () => {
    const headers = { 'content-type': 'application/json' };
    const body = 'x'.repeat(limits.requestBodyBytes + 1);
    const declared = await call('/v1/chat/completions', { method: 'POST', body, headers });
    await expectError(declared, 413, 'body_too_large');
    const streamed = await call('/v1/chat/completions', {
      method: 'POST',
      body: new Blob([body]).stream(),
      headers,
    });
    await expectError(streamed, 413, 'body_too_large');
  });
});

describe('addresses', () => {
  it.each([
    ['GET', '/v1/nothing'],
    ['POST', '/nothing'],
    ['GET', '/v1/shards/tcm'],
  ])('%s %s is not found', async (method, path) => {
    await expectError(await call(path, { method }), 404, 'not_found');
  });

  it.each([
    ['GET', '/v1/chat/completions', 'POST'],
    ['DELETE', '/v1/shards/tcm/versions/1', 'PUT, GET, HEAD'],
    ['POST', '/v1/models', 'GET, HEAD'],
  ])('%s %s names the methods that exist', async (method, path, allow) => {
    const response = await call(path, { method });
    expect(response.headers.get('allow')).toBe(allow);
    await expectError(response, 405, 'method_not_allowed');
  });

  it('repeats a request id, and makes one where there is none or a strange one', async () => {
    const given = await call('/v1/models', { headers: { 'x-request-id': 'abc-1' } });
    expect(given.headers.get('x-request-id')).toBe('abc-1');
    const strange = await call('/v1/models', { headers: { 'x-request-id': 'a b"c' } });
    expect(strange.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  });
});

describe('headers that steer the queue', () => {
  it.each([
    ['x-sparsedoctor-priority', 'urgent', 400, 'invalid_request'],
    ['x-sparsedoctor-priority', 'high', 403, 'forbidden'],
    ['x-sparsedoctor-max-wait-ms', 'soon', 400, 'invalid_request'],
    ['x-sparsedoctor-max-wait-ms', '-5', 400, 'invalid_request'],
  ])('%s: %s', async (name, value, status, code) => {
    await announce();
    await expectError(await chat({}, { headers: { [name]: value } }), status, code);
  });
});

describe('an announcement', () => {
  it.each([
    ['an address that is not allowed', { url: 'http://10.0.0.7:9001' }, 403, 'forbidden'],
    ['an address with a path', { url: 'http://127.0.0.1:9001/admin' }, 403, 'forbidden'],
    ['an address with credentials', { url: 'http://a:b@127.0.0.1:9001' }, 403, 'forbidden'],
    ['no address', { url: 'nonsense' }, 400, 'invalid_request'],
    ['a fingerprint that is none', { base_fingerprint: 'x' }, 400, 'invalid_request'],
    ['no capacity', { capacity: 0 }, 400, 'invalid_request'],
    ['a name with spaces', { name: 'my host' }, 400, 'invalid_request'],
  ])('with %s is refused', async (_, host, status, code) => {
    await expectError(await announce(host), status, code);
  });

  it('cannot take the name of another live host', async () => {
    expect((await announce({ name: 'taken' })).status).toBe(200);
    await expectError(await announce({ name: 'taken', url: 'http://127.0.0.1:9002' }), 409, 'conflict');
  });
});

function activateWith(json: unknown): Promise<Response> {
  return call('/v1/shards/tcm/activate', { key: keys.admin, json });
}

describe('shard addresses', () => {
  it.each([
    '/v1/shards/Upper/versions/1',
    '/v1/shards/a/versions/..%2F..',
    `/v1/shards/${'a'.repeat(80)}/versions/1`,
  ])('PUT %s is refused', async (path) => {
    const response = await call(path, { method: 'PUT', key: keys.admin, body: 'x' });
    await expectError(response, 400, 'invalid_request');
  });

  it('activation needs a version, and one that exists', async () => {
    await expectError(await activateWith({}), 400, 'invalid_request');
    await expectError(await activateWith({ version: '1', force: true }), 400, 'invalid_request');
    await expectError(await activateWith({ version: '1' }), 404, 'shard_not_found');
  });

  it('there is nothing to roll back to at first', async () => {
    const response = await call('/v1/shards/tcm/rollback', { key: keys.admin, method: 'POST' });
    await expectError(response, 409, 'conflict');
  });
});

it('a version that nobody published is not found', async () => {
  await expectError(await call('/v1/shards/tcm/versions/9', { key: keys.host }), 404, 'shard_not_found');
});
