/** The whole model on a device, experts and all, against the reference device in doubles: nothing above the seam changes. */
import assert from 'node:assert/strict';
import { CHUNK } from '../../kernels/attention-work.ts';
import { Transformer, type TransformerOptions } from '../../src/model/transformer.ts';
import type { Device } from '../../src/tensor/device.ts';
import { createReferenceDevice } from '../../src/tensor/reference/reference-device.ts';
import { largestDifference } from './logits.ts';
import { runModel } from './run-model.ts';
import { tinyModel, tinyShard, tinyTokens } from './tiny-model.ts';

/** Logits are near 1; single precision moves them by 9e-6 on other devices. */
const TOLERANCE = 3e-5;

/** Three sequences in one batch, two of them with experts of one and of two shards, read in chunks. */
export async function checkModel(device: Device): Promise<void> {
  await checkAgainstDoubles(device, {});
}

/** The same with weights and experts in compact formats: the reference gets them decoded. */
export async function checkCompactModel(device: Device): Promise<void> {
  await checkAgainstDoubles(device, { formats: { weightFormat: 'q8', expertFormat: 'f16' }, layers: 1 });
}

/**
 * The same with the cache in f16. A key or value at the middle between two halves may go either way, but few do: logits
 * are nearer to the reference's with halves than to its own with f32.
 */
export async function checkHalfCache(device: Device): Promise<void> {
  const shape: Shape = { formats: { kvFormat: 'f16' }, layers: 1 };
  const exact = await logits(createReferenceDevice({ precision: 'f64' }), { layers: 1 });
  const expected = await logits(createReferenceDevice({ precision: 'f64' }), shape);
  const actual = await logits(device, shape);
  for (const [sequence, rows] of actual.entries()) {
    const difference = largestDifference(rows, expected[sequence]!);
    const rounding = largestDifference(exact[sequence]!, expected[sequence]!);
    assert(
      difference < rounding / 20,
      `sequence ${sequence}: logits differ by ${difference}, halves by ${rounding}`,
    );
  }
}

async function checkAgainstDoubles(device: Device, shape: Shape): Promise<void> {
  const expected = await logits(createReferenceDevice({ precision: 'f64' }), shape);
  const actual = await logits(device, shape);
  for (const [sequence, rows] of actual.entries()) {
    const difference = largestDifference(rows, expected[sequence]!);
    assert(difference < TOLERANCE, `sequence ${sequence}: logits differ by ${difference}`);
  }
  assert(largestDifference(expected[0]!, expected[1]!) > 0.5, 'the experts change nothing');
}

/** Mixed with others and read in chunks, or alone and token by token: a row of the base has the same bits. */
export async function checkRowsAlone(device: Device): Promise<void> {
  const small = { layers: 1, length: 10 };
  const [together] = await logits(device, { ...small, chunk: 6 });
  const [alone] = await logits(device, { ...small, sequences: 1, chunk: 1 });
  assert.equal(alone!.length, small.length);
  for (const [position, row] of alone!.entries()) assert.deepEqual(row, together![position]);
}

/** A sequence longer than attention's chunk, read in pieces of which the last, one token, is split, or of which none is. */
export async function checkLongRows(device: Device): Promise<void> {
  const long = { layers: 1, length: CHUNK + 6, sequences: 1, pages: 34 };
  const [split] = await logits(device, { ...long, chunk: 19 });
  const [walked] = await logits(device, { ...long, chunk: 40 });
  assert.equal(split!.length, long.length);
  for (const [position, row] of split!.entries()) assert.deepEqual(row, walked![position]);
}

/** Weights and experts that are bound in parts, since the GPU binds so little at once, give the same bits. */
export async function checkParts(whole: Device, inParts: Device): Promise<void> {
  const small = { layers: 1, length: 10, maxPositions: 128 };
  assert.deepEqual(await logits(inParts, small), await logits(whole, small));
}

interface Shape extends Partial<
  Record<'sequences' | 'chunk' | 'layers' | 'length' | 'maxPositions' | 'pages', number>
> {
  readonly formats?: Partial<Pick<TransformerOptions, 'weightFormat' | 'expertFormat' | 'kvFormat'>>;
}

async function logits(device: Device, shape: Shape = {}): Promise<Float32Array[][]> {
  const {
    sequences = 3,
    chunk = 9,
    layers = 2,
    length = 20,
    maxPositions = 512,
    pages = 12,
    formats = {},
  } = shape;
  const tiny = await tinyModel({ layers, maxPositions });
  const options = {
    maxBatchTokens: 40,
    pageSize: 8,
    pages,
    experts: { slots: 12, rank: 8 },
    maxLogitRows: 16,
    ...formats,
  };
  const model = await Transformer.load(device, tiny.checkpoint, {
    ...options,
    maxExpertsPerRoute: 12,
    maxRoutes: 4,
  });
  const first = await model.experts.load(await tinyShard(tiny, { experts: 4, seed: 21 }));
  const second = await model.experts.load(
    await tinyShard(tiny, { specialty: 'neurology', experts: 3, seed: 22 }),
  );
  const tokens = tinyTokens(tiny, length);
  const one = { shards: [{ shard: first, prior: 1 }] };
  const two = { shards: [...one.shards, { shard: second, prior: 0.5 }] };
  const runs = [{ tokens }, { tokens, route: one }, { tokens, route: two }];
  return runModel(model, runs.slice(0, sequences), chunk);
}
