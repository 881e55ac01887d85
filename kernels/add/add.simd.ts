export function add(x: usize, y: usize, n: i32, start: i32, end: i32): void {
  let i = start * 8192;
  const to = min(end * 8192, n);
  for (; i + 4 <= to; i += 4) {
    const p = y + ((<usize>i) << 2);
    v128.store(p, f32x4.add(v128.load(p), v128.load(x + ((<usize>i) << 2))));
  }
  for (; i < to; i++) {
    const p = y + ((<usize>i) << 2);
    store<f32>(p, load<f32>(p) + load<f32>(x + ((<usize>i) << 2)));
  }
}
