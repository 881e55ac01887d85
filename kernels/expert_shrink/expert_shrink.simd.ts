import { dot } from '../simd/lanes.simd';

const NONE: u32 = 0xffffffff;

export function expert_shrink(
  x: usize,
  a: usize,
  slots: usize,
  h: usize,
  T: i32,
  K: i32,
  R: i32,
  N: i32,
  start: i32,
  end: i32,
): void {
  const row = (<usize>N) << 2;
  for (let t = start; t < end; t++) {
    const input = x + <usize>t * row;
    for (let k: i32 = 0; k < K; k++) {
      const out = h + ((<usize>((t * K + k) * R)) << 2);
      const slot = load<u32>(slots + ((<usize>(t * K + k)) << 2));
      if (slot == NONE) {
        memory.fill(out, 0, (<usize>R) << 2);
        continue;
      }
      const matrix = a + <usize>slot * <usize>R * row;
      for (let r: i32 = 0; r < R; r++) {
        store<f32>(out + ((<usize>r) << 2), dot(matrix + <usize>r * row, input, N));
      }
    }
  }
}
