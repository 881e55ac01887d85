/** Attention over the cache gives a token the same bits however its batch was cut: alone, in a block, walked or split. */
import assert from 'node:assert/strict';
import { CHUNK, blockTokens } from '../../kernels/attention-work.ts';
import { encodeTensor } from '../../kernels/formats-encode.ts';
import { createCaseRandom } from '../../kernels/random-case.ts';
import {
  attentionWork,
  pagedAttention,
  partialsShape,
  type HeadShape,
  type WorkLimits,
} from '../../src/tensor/attention-ops.ts';
import type { Device, Tensor } from '../../src/tensor/device.ts';
import { createTensor, elements, readTensor, writeTensor } from '../../src/tensor/tensors.ts';
import { bits } from './check-kernel.ts';

interface Shape extends HeadShape {
  readonly pageSize: number;
  readonly format: 'f32' | 'f16';
}

const shapes: readonly Shape[] = [
  { heads: 2, keyValueHeads: 2, headSize: 16, pageSize: 1, format: 'f32' },
  { heads: 4, keyValueHeads: 2, headSize: 64, pageSize: 16, format: 'f16' },
  { heads: 8, keyValueHeads: 2, headSize: 128, pageSize: 5, format: 'f32' },
];

/** First position and number of tokens: from the start, across a chunk's end, chunks further on. */
const runs: readonly (readonly [number, number])[] = [
  [0, 5],
  [CHUNK - 5, 19],
  [3 * CHUNK - 1, 4],
];

const ENTRIES = 64;

/** How many tokens of the run the batches have, one after the other; the last number repeats. */
interface Cut {
  readonly sizes: readonly number[];
  /** Whether partial sums have room. */
  readonly splits: boolean;
  /** Tokens of another sequence come first. */
  readonly behind: number;
}

const cuts: readonly Cut[] = [
  { sizes: [1], splits: false, behind: 0 },
  { sizes: [1], splits: true, behind: 0 },
  { sizes: [3, 1, 2, 7], splits: true, behind: 1 },
  { sizes: [100], splits: true, behind: 3 },
];

export async function checkAttentionCuts(device: Device): Promise<void> {
  for (const shape of shapes) {
    const cache = await createCache(device, shape);
    for (const [first, count] of runs) {
      const together = await attend(device, shape, cache, first, count, {
        sizes: [100],
        splits: false,
        behind: 0,
      });
      assert(together.some((value) => value !== 0));
      for (const cut of cuts) {
        const apart = await attend(device, shape, cache, first, count, cut);
        const where = `${JSON.stringify(shape)} from ${first}, ${JSON.stringify(cut)}`;
        assert.deepEqual(bits(apart), bits(together), where);
      }
    }
  }
}

interface Cache {
  readonly keys: Tensor;
  readonly values: Tensor;
  readonly pageTable: Tensor;
}

/** Two sequences of more than three chunks. */
async function createCache(device: Device, shape: Shape): Promise<Cache> {
  const { keyValueHeads: KV, headSize: D, pageSize, format } = shape;
  const maxPages = Math.ceil((3 * CHUNK + 8) / pageSize);
  const random = createCaseRandom(D);
  const filled = async (label: string): Promise<Tensor> => {
    const tensor = createTensor(device, label, [2 * maxPages, pageSize, KV * D], format);
    const values = random.normals(elements(tensor.shape));
    await device.write(tensor.buffer, 0, format === 'f16' ? encodeTensor('f16', values) : values);
    return tensor;
  };
  const pageTable = createTensor(device, 'pages', [2, maxPages], 'u32');
  await writeTensor(device, pageTable, random.permutation(2 * maxPages));
  return { keys: await filled('keys'), values: await filled('values'), pageTable };
}

/** The result of the tokens at positions first to first + count of the second sequence. */
async function attend(
  device: Device,
  shape: Shape,
  cache: Cache,
  first: number,
  count: number,
  { sizes, splits, behind }: Cut,
): Promise<Float32Array> {
  const width = shape.heads * shape.headSize;
  const queries = createCaseRandom(first).normals(count * width, 2);
  const result = new Float32Array(count * width);
  const limits: WorkLimits = {
    block: blockTokens(shape.heads, shape.keyValueHeads),
    entries: splits ? ENTRIES : 0,
  };
  for (let at = 0, batch = 0; at < count; batch++) {
    const size = Math.min(count - at, sizes[batch] ?? sizes.at(-1)!);
    const rows = Array.from({ length: behind + size }, (_, i) => i - behind);
    const positions = Uint32Array.from(rows, (i) => (i < 0 ? 40 + i : first + at + i));
    const sequences = Uint32Array.from(rows, (i) => (i < 0 ? 0 : 1));
    const q = new Float32Array(rows.length * width);
    q.set(queries.subarray(at * width, (at + size) * width), behind * width);
    const { work, splits: split, block } = attentionWork(sequences, positions, limits);
    const owned: Tensor[] = [];
    const tensor = async (values: Float32Array | Uint32Array, ...dims: number[]): Promise<Tensor> => {
      const made = createTensor(device, 'input', dims, values instanceof Float32Array ? 'f32' : 'u32');
      owned.push(made);
      if (values.length > 0) await writeTensor(device, made, values);
      return made;
    };
    const o = await tensor(new Float32Array(q.length).fill(NaN), rows.length, width);
    const dims = partialsShape(ENTRIES, shape);
    const partials = await tensor(new Float32Array(elements(dims)).fill(NaN), ...dims);
    const dispatches = pagedAttention(
      await tensor(q, rows.length, width),
      {
        ...cache,
        sequences: await tensor(sequences, rows.length),
        positions: await tensor(positions, rows.length),
      },
      {
        work: await tensor(work, work.length / 4, 4),
        splits: await tensor(split, split.length / 2, 2),
        block,
      },
      partials,
      o,
      shape,
    );
    await device.submit(dispatches);
    result.set((await readTensor(device, o)).subarray(behind * width), at * width);
    for (const { buffer } of owned) device.free(buffer);
    at += size;
  }
  return result;
}
