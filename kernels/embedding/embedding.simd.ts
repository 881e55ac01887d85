export function embedding(ids: usize, table: usize, y: usize, T: i32, C: i32, start: i32, end: i32): void {
  const bytes = (<usize>C) << 2;
  for (let t = start; t < end; t++) {
    memory.copy(y + <usize>t * bytes, table + <usize>load<u32>(ids + ((<usize>t) << 2)) * bytes, bytes);
  }
}
