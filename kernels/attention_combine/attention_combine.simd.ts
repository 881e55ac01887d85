import { axpy, exp1 } from '../simd/lanes.simd';

/** As in attention-work.ts. */
const CHUNK: i32 = 128;
const PARTIAL_HEAD: i32 = 4;

export function attention_combine(
  partials: usize,
  positions: usize,
  splits: usize,
  o: usize,
  S: i32,
  H: i32,
  D: i32,
  start: i32,
  end: i32,
): void {
  const width = (<usize>(PARTIAL_HEAD + D)) << 2;
  for (let item = start; item < end; item++) {
    const head = item % H;
    const split = splits + ((<usize>(item / H)) << 3);
    const t = load<i32>(split);
    const chunks = (load<i32>(positions + ((<usize>t) << 2)) + CHUNK) / CHUNK;
    const first = partials + <usize>(load<i32>(split, 4) * H + head) * width;
    const step = <usize>H * width;
    let largest = load<f32>(first);
    for (let i: i32 = 1; i < chunks; i++) largest = max(largest, load<f32>(first + <usize>i * step));
    let total: f32 = 0;
    for (let i: i32 = 0; i < chunks; i++) {
      const row = first + <usize>i * step;
      total += exp1(load<f32>(row) - largest) * load<f32>(row, 4);
    }
    const out = o + ((<usize>((t * H + head) * D)) << 2);
    memory.fill(out, 0, (<usize>D) << 2);
    for (let i: i32 = 0; i < chunks; i++) {
      const row = first + <usize>i * step;
      axpy(exp1(load<f32>(row) - largest) / total, row + (PARTIAL_HEAD << 2), out, D);
    }
  }
}
