/**
 * Each kernel as a share of the limit that binds it. The dispatches are those of a real step, caught on their way to the
 * device; those of one kernel and size are sent again, one after the other, over the weights of all layers in turn, so that
 * a layer's are no longer in the cache when they are needed again.
 */
import type { Dispatch } from '../../../src/tensor/device.ts';
import type { Ceilings } from './limits.ts';
import type { KernelRow } from './report.ts';
import type { Repeats } from './step-bench.ts';
import { atLimit } from './step-model.ts';
import { alternate, spreadOf } from './timing.ts';
import { dispatchWork, type Touched } from './work.ts';
import type { WatchedGpu } from './watched-gpu.ts';

/** Fits one command buffer. */
const MAX_REPLAYED = 1024;

export async function measureKernels(
  { device, probe }: WatchedGpu,
  step: readonly Dispatch[],
  touched: Touched,
  ceilings: Ceilings,
  about: Pick<KernelRow, 'model' | 'weights' | 'tokens'>,
  { rounds, roundMs }: Repeats,
): Promise<KernelRow[]> {
  const rows: KernelRow[] = [];
  for (const [, group] of Map.groupBy(step, keyOf)) {
    const [first] = group;
    if (!first) continue;
    const time = async (dispatches: readonly Dispatch[]): Promise<{ ms: number; clock: 'gpu' | 'wall' }> => {
      await probe.take();
      const start = performance.now();
      await device.submit(dispatches);
      const wall = performance.now() - start;
      const { gpuMs } = await probe.take();
      return gpuMs === null ? { ms: wall, clock: 'wall' } : { ms: gpuMs, clock: 'gpu' };
    };
    await time(group);
    const { ms: once, clock } = await time(group);
    const most = Math.max(1, Math.floor(MAX_REPLAYED / group.length));
    const times = Math.max(1, Math.min(most, Math.ceil(roundMs / Math.max(once, 0.001))));
    const many = Array.from({ length: times }, () => group).flat();
    const [values = []] = await alternate([() => time(many)], rounds);
    const microseconds = spreadOf(values.map(({ ms }) => (ms * 1000) / many.length));
    const work = dispatchWork(first, touched);
    const { seconds, limit } = atLimit(work, ceilings);
    const share = (seconds * 1e6) / microseconds.median;
    const { name: kernel } = first.kernel;
    const row = { ...about, kernel, sizes: sizesOf(first), dispatches: group.length, microseconds, clock };
    rows.push({ ...row, ...work, bound: limit, share });
  }
  return rows;
}

function keyOf(dispatch: Dispatch): string {
  return `${dispatch.kernel.name} ${sizesOf(dispatch)}`;
}

/** Whole numbers of the params: the others are no sizes. */
function sizesOf({ params, bindings }: Dispatch): string {
  const sizes = Object.entries(params).filter(([, value]) => Number.isInteger(value));
  const types = new Set(Object.values(bindings).map(({ type }) => type));
  const stored = ['f16', 'q8', 'q4'].filter((type) => [...types].some((own) => own === type));
  return [...sizes.map(([name, value]) => `${name} ${value}`), ...stored].join(', ');
}
