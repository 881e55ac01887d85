import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { CallerError } from '../../src/base/errors.ts';
import { baseRunSchema, parseRunConfig, shardsRunSchema } from '../../src/train/config.ts';

const read = (path: string): string =>
  readFileSync(new URL(`../../weights/${path}`, import.meta.url), 'utf8');
const baseText = read('base/run.json');
const shardsText = read('shards/run.v1.json');

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
const refuseShards = (changes: Readonly<Record<string, unknown>>): CallerError =>
  refusal(() => parseRunConfig(changed(shardsText, changes), shardsRunSchema, 'run.json'));

describe('the JSON of a training run', () => {
  test('the shipped runs are read as they stand', () => {
    expect(parseRunConfig(baseText, baseRunSchema, 'run.json')).toEqual(JSON.parse(baseText));
    for (const path of ['shards/run.v1.json', 'shards/run.cardiovascular.v2.json']) {
      expect(parseRunConfig(read(path), shardsRunSchema, path)).toEqual(JSON.parse(read(path)));
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
    const other = refusal(() => parseRunConfig(shardsText, baseRunSchema, 'run.json'));
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
    ['a version that is a path', { version: '../v1' }, 'version'],
    ['more experts a token than a route may mix', { topK: 5 }, 'topK'],
    ['no chance of any shard', { activeShards: [0, 0, 0] }, 'activeShards'],
    ['two chances', { activeShards: [0.5, 0.5] }, 'activeShards'],
    ['an alpha that no shard file takes', { alpha: 1e6 }, 'alpha'],
  ])('a shards run with %s is refused', (_title, changes, path) => {
    expect(refuseShards(changes).message).toContain(`${path}: `);
  });
});
