/** Rotary position of one head in place, shared by `rope` and `qk_prepare`. `angles`: D/2 pairs of cosine and sine. */
export function turnHead(x: usize, angles: usize, D: i32, direction: f32): void {
  const half = D >> 1;
  for (let i: i32 = 0; i < half; i++) {
    const cosine = load<f32>(angles + ((<usize>i) << 3));
    const sine = load<f32>(angles + ((<usize>i) << 3), 4) * direction;
    const a = x + ((<usize>i) << 2);
    const b = a + ((<usize>half) << 2);
    const u = load<f32>(a);
    const v = load<f32>(b);
    store<f32>(a, u * cosine - v * sine);
    store<f32>(b, v * cosine + u * sine);
  }
}
