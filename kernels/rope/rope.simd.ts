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
  const half = D >> 1;
  for (let t = start; t < end; t++) {
    const angles = table + ((<usize>load<u32>(positions + ((<usize>t) << 2)) * <usize>half) << 3);
    for (let h: i32 = 0; h < H; h++) {
      const p = x + ((<usize>((t * H + h) * D)) << 2);
      for (let i: i32 = 0; i < half; i++) {
        const cosine = load<f32>(angles + ((<usize>i) << 3));
        const sine = load<f32>(angles + ((<usize>i) << 3), 4) * direction;
        const a = p + ((<usize>i) << 2);
        const b = a + ((<usize>half) << 2);
        const u = load<f32>(a);
        const v = load<f32>(b);
        store<f32>(a, u * cosine - v * sine);
        store<f32>(b, v * cosine + u * sine);
      }
    }
  }
}
