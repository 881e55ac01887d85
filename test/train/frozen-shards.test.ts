/** Retraining one specialty: its shard changes, nothing else does, and nobody else's answers do. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ADAPTED_LINEARS, FFN_LINEARS } from '../../src/base/shard-tensors.ts';
import { Transformer } from '../../src/model/transformer.ts';
import type { ResidentShard, Route } from '../../src/model/runner.ts';
import type { ShardFile } from '../../src/model/shard-file.ts';
import { readArena } from '../support/tiny-trainer.ts';
import { largestDifference } from '../support/logits.ts';
import { runModel } from '../support/run-model.ts';
import type { TinyModel } from '../support/tiny-model.ts';
import {
  BY_SPECIALTY,
  CONTRAST,
  openDevice,
  shardFiles,
  tune,
  tuneBase,
  tuneConfig,
  writeTuneData,
} from '../support/tiny-tuning.ts';

const directory = mkdtempSync(join(tmpdir(), 'frozen-'));
afterAll(() => rmSync(directory, { recursive: true }));

const COMPANY = ['neurology', 'oncology'];
const method = { ...BY_SPECIALTY, balance: 0.02, zLoss: 0.01, jitter: 0.1, contrast: CONTRAST };
const again = tuneConfig(method, { specialties: ['tcm'], frozen: COMPANY, seed: 9, version: 'v2' });
let model: TinyModel;
let before: Map<string, ShardFile>;
let after: Map<string, ShardFile>;
/** Values of the frozen slots, and of those trained, before and after the second run. */
let arena: { frozen: boolean; trained: boolean; name: string }[];

beforeAll(async () => {
  writeTuneData(join(directory, 'data'));
  model = await tuneBase();
  const first = await tune(directory, 'first', model, tuneConfig(method));
  before = await shardFiles(first, model);
  await first.device.dispose();
  const short = await tune(directory, 'short', model, again, { frozenShards: before, stopAfter: 1 });
  const early = await readArena(short.device, short.trainer.network.trained);
  await short.device.dispose();
  const second = await tune(directory, 'second', model, again, { frozenShards: before });
  after = await shardFiles(second, model);
  const late = await readArena(second.device, second.trainer.network.trained);
  await second.device.dispose();
  arena = [...late]
    .filter(([name]) => name.startsWith('layers.'))
    .map(([name, values]) => {
      const cut = values.length / 3;
      const same = (from: number, to: number): boolean =>
        Buffer.compare(bytes(values.subarray(from, to)), bytes(early.get(name)!.subarray(from, to))) === 0;
      return { name, trained: !same(0, cut), frozen: same(cut, values.length) };
    });
});

function bytes({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

test('every tensor of the trained shard changes, no bit of the others does, weight decay or not', () => {
  expect(again.optimiser.weightDecay).toBeGreaterThan(0);
  expect(arena).toHaveLength(2 * 7);
  for (const { name, trained, frozen } of arena)
    expect({ name, trained, frozen }).toEqual({ name, trained: true, frozen: true });
});

test('only the trained shard is written', () => {
  expect([...after.keys()]).toEqual(['tcm']);
  expect(after.get('tcm')!.metadata.version).toBe('v2');
  for (const linear of FFN_LINEARS) {
    const [old, now] = [before, after].map((files) => files.get('tcm')!.layers[0]!.linears[linear]!.B);
    expect(now).not.toEqual(old);
  }
});

test('answers without the retrained shard keep every bit, those with it change', async () => {
  const device = await openDevice();
  const serving = await Transformer.load(device, model.checkpoint, {
    maxBatchTokens: 32,
    pageSize: 4,
    pages: 24,
    maxLogitRows: 32,
    maxExpertsPerRoute: 6,
    experts: { slots: 6, rank: 2 },
  });
  const load = async (file: ShardFile): Promise<ResidentShard> => serving.experts.load(file);
  const [neurology, oncology] = [await load(before.get('neurology')!), await load(before.get('oncology')!)];
  let tcm = await load(before.get('tcm')!);
  const tokens = Uint32Array.from({ length: 7 }, (_, i) => (i * 37) % 256);
  const routes = (): Route[] => [
    { shards: [] },
    { shards: [{ shard: neurology, prior: 1 }] },
    {
      shards: [
        { shard: oncology, prior: 5 / 8 },
        { shard: neurology, prior: 3 / 8 },
      ],
    },
    {
      shards: [
        { shard: tcm, prior: 5 / 8 },
        { shard: neurology, prior: 3 / 8 },
      ],
    },
  ];
  const answers = async (): Promise<Float32Array[][]> =>
    runModel(
      serving,
      routes().map((route) => ({ tokens, route })),
    );
  const old = await answers();
  serving.experts.unload(tcm);
  tcm = await load(after.get('tcm')!);
  const now = await answers();
  for (const [i, logits] of now.slice(0, 3).entries()) expect(logits).toEqual(old[i]);
  expect(largestDifference(now[3]!, old[3]!)).toBeGreaterThan(1e-4);
  await device.dispose();
});

test('a shard that is missing or of another shape is refused', async () => {
  const run = (config: typeof again, frozenShards: Map<string, ShardFile>) =>
    tune(directory, `refused-${frozenShards.size}`, model, config, { frozenShards });
  await expect(run(again, new Map())).rejects.toMatchObject({
    code: 'frozen_shard_missing',
    param: 'neurology',
  });
  const wider = { ...again, method: { ...method, rank: 3 } };
  await expect(run(wider, before)).rejects.toMatchObject({ code: 'frozen_shard_differs' });
});

test('beside a run of other linears, a shard has nothing in those it lacks, and must not have more', async () => {
  const adapted = [...ADAPTED_LINEARS];
  const everywhere = { ...again, method: { ...method, adapted } };
  const request = { frozenShards: before, stopAfter: 2 };
  const run = await tune(directory, 'everywhere', model, everywhere, request);
  const values = await readArena(run.device, run.trainer.network.trained);
  await run.device.dispose();
  for (const name of [
    'layers.0.o_proj.lora_A',
    'layers.1.q_proj.lora_B',
    'layers.1.attention_router.weight',
  ]) {
    const all = values.get(name)!;
    const cut = all.length / 3;
    expect(
      all.subarray(0, cut).some((value) => value !== 0),
      name,
    ).toBe(true);
    expect(
      all.subarray(cut).every((value) => value === 0),
      name,
    ).toBe(true);
  }
  const narrow = { ...again, method: { ...method, adapted: adapted.slice(0, 2) } };
  await expect(tune(directory, 'narrow', model, narrow, request)).rejects.toMatchObject({
    code: 'frozen_shard_differs',
    message: expect.stringContaining('down_proj'),
  });
});
