/** A real training process that is killed at the worst moments goes on to the same bits. */
import { spawn } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { headerOfBytes } from '../../src/base/safetensors-header.ts';

const directory = mkdtempSync(join(tmpdir(), 'interrupted-'));
const at = (...names: string[]): string => join(directory, ...names);
afterAll(() => rmSync(directory, { recursive: true }));

const SAVE_EVERY = 4;
const STEPS = 18;
const config = {
  kind: 'base',
  seed: 3,
  rowLength: 32,
  rows: 2,
  optimiser: {
    peakLearningRate: 2e-3,
    floor: 0.1,
    warmupSteps: 2,
    steps: STEPS,
    beta1: 0.9,
    beta2: 0.95,
    epsilon: 1e-8,
    weightDecay: 0.1,
    maxGradientNorm: 1,
  },
  saveEvery: SAVE_EVERY,
  validateEvery: 9,
  parts: ['pretrain'],
  model: {
    // Large enough for a save to take a while.
    hiddenSize: 64,
    layers: 1,
    heads: 2,
    keyValueHeads: 1,
    headSize: 8,
    intermediateSize: 24,
    rmsNormEpsilon: 1e-6,
    ropeTheta: 10_000,
    maxPositions: 64,
  },
};

let whole: Awaited<ReturnType<typeof train>>;
beforeAll(async () => {
  writeFileSync(at('run.json'), JSON.stringify(config));
  mkdirSync(at('data', 'pretrain'), { recursive: true });
  const rows = Array.from({ length: 40 }, (_, i) =>
    JSON.stringify({
      id: `p${i}`,
      source: 's',
      license: 'CC0-1.0',
      specialty: null,
      text: `肺炎 ${i} 发热咳嗽`,
    }),
  );
  for (const split of ['train', 'valid']) {
    writeFileSync(at('data', 'pretrain', `${split}.jsonl.gz`), gzipSync(rows.join('\n')));
  }
  for (const name of ['whole', 'killed']) {
    mkdirSync(at(`${name}-out`));
    for (const file of ['tokenizer.json', 'tokenizer_config.json']) {
      copyFileSync(join('weights', 'base', file), at(`${name}-out`, file));
    }
  }
  whole = await train('whole');
}, 120_000);

/** Trains in the folder; `watchFolder` may kill the process. Its exit code and what it said. */
async function train(name: string, watchFolder?: (kill: () => void) => () => void, more: string[] = []) {
  const folders = ['--folder', at(name), '--out', at(`${name}-out`), '--data', at('data')];
  const args = ['src/cli/main.ts', 'train', 'base', at('run.json'), ...folders, '--threads', '1', ...more];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString('utf8')));
  const unwatch = watchFolder?.(() => child.kill('SIGKILL'));
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  unwatch?.();
  return { code, said };
}

function lines(name: string): { step: number; loss?: number; ms?: number }[] {
  if (!existsSync(at(name, 'metrics.jsonl'))) return [];
  const text = readFileSync(at(name, 'metrics.jsonl'), 'utf8');
  // The last line may be torn.
  return text
    .split('\n')
    .slice(0, -1)
    .map((line): { step: number; loss?: number; ms?: number } => JSON.parse(line));
}

const losses = (name: string): [number, number][] =>
  lines(name).flatMap(({ step, loss }): [number, number][] => (loss === undefined ? [] : [[step, loss]]));
const lastStep = (name: string): number => Math.max(0, ...lines(name).map(({ step }) => step));
const savedStep = (name: string): number => {
  const path = at(name, 'state.safetensors');
  return existsSync(path)
    ? Number(headerOfBytes(new Uint8Array(readFileSync(path)), 2 ** 20).metadata['step'])
    : 0;
};

/** Kills once the predicate holds, looked at whenever a file of the folder changes. */
const killWhen =
  (name: string, predicate: (changed: string | null) => boolean) =>
  (kill: () => void): (() => void) => {
    mkdirSync(at(name), { recursive: true });
    const watcher = watch(at(name), (_event, changed) => {
      if (predicate(changed)) kill();
    });
    return () => watcher.close();
  };

describe('a training process', () => {
  test('that is killed between saves and in the middle of one loses few steps, and ends with the same bits', async () => {
    const between = await train(
      'killed',
      killWhen('killed', () => lastStep('killed') >= SAVE_EVERY + 2),
    );
    expect(between.code).toBeNull();
    expect(savedStep('killed')).toBeGreaterThan(0);
    expect(lastStep('killed') - savedStep('killed')).toBeLessThanOrEqual(SAVE_EVERY);

    const partial = 'state.safetensors.partial';
    const before = savedStep('killed');
    const during = await train(
      'killed',
      killWhen('killed', (changed) => changed === partial),
    );
    expect(during.code).toBeNull();
    expect(lastStep('killed')).toBeGreaterThan(before);
    expect(lastStep('killed') - savedStep('killed')).toBeLessThanOrEqual(SAVE_EVERY);
    expect(existsSync(at('killed', partial))).toBe(true);

    const last = await train('killed');
    expect(last, last.said).toMatchObject({ code: 0 });
    expect(losses('killed').map(([step]) => step)).toEqual(Array.from({ length: STEPS }, (_, i) => i + 1));
    expect(losses('killed')).toEqual(losses('whole'));
    const model = (name: string): Buffer => readFileSync(at(`${name}-out`, 'model.safetensors'));
    expect(model('killed').equals(model('whole'))).toBe(true);
  }, 180_000);

  test('shows its memory first, and has written a report at its end', () => {
    const { code, said } = whole;
    expect(code, said).toBe(0);
    expect(said).toMatch(/optimizer moments +\d+\.\d MiB/);
    expect(said).toContain('report.html');
    const html = readFileSync(at('whole', 'report.html'), 'utf8');
    expect(html).toContain(`up to step ${STEPS}`);
  });

  test('that cannot fit is refused before it reads any data, and told what to lower', async () => {
    const { code, said } = await train('refused', undefined, [
      '--memory-limit',
      '0.001',
      '--out',
      at('whole-out'),
    ]);
    expect(code).toBe(1);
    expect(said).toMatch(
      /needs [\d.]+ MiB of memory and may take 1\.0 MiB\. Most goes to .*: .*lower|train fewer/,
    );
    expect(existsSync(at('refused-train.corpus'))).toBe(false);
  });
});
