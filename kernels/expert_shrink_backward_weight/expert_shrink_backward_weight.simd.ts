import { axpy } from '../simd/lanes.simd';

export function expert_shrink_backward_weight(
  dh: usize,
  x: usize,
  slots: usize,
  da: usize,
  T: i32,
  K: i32,
  R: i32,
  N: i32,
  S: i32,
  start: i32,
  end: i32,
): void {
  const row = (<usize>N) << 2;
  for (let item = start; item < end; item++) {
    const s = <u32>(item / R);
    const r = item % R;
    const out = da + <usize>item * row;
    for (let i: i32 = 0; i < T * K; i++) {
      if (load<u32>(slots + ((<usize>i) << 2)) != s) continue;
      axpy(load<f32>(dh + ((<usize>(i * R + r)) << 2)), x + <usize>(i / K) * row, out, N);
    }
  }
}
