import { inverseRms, scaleRow } from '../simd/norm.simd';

export function rms_norm(
  x: usize,
  weight: usize,
  y: usize,
  inverse_rms: usize,
  rows: i32,
  C: i32,
  epsilon: f32,
  start: i32,
  end: i32,
): void {
  const bytes = (<usize>C) << 2;
  for (let r = start; r < end; r++) {
    const from = x + <usize>r * bytes;
    const scale = inverseRms(from, C, epsilon);
    store<f32>(inverse_rms + ((<usize>r) << 2), scale);
    scaleRow(from, weight, y + <usize>r * bytes, C, scale);
  }
}
