import { axpy } from '../simd/lanes.simd';

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
  const strips = (M + STRIP - 1) / STRIP;
  for (let item = start; item < end; item++) {
    const s = item / strips;
    const m0 = (item % strips) * STRIP;
    const m1 = min(M, m0 + STRIP);
    const scale = load<f32>(scales + ((<usize>s) << 2));
    for (let i: i32 = 0; i < T * K; i++) {
      if (load<u32>(slots + ((<usize>i) << 2)) != <u32>s) continue;
      const weight = load<f32>(weights + ((<usize>i) << 2)) * scale;
      const gradient = dy + ((<usize>((i / K) * M)) << 2);
      let out = db + (<usize>s * <usize>M + <usize>m0) * rank;
      for (let m = m0; m < m1; m++) {
        axpy(weight * load<f32>(gradient + ((<usize>m) << 2)), h + <usize>i * rank, out, R);
        out += rank;
      }
    }
  }
}
