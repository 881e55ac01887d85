import { axpy } from '../simd/lanes.simd';

const NONE: u32 = 0xffffffff;

export function expert_shrink_backward(
  dh: usize,
  a: usize,
  slots: usize,
  dx: usize,
  T: i32,
  K: i32,
  R: i32,
  N: i32,
  start: i32,
  end: i32,
): void {
  const row = (<usize>N) << 2;
  for (let t = start; t < end; t++) {
    for (let k: i32 = 0; k < K; k++) {
      const slot = load<u32>(slots + ((<usize>(t * K + k)) << 2));
      if (slot == NONE) continue;
      const matrix = a + <usize>slot * <usize>R * row;
      for (let r: i32 = 0; r < R; r++) {
        axpy(
          load<f32>(dh + ((<usize>((t * K + k) * R + r)) << 2)),
          matrix + <usize>r * row,
          dx + <usize>t * row,
          N,
        );
      }
    }
  }
}
