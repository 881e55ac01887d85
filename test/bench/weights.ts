/**
 * Tokens per second of a random Qwen3 on the CPU with its weights in each format, base only: a prompt of 128 tokens, and
 * decoding with one and with eight sequences. `npm run bench:weights [-- --model 0.6b]` writes docs/bench/weights.json.
 * The best of a few steps counts: whatever else runs on the machine only makes them longer.
 */
import { writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { invariant } from '../../src/base/invariant.ts';
import type { ForwardBatch } from '../../src/model/runner.ts';
import { Transformer, type TransformerOptions } from '../../src/model/transformer.ts';
import type { Device } from '../../src/tensor/device.ts';
import { createWasmDevice } from '../../src/tensor/wasm/node.ts';
import { MODELS, randomCheckpoint } from './gpu/random-model.ts';

const PROMPT = 128;
const PAGE_SIZE = 16;
const SEQUENCES = 8;
/** Positions of a sequence: the prompt, and what is decoded behind it. */
const POSITIONS = PROMPT + PAGE_SIZE;

const { values: given } = parseArgs({
  options: {
    model: { type: 'string', default: '0.6b' },
    threads: { type: 'string', default: String(availableParallelism()) },
    repeats: { type: 'string', default: '4' },
    out: { type: 'string', default: join(import.meta.dirname, '..', '..', 'docs', 'bench', 'weights.json') },
  },
});
const config = MODELS[given.model];
invariant(config, `--model is one of ${Object.keys(MODELS).join(', ')}`);
const checkpoint = randomCheckpoint(config);
const threads = Number(given.threads);
const repeats = Number(given.repeats);

/** `count` tokens from position `from` on of each of `sequences` sequences; logits of each one's last. */
function batchOf(sequences: number, from: number, count: number): ForwardBatch {
  const T = sequences * count;
  const maxPages = POSITIONS / PAGE_SIZE;
  return {
    tokens: Uint32Array.from({ length: T }, (_, i) => (i * 31) % 1000),
    positions: Uint32Array.from({ length: T }, (_, i) => from + (i % count)),
    sequences: Uint32Array.from({ length: T }, (_, i) => Math.floor(i / count)),
    pageTable: Uint32Array.from({ length: sequences * maxPages }, (_, page) => page),
    maxPages,
    routeOfToken: new Uint32Array(T),
    routes: [{ shards: [] }],
    logitRows: Uint32Array.from({ length: sequences }, (_, i) => (i + 1) * count - 1),
  };
}

async function seconds(run: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await run();
  return (performance.now() - begun) / 1000;
}

const STEPS = {
  promptTokensPerSecond: { batch: batchOf(1, 0, PROMPT), times: 1 },
  decodeTokensPerSecond: { batch: batchOf(1, PROMPT, 1), times: 4 },
  decodeOfEightTokensPerSecond: { batch: batchOf(SEQUENCES, PROMPT, 1), times: 2 },
};

/** All formats in turn, so that other work on the machine meets all alike. */
async function measure(variant: 'relaxed' | 'simd'): Promise<object[]> {
  const device = await createWasmDevice({ threads, variant });
  const arms: { weights: string; allocatedMiB: number; loadSeconds: number; model: Transformer }[] = [];
  for (const weights of ['f32', 'f16', 'q8', 'q4'] as const) {
    const before = device.memory().allocatedBytes;
    let model: Transformer | undefined;
    const loadSeconds = await seconds(async () => (model = await open(device, weights)));
    invariant(model, 'a model was loaded');
    const allocatedMiB = Math.round((device.memory().allocatedBytes - before) / 2 ** 20);
    arms.push({ weights, allocatedMiB, loadSeconds: round(loadSeconds), model });
  }
  const best = arms.map(() => new Map<string, number>());
  for (let turn = 0; turn < repeats; turn++) {
    for (const [name, { batch, times }] of Object.entries(STEPS)) {
      for (const [arm, { model }] of arms.entries()) {
        for (let time = 0; time < times; time++) {
          const speed = batch.tokens.length / (await seconds(() => model.forward(batch)));
          best[arm]?.set(name, Math.max(best[arm].get(name) ?? 0, speed));
        }
      }
    }
  }
  await device.dispose();
  return arms.map(({ weights, allocatedMiB, loadSeconds }, arm) => {
    const speeds = [...(best[arm] ?? [])].map(([name, speed]) => [name, round(speed)] as const);
    return { variant, weights, allocatedMiB, loadSeconds, ...Object.fromEntries(speeds) };
  });
}

function open(device: Device, weightFormat: TransformerOptions['weightFormat']): Promise<Transformer> {
  return Transformer.load(device, checkpoint, {
    weightFormat,
    maxBatchTokens: PROMPT,
    pageSize: PAGE_SIZE,
    pages: (SEQUENCES * POSITIONS) / PAGE_SIZE,
    experts: { slots: 1, rank: 4 },
    maxExpertsPerRoute: 1,
    maxRoutes: 1,
    maxLogitRows: SEQUENCES,
  });
}

function round(value: number): number {
  return Number(value.toPrecision(3));
}

const rows: object[] = [];
for (const variant of ['relaxed', 'simd'] as const) {
  for (const row of await measure(variant)) {
    rows.push(row);
    process.stdout.write(`${JSON.stringify(row)}\n`);
  }
}
const machine = { cpu: cpus()[0]?.model, threads, loadAverage: round(loadavg()[0] ?? 0) };
await writeFile(
  given.out,
  `${JSON.stringify({ model: given.model, prompt: PROMPT, bestOf: repeats, ...machine, rows }, null, 2)}\n`,
);
