/**
 * Trainers of a few thousand parameters on random weights of a size at which every part of the network matters, and
 * batches of packed rows for them.
 */
import { createRandom, type Random } from '../../src/base/random.ts';
import type { AdaptedLinear } from '../../src/base/shard-tensors.ts';
import type { ModelConfig } from '../../src/model/config.ts';
import type { Device } from '../../src/tensor/device.ts';
import { readTensor, writeTensor, type Arena } from '../../src/tensor/tensors.ts';
import { stackRows } from '../../src/train/batches.ts';
import { NO_TARGET, type PackedRow } from '../../src/train/data/packing.ts';
import type { AdamWOptions, Schedule } from '../../src/train/optimizer.ts';
import { batchRoutes, poolShape, type ActiveShards, type ShardPool } from '../../src/train/shard-routes.ts';
import type { RoutingOptions } from '../../src/train/network/context.ts';
import { drawAnchors } from '../../src/train/tune-batches.ts';
import { Trainer, type Batch } from '../../src/train/trainer.ts';
import { tinyModel, type TinyModel } from './tiny-model.ts';

export const ROWS = 3;
export const ROW_LENGTH = 12;
export const RANK = 3;
export const SCALE = 1.5;
/** The last shard is there to stay unused. */
export const POOL: ShardPool = { shards: 4, experts: 3, topK: 2 };

export const ADAMW: AdamWOptions = { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0, maxNorm: 1 };
const CONSTANT: Schedule = { peak: 5e-3, warmupSteps: 1, totalSteps: 1000, floor: 1 };

export interface TrainerChoices {
  readonly rows?: number;
  readonly rowLength?: number;
  readonly adamw?: Partial<AdamWOptions>;
  readonly schedule?: Partial<Schedule>;
}

export interface ExpertChoices extends TrainerChoices {
  readonly pool?: ShardPool;
  /** By default the linears of the FFN. */
  readonly adapted?: readonly AdaptedLinear[];
  readonly seed?: number;
  readonly routing?: RoutingOptions;
  readonly trainedSlots?: number;
}

export function smallModel(sizes: Partial<ModelConfig> = {}): Promise<TinyModel> {
  return tinyModel({
    hiddenSize: 16,
    layers: 2,
    heads: 4,
    keyValueHeads: 2,
    headSize: 8,
    intermediateSize: 24,
    vocabularySize: 40,
    maxPositions: 32,
    ...sizes,
  });
}

/** Trains the model itself, from its weights. */
export async function baseTrainer(
  device: Device,
  model: TinyModel,
  choices: TrainerChoices = {},
): Promise<Trainer> {
  const trainer = new Trainer(device, { ...common(model, choices), trainBase: true, experts: null });
  await trainer.prepare();
  await fillArena(device, trainer.network.trained, model.tensors);
  return trainer;
}

/** Trains experts on the model. Their B is not zero, unlike in a new run, so that every gradient is there. */
export async function expertTrainer(
  device: Device,
  model: TinyModel,
  choices: ExpertChoices = {},
): Promise<Trainer> {
  const { rows = ROWS, pool = POOL, seed = 5 } = choices;
  const experts = poolShape(pool, RANK, rows, choices.adapted);
  const { routing, trainedSlots = experts.slots } = choices;
  const options = { ...common(model, choices), trainBase: false, experts, trainedSlots };
  const trainer = new Trainer(device, routing ? { ...options, routing } : options);
  const { trained, frozen, scales } = trainer.network;
  await trainer.prepare();
  await fillArena(device, frozen!, model.tensors);
  await fillArena(device, trained, randomExperts(trained, createRandom(seed)));
  await writeTensor(device, scales!, new Float32Array(experts.slots).fill(SCALE));
  return trainer;
}

function common(model: TinyModel, { rows = ROWS, rowLength = ROW_LENGTH, adamw, schedule }: TrainerChoices) {
  return {
    config: model.config,
    batch: { B: rows, T: rowLength },
    adamw: { ...ADAMW, ...adamw },
    schedule: { ...CONSTANT, ...schedule },
  };
}

function randomExperts(arena: Arena, random: Random): Map<string, Float32Array> {
  const values = new Map<string, Float32Array>();
  for (const [name, { shape }] of arena.tensors) {
    const length = shape.reduce((product, size) => product * size, 1);
    const scale = (name.endsWith('router.weight') ? 2 : 1) / Math.sqrt(shape.at(-1)!);
    values.set(
      name,
      Float32Array.from({ length }, () => random.normal() * scale),
    );
  }
  return values;
}

export async function fillArena(
  device: Device,
  arena: Arena,
  values: ReadonlyMap<string, Float32Array>,
): Promise<void> {
  for (const [name, tensor] of arena.tensors) await writeTensor(device, tensor, values.get(name)!);
}

export async function readArena(device: Device, arena: Arena): Promise<Map<string, Float32Array>> {
  const values = new Map<string, Float32Array>();
  for (const [name, tensor] of arena.tensors) values.set(name, await readTensor(device, tensor));
  return values;
}

/** Documents one after another in a row, each token learning the next one of its document; then padding. */
export function packRow(documents: readonly (readonly number[])[], rowLength = ROW_LENGTH): PackedRow {
  const row = {
    tokens: new Uint32Array(rowLength),
    targets: new Uint32Array(rowLength).fill(NO_TARGET),
    positions: new Uint32Array(rowLength),
    starts: Uint32Array.from({ length: rowLength }, (_, i) => i),
  };
  let at = 0;
  for (const document of documents) {
    const start = at;
    for (const [position, token] of document.entries()) {
      row.tokens[at] = token;
      row.targets[at] = document[position + 1] ?? NO_TARGET;
      row.positions[at] = position;
      row.starts[at] = start;
      at++;
    }
  }
  if (at > rowLength) throw new Error(`${at} tokens in a row of ${rowLength}`);
  return row;
}

export function randomDocument(length: number, random: Random, vocabulary = 40): number[] {
  return Array.from({ length }, () => random.integer(vocabulary));
}

/** Documents of 7 and 4 tokens and one of padding; 12; 5, 2 and 5: with `learn` below 1 some targets are masked. */
export function randomBatch(seed: number, learn = 1): Batch {
  const random = createRandom(seed);
  const rows = [[7, 4], [12], [5, 2, 5]].map((lengths) =>
    packRow(lengths.map((length) => randomDocument(length, random))),
  );
  const batch = stackRows(rows);
  const targets = batch.targets.map((target) => (random.uniform() < learn ? target : NO_TARGET));
  return { ...batch, targets };
}

/** The batch's rows with these shards; nothing is the base alone. */
export function withShards(
  batch: Batch,
  rows: readonly ActiveShards[],
  { rowLength = ROW_LENGTH, pool = POOL }: { rowLength?: number; pool?: ShardPool } = {},
): Batch {
  const shape = poolShape(pool, RANK, rows.length);
  return { ...batch, routes: batchRoutes(rows, rowLength, pool, shape) };
}

/** The batch with anchors of a contrastive loss, noise, and specialties of its rows. */
export function withAnchors(
  batch: Batch,
  count: number,
  seed: number,
  specialties: readonly number[] = [0, 1, 0],
): Batch {
  const random = createRandom(seed);
  return { ...batch, anchors: drawAnchors(batch.targets, count, random), noise: seed * 977, specialties };
}
