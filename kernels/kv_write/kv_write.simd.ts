export function kv_write(
  k: usize,
  v: usize,
  page_table: usize,
  sequences: usize,
  positions: usize,
  k_pages: usize,
  v_pages: usize,
  T: i32,
  width: i32,
  page_size: i32,
  max_pages: i32,
  start: i32,
  end: i32,
): void {
  const bytes = (<usize>width) << 2;
  for (let t = start; t < end; t++) {
    const position = <i32>load<u32>(positions + ((<usize>t) << 2));
    const row = <i32>load<u32>(sequences + ((<usize>t) << 2)) * max_pages;
    const page = load<u32>(page_table + ((<usize>(row + position / page_size)) << 2));
    const to = (<usize>page * <usize>page_size + <usize>(position % page_size)) * bytes;
    memory.copy(k_pages + to, k + <usize>t * bytes, bytes);
    memory.copy(v_pages + to, v + <usize>t * bytes, bytes);
  }
}
