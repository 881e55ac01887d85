import { dot } from '../simd/lanes.simd';

export function sum_squares(x: usize, partial: usize, n: i32, parts: i32, start: i32, end: i32): void {
  const size = (n + parts - 1) / parts;
  for (let i = start; i < end; i++) {
    const from = min(i * size, n);
    const length = min(size, n - from);
    let sum: f64 = 0;
    for (let j: i32 = 0; j < length; j += 1024) {
      const p = x + ((<usize>(from + j)) << 2);
      sum += <f64>dot(p, p, min(1024, length - j));
    }
    store<f32>(partial + ((<usize>i) << 2), <f32>sum);
  }
}
