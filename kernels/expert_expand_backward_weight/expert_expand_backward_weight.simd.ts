import { GROUPED_SCRATCH, listRow, ROWS } from '../simd/grouped.simd';
import { addOuter } from '../simd/outer.simd';
import { scratch } from '../simd/scratch.simd';

/** Outputs in one work item. */
const STRIP: i32 = 64;

export function expert_expand_backward_weight(
  h: usize,
  slots: usize,
  weights: usize,
  scales: usize,
  dy: usize,
  db: usize,
  T: i32,
  K: i32,
  R: i32,
  M: i32,
  S: i32,
  start: i32,
  end: i32,
): void {
  const rank = (<usize>R) << 2;
  const row = (<usize>M) << 2;
  const strips = (M + STRIP - 1) / STRIP;
  const scaled = scratch() + GROUPED_SCRATCH;
  for (let item = start; item < end; item++) {
    const s = item / strips;
    const m0 = (item % strips) * STRIP;
    const outputs = min(STRIP, M - m0);
    const out = db + (<usize>s * <usize>M + <usize>m0) * rank;
    const at = (<usize>m0) << 2;
    const scale = load<f32>(scales + ((<usize>s) << 2));
    let count: i32 = 0;
    for (let i: i32 = 0; i < T * K; i++) {
      if (load<u32>(slots + ((<usize>i) << 2)) != <u32>s) continue;
      const to = scaled + <usize>count * rank;
      scaleRow(load<f32>(weights + ((<usize>i) << 2)) * scale, h + <usize>i * rank, to, R);
      listRow(count, dy + <usize>(i / K) * row, to, 1);
      count++;
      if (count < ROWS) continue;
      addOuter(count, out, rank, outputs, R, at, 0);
      count = 0;
    }
    addOuter(count, out, rank, outputs, R, at, 0);
  }
}

function scaleRow(factor: f32, from: usize, to: usize, n: i32): void {
  const f = f32x4.splat(factor);
  let i: i32 = 0;
  for (; i + 4 <= n; i += 4) {
    const at = (<usize>i) << 2;
    v128.store(to + at, f32x4.mul(f, v128.load(from + at)));
  }
  for (; i < n; i++) {
    const at = (<usize>i) << 2;
    store<f32>(to + at, factor * load<f32>(from + at));
  }
}
