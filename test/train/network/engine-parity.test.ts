/** What is trained is what is served: exported files, loaded into the engine's model, give the trainer's logits. */
import { describe, expect, test } from 'vitest';
import { FFN_LINEARS, type AdaptedLinear } from '../../../src/base/shard-tensors.ts';
import { memoryFiles } from '../../../src/model/byte-source.ts';
import { openCheckpoint, type Checkpoint } from '../../../src/model/checkpoint.ts';
import { fingerprint } from '../../../src/model/fingerprint.ts';
import type { ResidentShard, Route } from '../../../src/model/runner.ts';
import { readShardFile } from '../../../src/model/shard-file.ts';
import { Transformer } from '../../../src/model/transformer.ts';
import type { Device } from '../../../src/tensor/device.ts';
import { createReferenceDevice } from '../../../src/tensor/reference/reference-device.ts';
import { readTensor } from '../../../src/tensor/tensors.ts';
import { createWasmDevice } from '../../../src/tensor/wasm/node.ts';
import { exportBase } from '../../../src/train/base-run.ts';
import { tuneRunSchema, type TuneRunConfig } from '../../../src/train/tune-config.ts';
import { exportTuned } from '../../../src/train/tune-export.ts';
import type { RoutingOptions } from '../../../src/train/network/context.ts';
import type { ActiveShards } from '../../../src/train/shard-routes.ts';
import type { Batch, Trainer } from '../../../src/train/trainer.ts';
import { largestDifference } from '../../support/logits.ts';
import { runModel, type SequenceRun } from '../../support/run-model.ts';
import type { TinyModel } from '../../support/tiny-model.ts';
import {
  POOL,
  RANK,
  ROWS,
  ROW_LENGTH,
  SCALE,
  baseTrainer,
  expertTrainer,
  fillArena,
  randomBatch,
  smallModel,
  withAnchors,
  withShards,
  type ExpertChoices,
} from '../../support/tiny-trainer.ts';

const TOLERANCE = 1e-5;
const SERVING = { maxBatchTokens: 48, pageSize: 4, pages: 24, maxLogitRows: 48, maxExpertsPerRoute: 12 };

const devices: [string, () => Promise<Device>][] = [
  ['reference', async () => createReferenceDevice()],
  ['wasm', () => createWasmDevice({ threads: 1, bankBytes: 64 << 20 })],
];

/** One sequence of the engine for each document of a batch: its tokens, its first row and the row it lies in. */
function documentsOf(batch: Batch): { tokens: Uint32Array; first: number; row: number }[] {
  const heads = [...batch.positions.keys()].filter((at) => batch.positions[at] === 0);
  return heads.map((first, i) => {
    const row = Math.floor(first / ROW_LENGTH);
    const end = Math.min(heads[i + 1] ?? batch.tokens.length, (row + 1) * ROW_LENGTH);
    return { tokens: batch.tokens.slice(first, end), first, row };
  });
}

/** The trainer's logits of a batch, document by document. */
async function trainerLogits(device: Device, trainer: Trainer, batch: Batch): Promise<Float32Array[]> {
  const { network } = trainer;
  await trainer.score(batch);
  await device.submit(network.forward);
  const all = await readTensor(device, network.logits);
  const V = network.options.config.vocabularySize;
  const at = (row: number): Float32Array => all.slice(row * V, (row + 1) * V);
  return documentsOf(batch).flatMap(({ tokens, first }) => [...tokens].map((_, i) => at(first + i)));
}

async function engineLogits(
  model: Transformer,
  batch: Batch,
  routes: readonly Route[] = [],
): Promise<Float32Array[]> {
  const runs = documentsOf(batch).map(({ tokens, row }): SequenceRun => {
    const route = routes[row];
    return route ? { tokens, route } : { tokens };
  });
  return (await runModel(model, runs)).flat();
}

/** The trained base after two steps, as its exported files; the trainer then holds what the files hold. */
async function exported(
  device: Device,
  model: TinyModel,
): Promise<{ trainer: Trainer; checkpoint: Checkpoint }> {
  const trainer = await baseTrainer(device, model);
  for (const seed of [1, 2]) await trainer.train(randomBatch(seed));
  const checkpoint = await openCheckpoint(memoryFiles(await exportBase(device, trainer, model.config)));
  const stored = new Map<string, Float32Array>();
  for (const name of checkpoint.names) stored.set(name, await checkpoint.tensor(name));
  await fillArena(device, trainer.network.trained, stored);
  return { trainer, checkpoint };
}

const ANCHORS = 8;
const EVERYTHING: RoutingOptions = {
  balance: 0.1,
  zLoss: 0.1,
  jitter: 0.2,
  contrast: {
    variant: 'queue',
    temperature: 0.2,
    weight: 1,
    queueSize: 4,
    dimensions: 8,
    anchors: ANCHORS,
    warmupSteps: 0,
  },
};

const active: ActiveShards[] = [
  { shards: [1], priors: [1] },
  { shards: [2, 0], priors: [5 / 8, 3 / 8] },
  { shards: [0, 1, 3], priors: [4 / 8, 2 / 8, 2 / 8] },
];

const tuneConfig = (adapted: readonly AdaptedLinear[]): TuneRunConfig =>
  tuneRunSchema.parse({
    kind: 'tune',
    seed: 1,
    rowLength: ROW_LENGTH,
    rows: ROWS,
    specialties: ['cardiovascular', 'neurology', 'oncology', 'tcm'],
    version: 'v1',
    routingEvery: 10,
    method: {
      kind: 'experts',
      pool: 'by-specialty',
      experts: POOL.experts,
      rank: RANK,
      alpha: SCALE * RANK,
      topK: POOL.topK,
      activeShards: [1, 1, 1],
      balance: 0,
      zLoss: 0,
      jitter: 0,
      adapted,
    },
    optimiser: {
      peakLearningRate: 1e-3,
      floor: 0.1,
      warmupSteps: 1,
      steps: 10,
      beta1: 0.9,
      beta2: 0.95,
      epsilon: 1e-8,
      weightDecay: 0,
      maxGradientNorm: 1,
    },
    saveEvery: 10,
    validateEvery: 10,
  });

describe.each(devices)('trainer and engine agree on %s', (_device, open) => {
  test.each([
    ['tied head', {}],
    ['a head of its own', { tiedHead: false, rmsNormEpsilon: 1e-5 }],
  ])('on an exported base: %s', async (_title, sizes) => {
    const device = await open();
    const model = await smallModel(sizes);
    const { trainer, checkpoint } = await exported(device, model);
    const batch = randomBatch(3);
    const serving = await Transformer.load(device, checkpoint, SERVING);
    const expected = await trainerLogits(device, trainer, batch);
    expect(expected).toHaveLength(ROWS * ROW_LENGTH);
    expect(largestDifference(await engineLogits(serving, batch), expected)).toBeLessThan(TOLERANCE);
    await device.dispose();
  });

  test.each([
    ['trained on the text alone', {}],
    ['trained with everything that is asked of gates', { routing: EVERYTHING }],
    ['of one linear', { adapted: ['down_proj'] }],
    ['of two linears', { adapted: ['up_proj', 'gate_proj'], routing: EVERYTHING }],
  ] satisfies [string, ExpertChoices][])(
    'on exported shards, alone and with priors, each row of a batch its own: %s',
    async (_title, extras: ExpertChoices) => {
      const config = tuneConfig(extras.adapted ?? FFN_LINEARS);
      const device = await open();
      const model = await smallModel();
      const trainer = await expertTrainer(device, model, extras);
      for (const seed of [1, 2]) {
        await trainer.train(withAnchors(withShards(randomBatch(seed), active), ANCHORS, seed));
      }
      const files = await exportTuned(
        device,
        { trainer, model: model.config, config },
        {
          baseFingerprint: model.fingerprint,
          created: new Date(0),
          run: 'f'.repeat(64),
          licence: 'Apache-2.0',
        },
      );
      expect([...files.keys()]).toEqual(config.specialties.map((name) => `${name}/v1.safetensors`));
      const baseFingerprint = await fingerprint(model.checkpoint);
      const serving = await Transformer.load(device, model.checkpoint, {
        ...SERVING,
        experts: { slots: 20, rank: RANK + 1 },
      });
      const resident: ResidentShard[] = [];
      const rounded = new Map<string, number[]>();
      // The file of the last specialty goes first, so that slots differ from the trainer's.
      for (const [path, bytes] of [...files].toReversed()) {
        const file = await readShardFile(bytes, { config: model.config, baseFingerprint });
        expect(file.metadata).toMatchObject({
          specialty: path.split('/')[0],
          version: 'v1',
          rank: RANK,
          topK: POOL.topK,
        });
        expect(file.metadata.alpha / file.metadata.rank).toBe(SCALE);
        resident.unshift(await serving.experts.load(file));
        for (const [layer, { router, linears }] of file.layers.entries()) {
          const parts = Object.entries(linears).flatMap(([linear, { A, B }]) => [
            [`${linear}.lora_A`, A] as const,
            [`${linear}.lora_B`, B] as const,
          ]);
          for (const [name, values] of [['router.weight', router!] as const, ...parts]) {
            const key = `layers.${layer}.${name}`;
            rounded.set(key, [...values, ...(rounded.get(key) ?? [])]);
          }
        }
      }
      const stored = new Map(
        [...rounded].map(([name, values]) => [name, Float32Array.from(values)] as const),
      );
      // Projectors are no part of a shard.
      const served = [...trainer.network.trained.tensors].filter(([name]) => !name.startsWith('contrast.'));
      expect([...stored.keys()].toSorted()).toEqual(served.map(([name]) => name).toSorted());
      await fillArena(device, { ...trainer.network.trained, tensors: new Map(served) }, stored);

      const batch = withShards(randomBatch(4), active);
      const routes = active.map(({ shards, priors }): Route => {
        return { shards: shards.map((shard, i) => ({ shard: resident[shard]!, prior: priors[i]! })) };
      });
      const expected = await trainerLogits(device, trainer, batch);
      expect(largestDifference(await engineLogits(serving, batch, routes), expected)).toBeLessThan(TOLERANCE);
      const base = await engineLogits(serving, batch);
      expect(largestDifference(base, expected)).toBeGreaterThan(0.1);
      const alone = await trainerLogits(
        device,
        trainer,
        withShards(
          batch,
          active.map(() => ({ shards: [], priors: [] })),
        ),
      );
      expect(largestDifference(base, alone)).toBeLessThan(TOLERANCE);
      await device.dispose();
    },
  );
});
