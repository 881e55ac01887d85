/** Four-lane helpers that several kernels share. Inlined; they hold no state. */

@inline
export function madd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}

@inline
export function sum4(v: v128): f32 {
  return (
    f32x4.extract_lane(v, 0) + f32x4.extract_lane(v, 1) + (f32x4.extract_lane(v, 2) + f32x4.extract_lane(v, 3))
  );
}

/**
 * What exp4 needs, in memory: V8 makes a vector constant anew wherever it stands, loops included, from two 64-bit halves.
 * A load is one instruction instead of five.
 */
const EXP = memory.data<f32>([
  -87.33, 88.37, 1.44269504088896341, 12582912, -0.693359375, 2.12194440e-4, 1.9875691500e-4, 1.3981999507e-3,
  8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1, 1,
]);

@inline
function constant(index: usize): v128 {
  return v128.load32_splat(EXP + (index << 2));
}

/**
 * e^x by range reduction and a degree-6 polynomial (Cephes expf); relative error below 2e-7 on [−87, 88], 0 below.
 * Adding 1.5 · 2²³ rounds to a whole number and leaves it in the low bits.
 */
@inline
export function exp4(x: v128): v128 {
  const least = constant(0);
  const low = f32x4.ge(x, least);
  let v = f32x4.pmin(constant(1), f32x4.pmax(least, x));
  const shift = constant(3);
  const shifted = madd(v, constant(2), shift);
  const n = f32x4.sub(shifted, shift);
  v = madd(n, constant(4), v);
  v = madd(n, constant(5), v);
  let p = constant(6);
  p = madd(p, v, constant(7));
  p = madd(p, v, constant(8));
  p = madd(p, v, constant(9));
  p = madd(p, v, constant(10));
  p = madd(p, v, constant(11));
  p = f32x4.add(madd(p, f32x4.mul(v, v), v), constant(12));
  // p · 2ⁿ: n is added to the exponent, and what lies above the low bits of `shifted` falls out.
  return v128.and(i32x4.add(p, i32x4.shl(shifted, 23)), low);
}

@inline
export function exp1(x: f32): f32 {
  return f32x4.extract_lane(exp4(f32x4.splat(x)), 0);
}

/** Natural logarithm of a positive normal number (Cephes logf), relative error below 2e-7. */
export function log1(x: f32): f32 {
  let bits = reinterpret<i32>(x);
  let e = (bits >> 23) - 126;
  let m = reinterpret<f32>((bits & 0x007fffff) | 0x3f000000);
  if (m < 0.70710678) {
    e -= 1;
    m = m + m - 1;
  } else {
    m -= 1;
  }
  const z = m * m;
  let y: f32 = 7.0376836292e-2;
  y = y * m - 1.1514610310e-1;
  y = y * m + 1.1676998740e-1;
  y = y * m - 1.2420140846e-1;
  y = y * m + 1.4249322787e-1;
  y = y * m - 1.6668057665e-1;
  y = y * m + 2.0000714765e-1;
  y = y * m - 2.4999993993e-1;
  y = y * m + 3.3333331174e-1;
  y = y * m * z;
  const f = <f32>e;
  y += f * -2.12194440e-4;
  y -= 0.5 * z;
  return m + y + f * 0.693359375;
}

/** Σ a·b over n elements: 16 lanes, then a scalar tail. The order depends on n alone. */
export function dot(a: usize, b: usize, n: i32): f32 {
  let s0 = f32x4.splat(0);
  let s1 = f32x4.splat(0);
  let s2 = f32x4.splat(0);
  let s3 = f32x4.splat(0);
  let i: i32 = 0;
  for (; i + 16 <= n; i += 16) {
    const p = a + (<usize>i << 2);
    const q = b + (<usize>i << 2);
    s0 = madd(v128.load(p), v128.load(q), s0);
    s1 = madd(v128.load(p, 16), v128.load(q, 16), s1);
    s2 = madd(v128.load(p, 32), v128.load(q, 32), s2);
    s3 = madd(v128.load(p, 48), v128.load(q, 48), s3);
  }
  let s = sum4(f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3)));
  for (; i < n; i++) s += load<f32>(a + (<usize>i << 2)) * load<f32>(b + (<usize>i << 2));
  return s;
}

/** y += w·x over n elements. */
export function axpy(w: f32, x: usize, y: usize, n: i32): void {
  const v = f32x4.splat(w);
  let i: i32 = 0;
  for (; i + 8 <= n; i += 8) {
    const p = x + (<usize>i << 2);
    const q = y + (<usize>i << 2);
    v128.store(q, madd(v, v128.load(p), v128.load(q)));
    v128.store(q, madd(v, v128.load(p, 16), v128.load(q, 16)), 16);
  }
  for (; i < n; i++) {
    const q = y + (<usize>i << 2);
    store<f32>(q, load<f32>(q) + w * load<f32>(x + (<usize>i << 2)));
  }
}

/** Largest of n ≥ 1 elements. */
export function maximum(x: usize, n: i32): f32 {
  let best = load<f32>(x);
  let i: i32 = 0;
  if (n >= 4) {
    let v = v128.load(x);
    for (i = 4; i + 4 <= n; i += 4) v = f32x4.pmax(v, v128.load(x + (<usize>i << 2)));
    best = max(
      max(f32x4.extract_lane(v, 0), f32x4.extract_lane(v, 1)),
      max(f32x4.extract_lane(v, 2), f32x4.extract_lane(v, 3)),
    );
  }
  for (; i < n; i++) best = max(best, load<f32>(x + (<usize>i << 2)));
  return best;
}
