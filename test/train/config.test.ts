import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { CallerError } from '../../src/base/errors.ts';
import { baseRunSchema, parseRunConfig } from '../../src/train/config.ts';
import { tuneRunSchema } from '../../src/train/tune-config.ts';

const read = (path: string): string =>
  readFileSync(new URL(`../../weights/${path}`, import.meta.url), 'utf8');
const baseText = read('base/run.json');
const tuneText = read('shards/run.v1.json');

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

/** The text with a value changed at a path, or taken out. */
function changed(text: string, changes: Readonly<Record<string, unknown>>): string {
  const run: Record<string, unknown> = JSON.parse(text);
  for (const [path, value] of Object.entries(changes)) {
    const keys = path.split('.');
    const last = keys.pop()!;
    let at = run;
    for (const key of keys) {
      const inner = at[key];
      if (!isRecord(inner)) throw new Error(`${path} leads nowhere`);
      at = inner;
    }
    at[last] = value;
  }
  return JSON.stringify(run);
}

function refusal(parse: () => unknown): CallerError {
  try {
    parse();
  } catch (error) {
    if (error instanceof CallerError) return error;
    throw error;
  }
  throw new Error('the config was taken');
}

const refuseBase = (changes: Readonly<Record<string, unknown>>): CallerError =>
  refusal(() => parseRunConfig(changed(baseText, changes), baseRunSchema, 'run.json'));
const refuseTune = (changes: Readonly<Record<string, unknown>>): CallerError =>
  refusal(() => parseRunConfig(changed(tuneText, changes), tuneRunSchema, 'run.json'));

const contrast = {
  variant: 'queue',
  temperature: 0.1,
  weight: 0.1,
  queueSize: 8,
  dimensions: 4,
  anchors: 16,
  warmupSteps: 0,
};
const shared = {
  kind: 'experts',
  pool: 'shared',
  experts: 2,
  rank: 2,
  alpha: 4,
  topK: 2,
  balance: 0,
  zLoss: 0,
  jitter: 0,
};

describe('the JSON of a training run', () => {
  test('the shipped runs are read as they stand', () => {
    expect(parseRunConfig(baseText, baseRunSchema, 'run.json')).toEqual(JSON.parse(baseText));
    for (const path of ['shards/run.v1.json', 'shards/run.cardiovascular.v2.json']) {
      expect(parseRunConfig(read(path), tuneRunSchema, path)).toEqual(JSON.parse(read(path)));
    }
  });

  test('all problems are told in one error that names the file', () => {
    const error = refuseBase({
      rows: 0,
      learningRate: 1,
      'optimiser.floor': 2,
      'optimiser.momentum': 0.9,
      'model.layers': '6',
      seed: undefined,
    });
    expect(error.code).toBe('invalid_run_config');
    expect(error.param).toBe('run.json');
    expect(error.message).toMatch(/^run\.json cannot be used: /);
    for (const part of [
      'rows: ',
      'learningRate',
      'optimiser.floor: ',
      'momentum',
      'model.layers: ',
      'seed: ',
    ]) {
      expect(error.message, part).toContain(part);
    }
  });

  test('text that is not JSON, and a run of the other kind', () => {
    const broken = refusal(() => parseRunConfig(baseText.slice(0, -5), baseRunSchema, 'run.json'));
    expect(broken).toMatchObject({ code: 'invalid_run_config', message: 'run.json is not JSON.' });
    const other = refusal(() => parseRunConfig(tuneText, baseRunSchema, 'run.json'));
    expect(other.message).toContain('kind: ');
  });

  test.each([
    ['no steps', { 'optimiser.steps': 0 }, 'optimiser.steps'],
    ['no warm-up', { 'optimiser.warmupSteps': 0 }, 'optimiser.warmupSteps'],
    ['a moment that never learns', { 'optimiser.beta1': 1 }, 'optimiser.beta1'],
    ['a rate of zero', { 'optimiser.peakLearningRate': 0 }, 'optimiser.peakLearningRate'],
    ['a rate that is no number', { 'optimiser.peakLearningRate': 'fast' }, 'optimiser.peakLearningRate'],
    ['half a row', { rows: 1.5 }, 'rows'],
    ['an unknown part', { parts: ['sft', 'exam'] }, 'parts.1'],
    ['no parts', { parts: [] }, 'parts'],
    ['heads that share no key', { 'model.keyValueHeads': 3 }, 'model.keyValueHeads'],
    ['a head that cannot be rotated', { 'model.headSize': 63 }, 'model.headSize'],
  ])('a base run with %s is refused', (_title, changes, path) => {
    expect(refuseBase(changes).message).toContain(`${path}: `);
  });

  test.each([
    ['no specialty', { specialties: [] }, 'specialties'],
    ['a specialty twice', { specialties: ['tcm', 'tcm'] }, 'specialties'],
    ['a specialty that is a path', { specialties: ['../tcm'] }, 'specialties.0'],
    ['a specialty both trained and frozen', { frozen: ['tcm'] }, 'frozen'],
    ['frozen shards in a shared pool', { frozen: ['x'], method: shared }, 'frozen'],
    ['a version that is a path', { version: '../v1' }, 'version'],
    ['an unknown method', { 'method.kind': 'prompt' }, 'method.kind'],
    ['an unknown pool', { 'method.pool': 'none' }, 'method.pool'],
    ['more experts a token than a route may mix', { 'method.topK': 5 }, 'method.topK'],
    ['more experts a token than a shared pool has', { method: { ...shared, topK: 3 } }, 'method.topK'],
    ['no chance of any shard', { 'method.activeShards': [0, 0, 0] }, 'method.activeShards'],
    ['two chances', { 'method.activeShards': [0.5, 0.5] }, 'method.activeShards'],
    ['an alpha that no shard file takes', { 'method.alpha': 1e6 }, 'method.alpha'],
    [
      'a temperature of zero',
      { 'method.contrast': { ...contrast, temperature: 0 } },
      'method.contrast.temperature',
    ],
    ['a queue of nothing', { 'method.contrast': { ...contrast, queueSize: 0 } }, 'method.contrast.queueSize'],
    [
      'an unknown contrast',
      { 'method.contrast': { ...contrast, variant: 'magic' } },
      'method.contrast.variant',
    ],
    [
      'routing told apart where no specialties share a pool',
      { 'method.contrast': { ...contrast, variant: 'routing' } },
      'method.contrast.variant',
    ],
  ])('a tune run with %s is refused', (_title, changes, path) => {
    expect(refuseTune(changes).message).toContain(`${path}: `);
  });
});
