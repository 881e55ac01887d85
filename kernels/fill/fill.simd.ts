export function fill(y: usize, n: i32, value: f32, start: i32, end: i32): void {
  const v = f32x4.splat(value);
  let i = start * 16384;
  const to = min(end * 16384, n);
  for (; i + 4 <= to; i += 4) v128.store(y + ((<usize>i) << 2), v);
  for (; i < to; i++) store<f32>(y + ((<usize>i) << 2), value);
}
