import { decode } from '../simd/formats.simd';

export function embedding(
  ids: usize,
  table: usize,
  y: usize,
  T: i32,
  C: i32,
  format: i32,
  steps: usize,
  start: i32,
  end: i32,
): void {
  const bytes = (<usize>C) << 2;
  for (let t = start; t < end; t++) {
    const row = <usize>load<u32>(ids + ((<usize>t) << 2));
    decode(table, steps, format, row * <usize>C, C, y + <usize>t * bytes);
  }
}
