/** Where a step's time goes: each dispatch by itself on one thread, summed by kernel, with the operations it does. */
import { kernels } from '../../kernels/index.ts';
import type { Device, Dispatch } from '../../src/tensor/device.ts';
import { createTensor, writeTensor } from '../../src/tensor/tensors.ts';
import { createRandom } from '../../src/base/random.ts';

export interface KernelShare {
  readonly kernel: string;
  readonly dispatches: number;
  readonly ms: number;
  /** Part of the sum over all kernels. */
  readonly share: number;
  /** Of kernels that are matrix products in the main. */
  readonly gflops: number | null;
}

/** A dispatch's time is the least of `repeats`, so that other programs on the machine do not show. */
export async function profile(
  device: Device,
  dispatches: readonly Dispatch[],
  repeats: number,
): Promise<KernelShare[]> {
  const least = dispatches.map(() => Infinity);
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (const [index, dispatch] of dispatches.entries()) {
      least[index] = Math.min(least[index]!, await time(device, [dispatch]));
    }
  }
  // Waking a thread and hearing from it is part of every measurement, and in a step of none.
  const wake = await emptyDispatch(device, repeats);
  const groups = new Map<string, { dispatches: number; ms: number; operations: number }>();
  for (const [index, dispatch] of dispatches.entries()) {
    const name = groupOf(dispatch);
    const group = groups.get(name) ?? { dispatches: 0, ms: 0, operations: 0 };
    group.dispatches++;
    group.ms += Math.max(0, least[index]! - wake);
    group.operations += operations(dispatch);
    groups.set(name, group);
  }
  const total = [...groups.values()].reduce((sum, { ms }) => sum + ms, 0);
  return [...groups]
    .map(([kernel, { dispatches, ms, operations }]) => ({
      kernel,
      dispatches,
      ms,
      share: ms / total,
      gflops: operations > 0 ? operations / ms / 1e6 : null,
    }))
    .toSorted((a, b) => b.ms - a.ms);
}

/** The multiply-adds of all matrix products of a step, counted as two operations each. */
export function matrixOperations(dispatches: readonly Dispatch[]): number {
  return dispatches.reduce((sum, dispatch) => sum + operations(dispatch), 0);
}

/** GFLOP/s of a product whose operands stay in the cache: what one thread can reach here. */
export async function peakGflops(device: Device, repeats: number): Promise<number> {
  const [M, N, K] = [192, 256, 256];
  const random = createRandom(1);
  const make = async (label: string, rows: number, columns: number) => {
    const tensor = createTensor(device, label, [rows, columns]);
    await writeTensor(
      device,
      tensor,
      Float32Array.from({ length: rows * columns }, () => random.normal()),
    );
    return tensor;
  };
  const bindings = { a: await make('a', M, K), b: await make('b', K, N), c: await make('c', M, N) };
  const params = { M, N, K, a_transposed: 0, b_transposed: 0, accumulate: 0 };
  const product: Dispatch = { kernel: kernels.matmul, bindings, params };
  const many = Array.from({ length: 100 }, () => product);
  let least = Infinity;
  for (let repeat = 0; repeat < repeats; repeat++) {
    least = Math.min(least, await time(device, many));
  }
  for (const { buffer } of Object.values(bindings)) device.free(buffer);
  return (many.length * 2 * M * N * K) / least / 1e6;
}

/** CPU milliseconds of the process. */
async function time(device: Device, dispatches: readonly Dispatch[]): Promise<number> {
  const before = process.cpuUsage();
  await device.submit(dispatches);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

async function emptyDispatch(device: Device, repeats: number): Promise<number> {
  const y = createTensor(device, 'empty', [4]);
  const dispatch: Dispatch = { kernel: kernels.fill, bindings: { y }, params: { n: 4, value: 0 } };
  let least = Infinity;
  for (let repeat = 0; repeat < repeats; repeat++) least = Math.min(least, await time(device, [dispatch]));
  device.free(y.buffer);
  return least;
}

function groupOf({ kernel, params }: Dispatch): string {
  if (kernel.name !== 'matmul') return kernel.name;
  const { M, N, K, b_transposed: forward } = params;
  return `matmul ${M}×${N}×${K} ${forward ? 'forward' : 'backward'}`;
}

/** Of the matrix products in a dispatch; causal attention counts the half that it cannot skip. */
function operations({ kernel, params }: Dispatch): number {
  const { M = 0, N = 0, K = 0, R = 0, T = 0, B = 0, H = 0, D = 0 } = params;
  if (kernel.name === 'matmul') return 2 * M * N * K;
  if (kernel.name === 'attention_train') return 2 * B * H * T * T * D;
  if (kernel.name === 'attention_train_backward') return 5 * B * H * T * T * D;
  if (kernel.name.startsWith('expert_expand')) return 2 * T * K * R * M;
  if (kernel.name.startsWith('expert_shrink')) return 2 * T * K * R * N;
  return 0;
}
