import { describe, expect, it } from 'vitest';
import { parseModelName, pinnedModelName } from '../../src/protocol/route.ts';
import { shardUseSchema } from '../../src/protocol/shards.ts';
import { TRACE_HEADERS, traceHeaders } from '../../src/protocol/trace.ts';

describe('a model name', () => {
  it.each([
    ['sparsedoctor', { kind: 'routed' }],
    ['base', { kind: 'base' }],
    ['sparsedoctor:tcm', { kind: 'pinned', specialty: 'tcm' }],
    [pinnedModelName('obgyn'), { kind: 'pinned', specialty: 'obgyn' }],
    ['sparsedoctor:', null],
    ['sparsedoctor:TCM', null],
    ['sparsedoctor:a/b', null],
    ['Base', null],
    ['', null],
  ])('%s', (name, expected) => {
    expect(parseModelName(name)).toEqual(expected);
  });
});

describe('a prior', () => {
  it.each([
    [1 / 8, true],
    [1, true],
    [0, false],
    [0.3, false],
    [9 / 8, false],
  ])('of %s is valid: %s', (prior, isValid) => {
    expect(shardUseSchema.safeParse({ name: 'tcm', version: '1', prior }).success).toBe(isValid);
  });
});

describe('the trace in headers', () => {
  it('is ASCII whatever a host is called, and reads back', () => {
    const shards = [{ name: 'tcm', version: '1', prior: 1 }];
    const specialties = [{ specialty: '中医', probability: 1 }];
    const headers = traceHeaders({ shards, specialties, queue_ms: 3 });
    const value = headers[TRACE_HEADERS.specialties] ?? '';
    expect(value).toMatch(/^[\x20-\x7e]+$/);
    expect(JSON.parse(value)).toEqual(specialties);
    expect(headers[TRACE_HEADERS.queueMs]).toBe('3');
    expect(headers).not.toHaveProperty(TRACE_HEADERS.host);
  });

  it('stays small where there are many specialties', () => {
    const specialties = Array.from({ length: 500 }, (_, i) => ({ specialty: `s${i}`, probability: 0 }));
    expect(traceHeaders({ specialties })[TRACE_HEADERS.specialties]?.length).toBeLessThan(1024);
  });
});
