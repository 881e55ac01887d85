import { turnHead } from '../simd/rope.simd';

export function rope(
  x: usize,
  positions: usize,
  table: usize,
  T: i32,
  H: i32,
  D: i32,
  direction: f32,
  start: i32,
  end: i32,
): void {
  const head = (<usize>D) << 2;
  for (let t = start; t < end; t++) {
    const angles = table + <usize>load<u32>(positions + ((<usize>t) << 2)) * head;
    for (let h: i32 = 0; h < H; h++) turnHead(x + <usize>(t * H + h) * head, angles, D, direction);
  }
}
