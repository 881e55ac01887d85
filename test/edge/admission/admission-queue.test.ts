/** The Durable Object around admission: waiting, expiry by alarm, and what a restart keeps. Limits: vitest.config.ts. */
import { abortAllDurableObjects, evictDurableObject, reset, runDurableObjectAlarm } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, it } from 'vitest';
import type { AdmissionRequest, Grant, HostReport, Verdict } from '../../../src/edge/admission/types.ts';
import { admissionOf, settingsOf } from '../../../src/edge/bindings.ts';

const queue = () => admissionOf(env);
const { LEASE_TTL_MS } = settingsOf(env);
const PERSISTED_MS = 700;

const request: AdmissionRequest = {
  key: 'a',
  priority: 'normal',
  waitMs: 4_000,
  specialties: [],
  exclude: [],
};

const ended = {
  result: 'stop',
  firstTokenMs: 100,
  totalMs: 400,
  promptTokens: 3,
  completionTokens: 4,
} as const;

async function report(host: Partial<HostReport> = {}): Promise<void> {
  const whole = { name: 'one', url: 'http://one', capacity: 1, running: 0, waiting: 0, resident: [] };
  await queue().report({ ...whole, leaseIds: [], draining: false, ...host }, { revision: 0, versions: {} });
}

function granted(verdict: Verdict): Grant {
  if (verdict.kind !== 'granted') throw new Error(`expected a grant, got ${JSON.stringify(verdict)}`);
  return verdict.grant;
}

async function queued(): Promise<string> {
  const verdict = await queue().enqueue(request);
  if (verdict.kind !== 'queued') throw new Error(`expected a ticket, got ${verdict.kind}`);
  return verdict.ticket;
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

beforeEach(async () => {
  await reset();
});

describe('waiting', () => {
  it('ends with the grant as soon as a slot is free', async () => {
    await report();
    const { lease } = granted(await queue().enqueue(request));
    const waiting = queue().wait(await queued(), 60_000);
    await queue().release(lease, ended);
    expect((await waiting).kind).toBe('granted');
  });

  it('ends with its place in the queue when its time is over', async () => {
    await report();
    granted(await queue().enqueue(request));
    expect(await queue().wait(await queued(), 20)).toMatchObject({ kind: 'queued', position: 1 });
  });

  it('ends with a refusal when the deadline passes', async () => {
    await report();
    granted(await queue().enqueue(request));
    const verdict = await queue().enqueue({ ...request, waitMs: 30 });
    if (verdict.kind !== 'queued') throw new Error(verdict.kind);
    expect(await queue().wait(verdict.ticket, 60)).toMatchObject({ kind: 'refused', reason: 'deadline' });
  });

  it('is over for a ticket that was cancelled', async () => {
    await report();
    granted(await queue().enqueue(request));
    const ticket = await queued();
    await queue().cancel(ticket);
    expect(await queue().wait(ticket, 20)).toEqual({ kind: 'lost' });
  });
});

describe('an abandoned lease', () => {
  it('is freed by the alarm when nobody else calls', async () => {
    await report();
    granted(await queue().enqueue(request));
    await pause(PERSISTED_MS);
    await pause(Math.max(LEASE_TTL_MS, 5_000) - PERSISTED_MS + 50);
    await runDurableObjectAlarm(queue());
    expect((await queue().status()).running).toBe(0);
    expect(await queue().metrics()).toMatch(/sparsedoctor_edge_leases_expired_total 1\n/);
  });
});

describe('a restart', () => {
  it('keeps leases, grants nothing before hosts report, and takes late releases', async () => {
    await report({ capacity: 2 });
    const { lease } = granted(await queue().enqueue(request));
    await pause(PERSISTED_MS);
    await evictDurableObject(queue());
    expect(await queue().status()).toMatchObject({ running: 1, hosts: 0 });
    const ticket = await queued();
    const other = await queued();
    await report({ capacity: 2, running: 1, leaseIds: [lease] });
    granted(await queue().wait(ticket, 20));
    expect((await queue().wait(other, 20)).kind).toBe('queued');
    await queue().release(lease, ended);
    granted(await queue().wait(other, 20));
  });

  it('does not sell slots that a host still uses for leases that were not yet stored', async () => {
    await report();
    const { lease } = granted(await queue().enqueue(request));
    // Unlike an eviction, this leaves no time to store anything.
    await abortAllDurableObjects();
    const ticket = await queued();
    await report({ running: 1, leaseIds: [lease] });
    expect((await queue().wait(ticket, 20)).kind).toBe('queued');
    await report({ running: 0, leaseIds: [] });
    granted(await queue().wait(ticket, 20));
  });

  it('loses tickets, and says so', async () => {
    await report();
    granted(await queue().enqueue(request));
    const ticket = await queued();
    await evictDurableObject(queue());
    expect(await queue().wait(ticket, 20)).toEqual({ kind: 'lost' });
  });
});

it('counts what it grants, refuses and sees ended, under the names of vLLM', async () => {
  await report();
  const { lease } = granted(await queue().enqueue(request));
  for (let i = 0; i < 4; i++) await queued();
  expect((await queue().enqueue(request)).kind).toBe('refused');
  await queue().release(lease, ended);
  await queue().release(lease, ended);
  const lines = (await queue().metrics()).split('\n');
  expect(lines).toEqual(
    expect.arrayContaining([
      'vllm:num_requests_running 1',
      'vllm:num_requests_waiting 3',
      'vllm:time_to_first_token_seconds_bucket{le="0.1"} 1',
      'vllm:time_to_first_token_seconds_bucket{le="0.05"} 0',
      'vllm:e2e_request_latency_seconds_count 1',
      'vllm:prompt_tokens_total 3',
      'vllm:generation_tokens_total 4',
      'vllm:request_success_total{finished_reason="stop"} 1',
      'sparsedoctor_edge_refused_total{reason="key_queue_full"} 1',
      'sparsedoctor_edge_hosts 1',
    ]),
  );
});
