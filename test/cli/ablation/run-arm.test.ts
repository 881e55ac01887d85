/** Arms trained and measured for real, on a tiny base and tiny data: the same bits again, stopped and gone on with. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ARMS, PROFILES } from '../../../src/cli/ablation/arms.ts';
import type { Profile } from '../../../src/cli/ablation/arms.ts';
import { drawHeldOut } from '../../../src/cli/ablation/held-out.ts';
import type { HeldOut } from '../../../src/cli/ablation/held-out.ts';
import { findResult, keepItems, writeResult } from '../../../src/cli/ablation/results.ts';
import type { ArmResult } from '../../../src/cli/ablation/results.ts';
import { forgetArm, runArm } from '../../../src/cli/ablation/run-arm.ts';
import type { ArmRequest } from '../../../src/cli/ablation/run-arm.ts';
import { byteTokenizer, byteVocabulary } from '../../support/byte-tokenizer.ts';
import { tinyModel } from '../../support/tiny-model.ts';
import type { TinyModel } from '../../support/tiny-model.ts';
import { SPECIALTIES, writeTuneData } from '../../support/tiny-tuning.ts';

const directory = mkdtempSync(join(tmpdir(), 'ablation-run-'));
const at = (...names: string[]): string => join(directory, ...names);
afterAll(() => rmSync(directory, { recursive: true }));

const profile: Profile = {
  ...PROFILES.quick,
  steps: 2,
  rows: 2,
  rowLength: 160,
  specialties: SPECIALTIES,
  answers: 6,
  questions: 2,
};
const tokenizing = {
  tokenizer: byteTokenizer().tokenizer,
  tokenizerFiles: { tokenizer: 'bytes', tokenizerConfig: '' },
};
let model: TinyModel;
let heldOut: HeldOut;
let items: string;

beforeAll(async () => {
  writeTuneData(at('data'));
  mkdirSync(at('eval'));
  for (const [file, source] of [
    ['cmb', 'cmb-test'],
    ['cmexam', 'cmexam-test'],
    ['cmmlu_med', 'cmmlu-test'],
  ]) {
    const rows = ['head', 'lump', 'qi', 'two'].map((question, n) => ({
      id: `${source}-${n}`,
      source,
      question,
      options: { A: 'rest', B: 'see a doctor', C: 'ginseng' },
      answer: ['A', 'B', 'C', 'AB'][n],
      qtype: n === 3 ? 'multi' : 'single',
      specialty: SPECIALTIES[n] ?? null,
    }));
    writeFileSync(at('eval', `${file}.jsonl`), rows.map((row) => JSON.stringify(row)).join('\n'));
  }
  model = await tinyModel({
    hiddenSize: 16,
    layers: 2,
    heads: 2,
    keyValueHeads: 1,
    headSize: 8,
    intermediateSize: 24,
    vocabularySize: byteVocabulary,
    maxPositions: 256,
  });
  heldOut = await drawHeldOut({ ...tokenizing, dataDirectory: at('data'), examPath: at('eval'), profile });
  items = await keepItems(at('out'), heldOut.items);
});

interface Choices {
  readonly signal?: AbortSignal;
  readonly onStep?: (step: number) => void;
}

function requestOf(name: string, { signal, onStep = () => {} }: Choices = {}): ArmRequest {
  return {
    ...tokenizing,
    arm: ARMS.find((arm) => arm.name === name)!,
    profile,
    seed: 1,
    checkpoint: model.checkpoint,
    baseFingerprint: model.fingerprint,
    dataDirectory: at('data'),
    heldOut,
    items,
    commit: null,
    workFolder: at('work'),
    threads: 1,
    progress: { start: () => {}, step: onStep, stop: () => {} },
    signal: signal ?? new AbortController().signal,
  };
}

/** What does not depend on how fast this machine is, or where memory stood when. */
function bitsOf(result: ArmResult | null): ArmResult {
  return { ...result!, tokensPerSecond: null, peakBytes: 0 };
}

describe('held-out items', () => {
  test('are the same whenever they are drawn, and questions with one right option alone', async () => {
    const request = { ...tokenizing, dataDirectory: at('data'), examPath: at('eval'), profile };
    expect((await drawHeldOut(request)).items).toEqual(heldOut.items);
    expect(heldOut.items.answers).toHaveLength(6);
    expect(new Set(heldOut.items.answers.map(({ id }) => id)).size).toBe(6);
    expect(heldOut.items.questions.map(({ exam }) => exam)).toEqual(
      ['cmb', 'cmexam', 'cmmlu-med'].flatMap((exam) => [exam, exam]),
    );
    expect(heldOut.questions.every(({ kind }) => kind === 'single')).toBe(true);
  });
});

describe('an arm', () => {
  const results = new Map<string, ArmResult>();

  test.each(['base', 'full', 'sparsedoctor'])(
    'measures every item, to the same bits again: %s',
    async (name) => {
      const first = (await runArm(requestOf(name)))!;
      expect(first.nats).toHaveLength(6);
      for (const values of [first.textMargins, first.letterMargins, first.letterRight])
        expect(values).toHaveLength(6);
      for (const nats of first.nats) expect(nats).toBeGreaterThan(0);
      // The likeliest letter is right where its margin is above zero, and only there.
      expect(first.letterRight).toEqual(first.letterMargins.map((margin) => (margin > 0 ? 1 : 0)));
      const isTrained = name !== 'base';
      expect(first.trainedParameters > 0).toBe(isTrained);
      expect([first.steps, first.trainTokens]).toEqual(isTrained ? [2, 2 * 2 * 160] : [0, 0]);
      expect(first.routing?.length ?? null).toBe(name === 'sparsedoctor' ? 2 : null);
      expect(first.peakBytes).toBeGreaterThan(0);
      await writeResult(at('out'), first);
      expect(await findResult(at('out'), first)).not.toBeNull();
      // Trained anew, not measured anew.
      const folder = at('work', `quick-${name}-1`);
      expect(existsSync(folder)).toBe(isTrained);
      await forgetArm(requestOf(name));
      expect(existsSync(folder)).toBe(false);
      let steps = 0;
      const second = await runArm(requestOf(name, { onStep: () => steps++ }));
      expect(steps).toBe(isTrained ? 2 : 0);
      expect(bitsOf(second)).toEqual(bitsOf(first));
      results.set(name, first);
    },
  );

  test('changes what is measured by what it trains', () => {
    const [base, full, queue] = ['base', 'full', 'sparsedoctor'].map((name) => results.get(name)!.nats);
    for (const [item, nats] of base!.entries()) {
      expect(full![item]).not.toBe(nats);
      expect(queue![item]).not.toBe(nats);
    }
  });

  test('that is trained already is measured again without a step', async () => {
    let steps = 0;
    const again = await runArm(requestOf('sparsedoctor', { onStep: () => steps++ }));
    expect(steps).toBe(0);
    expect(again!.nats).toEqual(results.get('sparsedoctor')!.nats);
  });

  test('that is stopped gives nothing, and goes on to the same bits', async () => {
    await forgetArm(requestOf('sparsedoctor'));
    const abort = new AbortController();
    const steps: number[] = [];
    const onStep = (step: number): void => {
      steps.push(step);
      abort.abort();
    };
    const stopping = { signal: abort.signal, onStep };
    expect(await runArm(requestOf('sparsedoctor', stopping))).toBeNull();
    // A signal that has come before the first step lets none be taken.
    expect(
      await runArm(
        requestOf('sparsedoctor', { signal: AbortSignal.abort(), onStep: (step) => steps.push(step) }),
      ),
    ).toBeNull();
    const finished = await runArm(requestOf('sparsedoctor', { onStep: (step) => steps.push(step) }));
    expect(steps).toEqual([1, 2]);
    // A look at the routing takes the last two steps, of which this process has seen one.
    const whole = { ...bitsOf(results.get('sparsedoctor')!), routing: finished!.routing };
    expect(bitsOf(finished)).toEqual(whole);
  });
});
