/**
 * What the GPU can do at most, by shaders of our own that do nothing else: the denominators of every share in the report.
 * GPU time where the adapter has timestamps, else wall time around work long enough to hide the submission.
 */
import {
  CHAINED,
  COPY,
  EMPTY,
  FMA_OPERATIONS,
  fmaShader,
  GROUP,
  MATRIX_TILE,
  matrixShader,
  READ,
} from './limit-shaders.ts';
import { PassClock } from './pass-clock.ts';
import { alternate, spreadOf, type Spread } from './timing.ts';

export interface Limits {
  /** By timestamps of the GPU, or by the wall. */
  readonly clock: 'gpu' | 'wall';
  readonly bufferBytes: number;
  /** GB/s, read and written bytes together. */
  readonly copyBuffer: Spread;
  readonly copyShader: Spread;
  readonly readShader: Spread;
  /** TFLOP/s of chains of multiply-adds in registers, and of a tiled product. */
  readonly fma32: Spread;
  readonly matrix32: Spread;
  /** Null without shader-f16. */
  readonly fma16: Spread | null;
  readonly matrix16: Spread | null;
  /** µs a dispatch in a pass: those that need not wait for each other, and those that do. */
  readonly dispatch: Spread;
  readonly chainedDispatch: Spread;
  /** µs of the CPU to encode one dispatch, in JavaScript and Dawn. */
  readonly encodeDispatch: Spread;
  /** µs a submission of one dispatch, of many in a row. */
  readonly submit: Spread;
  /** µs from a write of 16 bytes to their result on the CPU, through a dispatch. */
  readonly roundTrip: Spread;
}

export interface LimitSizes {
  readonly bufferBytes: number;
  readonly matrix: number;
  readonly fmaGroups: number;
  readonly dispatches: number;
  /** Work repeated in one measurement. */
  readonly repeats: number;
  readonly rounds: number;
}

/** The bandwidth that a model of time may count on (bytes a second), its rate (f32 operations a second), its floor (s). */
export interface Ceilings {
  readonly bandwidth: number;
  readonly rate: number;
  readonly floor: number;
}

/** Reading is what serving does in the main, so the best of the three bandwidths counts. */
export function ceilingsOf({ copyBuffer, copyShader, readShader, ...limits }: Limits): Ceilings {
  return {
    bandwidth: Math.max(copyBuffer.median, copyShader.median, readShader.median) * 1e9,
    rate: Math.max(limits.fma32.median, limits.matrix32.median) * 1e12,
    floor: limits.chainedDispatch.median / 1e6,
  };
}

export async function measureLimits(device: GPUDevice, sizes: LimitSizes): Promise<Limits> {
  const clock = new PassClock(device);
  const { rounds, repeats, matrix } = sizes;
  const { maxBufferSize, maxStorageBufferBindingSize } = device.limits;
  const most = Math.min(maxBufferSize, maxStorageBufferBindingSize);
  const bufferBytes = Math.min(sizes.bufferBytes, Math.floor(most / 256) * 256);
  const buffers: GPUBuffer[] = [];
  const buffer = (size: number, usage = 0): GPUBuffer => {
    const { STORAGE, COPY_SRC, COPY_DST } = GPUBufferUsage;
    const made = device.createBuffer({ size, usage: usage === 0 ? STORAGE | COPY_SRC | COPY_DST : usage });
    buffers.push(made);
    return made;
  };
  const [from, to, small, words] = [buffer(bufferBytes), buffer(bufferBytes), buffer(256), buffer(256)];
  fillWithNoise(device, from);
  const groups = Math.max(1, Math.min(4096, bufferBytes / (16 * GROUP * 8)));
  const sums = buffer(Math.max(groups, sizes.fmaGroups) * GROUP * 16);
  const job = (code: string, bound: GPUBuffer[], x: number, y: number, times: number) =>
    clock.job(code, bound, [x, y], times);

  const copies = async (): Promise<number> => {
    device.pushErrorScope('validation');
    const start = performance.now();
    const encoder = device.createCommandEncoder();
    for (let i = 0; i < repeats; i++) encoder.copyBufferToBuffer(from, 0, to, 0, bufferBytes);
    device.queue.submit([encoder.finish()]);
    await device.queue.onSubmittedWorkDone();
    const taken = performance.now() - start;
    const error = await device.popErrorScope();
    if (error) throw new Error(error.message);
    return taken / repeats;
  };
  const side = matrix / MATRIX_TILE;
  const product = (type: 'f32' | 'f16') =>
    job(matrixShader(type, matrix), [from, to, buffer(matrix * matrix * 4)], side, side, repeats);
  const factors = buffer(256);
  device.queue.writeBuffer(factors, 0, Float32Array.of(0.99, 0.98, 0.97, 0.96, 0.01, 0.02, 0.03, 0.04));
  const fma = (type: 'f32' | 'f16') => job(fmaShader(type), [factors, sums], sizes.fmaGroups, 1, repeats);
  const floating = device.features.has('shader-f16');
  const { dispatches } = sizes;
  const empty = await job(EMPTY, [small], 1, 1, dispatches);
  const chained = await job(CHAINED, [small, words], 1, 1, dispatches);

  /** Spread of `amount` by milliseconds, in units of 10^−scale. */
  const measure = async (run: () => Promise<number>, unit: (ms: number) => number): Promise<Spread> => {
    const [values = []] = await alternate([run], rounds);
    return spreadOf(values.map(unit));
  };
  const matrixWork = teraflops(2 * matrix ** 3);
  const fmaWork = teraflops(sizes.fmaGroups * GROUP * FMA_OPERATIONS);

  const copyJob = await job(COPY, [from, to], groups, 1, repeats);
  const readJob = await job(READ, [from, sums], groups, 1, repeats);
  const results: Omit<Limits, 'clock'> = {
    bufferBytes,
    copyBuffer: await measure(copies, gigabytes(2 * bufferBytes)),
    copyShader: await measure(() => clock.time(copyJob), gigabytes(2 * bufferBytes)),
    readShader: await measure(() => clock.time(readJob), gigabytes(bufferBytes)),
    fma32: await measure(await timed(clock, fma('f32')), fmaWork),
    matrix32: await measure(await timed(clock, product('f32')), matrixWork),
    fma16: floating ? await measure(await timed(clock, fma('f16')), fmaWork) : null,
    matrix16: floating ? await measure(await timed(clock, product('f16')), matrixWork) : null,
    dispatch: await measure(() => clock.time(empty), micro),
    chainedDispatch: await measure(() => clock.time(chained), micro),
    encodeDispatch: await measure(() => clock.encode(chained), micro),
    submit: await measure(() => clock.submits(chained, Math.ceil(dispatches / 10)), micro),
    roundTrip: await measure(() => clock.roundTrip(chained, small, words), micro),
  };
  for (const made of buffers) made.destroy();
  clock.destroy();
  return { clock: clock.isGpu ? 'gpu' : 'wall', ...results };
}

const gigabytes = (bytes: number) => (ms: number) => bytes / ms / 1e6;
const teraflops = (operations: number) => (ms: number) => operations / ms / 1e9;
const micro = (ms: number) => ms * 1000;

async function timed(clock: PassClock, job: ReturnType<PassClock['job']>): Promise<() => Promise<number>> {
  const ready = await job;
  return () => clock.time(ready);
}

/** Zeros may be compressed, and take less power. Normal numbers, whether read as f32 or f16. */
function fillWithNoise(device: GPUDevice, buffer: GPUBuffer): void {
  const words = new Uint32Array(Math.min(buffer.size, 1 << 24) / 4);
  let state = 1;
  for (let i = 0; i < words.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    words[i] = (state & 0x83ff_83ff) | 0x3800_3800;
  }
  for (let at = 0; at < buffer.size; at += words.byteLength) {
    const bytes = Math.min(words.byteLength, buffer.size - at);
    device.queue.writeBuffer(buffer, at, words, 0, bytes / 4);
  }
}
