export function copy(x: usize, y: usize, n: i32, start: i32, end: i32): void {
  const from = start * 16384;
  const to = min(end * 16384, n);
  memory.copy(y + ((<usize>from) << 2), x + ((<usize>from) << 2), (<usize>(to - from)) << 2);
}
