/** Calls the gateway as its clients, administrators and hosts do. */
import { exports } from 'cloudflare:workers';
import { expect } from 'vitest';
import { parseErrorBody } from '../../../src/protocol/errors.ts';
import type { HostAnnouncement } from '../../../src/protocol/hosts.ts';

export const keys = {
  client: 'client-key',
  second: 'second-key',
  admin: 'admin-key',
  host: 'host-secret',
} as const;
export const BASE = 'ab'.repeat(32);

export interface CallOptions {
  readonly key?: string | null;
  readonly method?: string;
  readonly json?: unknown;
  readonly body?: BodyInit;
  readonly headers?: Record<string, string>;
}

export function call(path: string, options: CallOptions = {}): Promise<Response> {
  const { key = keys.client, json, method = json === undefined ? 'GET' : 'POST' } = options;
  const headers: Record<string, string> = { ...options.headers };
  if (key !== null) headers['authorization'] ??= `Bearer ${key}`;
  if (json !== undefined) headers['content-type'] ??= 'application/json';
  const body = json === undefined ? (options.body ?? null) : JSON.stringify(json);
  return exports.default.fetch(new Request(`https://edge.test${path}`, { method, headers, body }));
}

export function chat(fields: Record<string, unknown> = {}, options: CallOptions = {}): Promise<Response> {
  const json = { model: 'base', messages: [{ role: 'user', content: '你好' }], ...fields };
  return call('/v1/chat/completions', { ...options, json });
}

/** A request that the stub router sees as the given specialties. */
export function about(probabilities: Record<string, number>): Record<string, unknown> {
  return { model: 'sparsedoctor', messages: [{ role: 'user', content: JSON.stringify(probabilities) }] };
}

export async function announce(host: Partial<HostAnnouncement> = {}): Promise<Response> {
  const announcement = {
    url: 'http://127.0.0.1:9001',
    name: 'one',
    base_fingerprint: BASE,
    capacity: 4,
    running: 0,
    waiting: 0,
    resident: [],
    lease_ids: [],
    ...host,
  };
  return call('/v1/hosts', { key: keys.host, json: announcement });
}

/** The one check of every error answer: status, OpenAI's shape, and the code. Returns the message. */
export async function expectError(response: Response, status: number, code: string): Promise<string> {
  const body = await response.json();
  expect(body).toEqual({
    error: {
      message: expect.any(String),
      type: expect.any(String),
      param: expect.toSatisfy((param) => param === null || typeof param === 'string'),
      code,
    },
  });
  expect(response.status).toBe(status);
  if (status === 429 || status === 503)
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
  return parseErrorBody(body)?.message ?? '';
}

/** The events of a stream, comments left out, `[DONE]` as a string. */
export async function readEvents(response: Response): Promise<unknown[]> {
  const text = await response.text();
  return text
    .split('\n\n')
    .filter((block) => block.startsWith('data: '))
    .map((block) => (block === 'data: [DONE]' ? '[DONE]' : (JSON.parse(block.slice(6)) as unknown)));
}
