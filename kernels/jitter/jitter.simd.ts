const GOLDEN: i32 = 0x9e3779b9;

export function jitter(
  x: usize,
  seed: usize,
  y: usize,
  n: i32,
  epsilon: f32,
  accumulate: i32,
  start: i32,
  end: i32,
): void {
  const stream = i32x4.splat(i32x4.extract_lane(mix(i32x4.splat(load<i32>(seed))), 0));
  const scale = f32x4.splat(epsilon);
  let i = start * 8192;
  const to = min(end * 8192, n);
  let index = i32x4.add(i32x4.splat(i), i32x4(0, 1, 2, 3));
  for (; i + 4 <= to; i += 4) {
    const o = (<usize>i) << 2;
    const v = f32x4.mul(v128.load(x + o), factor(stream, index, scale));
    v128.store(y + o, accumulate ? f32x4.add(v128.load(y + o), v) : v);
    index = i32x4.add(index, i32x4.splat(4));
  }
  for (; i < to; i++) {
    const o = (<usize>i) << 2;
    const v = load<f32>(x + o) * f32x4.extract_lane(factor(stream, i32x4.splat(i), scale), 0);
    store<f32>(y + o, accumulate ? load<f32>(y + o) + v : v);
  }
}

/** 1 + epsilon · u, with u in [−1, 1) from the upper 24 bits of the hash: exact in f32. */
@inline
function factor(stream: v128, index: v128, scale: v128): v128 {
  const bits = mix(i32x4.add(stream, i32x4.mul(index, i32x4.splat(GOLDEN))));
  const unit = f32x4.mul(f32x4.convert_i32x4_s(i32x4.shr_u(bits, 8)), f32x4.splat(1.1920928955078125e-7));
  return f32x4.add(f32x4.splat(1), f32x4.mul(scale, f32x4.sub(unit, f32x4.splat(1))));
}

@inline
function mix(word: v128): v128 {
  let z = i32x4.mul(v128.xor(word, i32x4.shr_u(word, 16)), i32x4.splat(0x21f0aaad));
  z = i32x4.mul(v128.xor(z, i32x4.shr_u(z, 15)), i32x4.splat(0x735a2d97));
  return v128.xor(z, i32x4.shr_u(z, 15));
}
