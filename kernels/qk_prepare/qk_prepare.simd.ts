import { inverseRms, scaleRow } from '../simd/norm.simd';
import { turnHead } from '../simd/rope.simd';

export function qk_prepare(
  qkv: usize,
  norms: usize,
  table: usize,
  page_table: usize,
  sequences: usize,
  positions: usize,
  q: usize,
  k_pages: usize,
  v_pages: usize,
  T: i32,
  H: i32,
  KV: i32,
  D: i32,
  page_size: i32,
  max_pages: i32,
  epsilon: f32,
  start: i32,
  end: i32,
): void {
  const head = (<usize>D) << 2;
  const width = <usize>KV * head;
  for (let t = start; t < end; t++) {
    const position = <i32>load<u32>(positions + ((<usize>t) << 2));
    const angles = table + <usize>position * head;
    let from = qkv + <usize>t * <usize>(H + 2 * KV) * head;
    let to = q + <usize>t * <usize>H * head;
    for (let h: i32 = 0; h < H; h++) {
      scaleRow(from, norms, to, D, inverseRms(from, D, epsilon));
      turnHead(to, angles, D, 1);
      from += head;
      to += head;
    }
    const row = <i32>load<u32>(sequences + ((<usize>t) << 2)) * max_pages;
    const page = load<u32>(page_table + ((<usize>(row + position / page_size)) << 2));
    const slot = (<usize>page * <usize>page_size + <usize>(position % page_size)) * width;
    to = k_pages + slot;
    for (let h: i32 = 0; h < KV; h++) {
      scaleRow(from, norms + head, to, D, inverseRms(from, D, epsilon));
      turnHead(to, angles, D, 1);
      from += head;
      to += head;
    }
    memory.copy(v_pages + slot, from, width);
  }
}
