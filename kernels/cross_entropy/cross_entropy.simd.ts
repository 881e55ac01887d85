import { exp4, log1, maximum, sum4 } from '../simd/lanes.simd';

export function cross_entropy(
  logits: usize,
  targets: usize,
  token_weights: usize,
  loss: usize,
  T: i32,
  V: i32,
  start: i32,
  end: i32,
): void {
  for (let t = start; t < end; t++) {
    const x = logits + ((<usize>t * <usize>V) << 2);
    const target = load<u32>(targets + ((<usize>t) << 2));
    const weight = load<f32>(token_weights + ((<usize>t) << 2));
    if (target == 0xffffffff || weight == 0) {
      memory.fill(x, 0, (<usize>V) << 2);
      store<f32>(loss + ((<usize>t) << 2), 0);
      continue;
    }
    const top = maximum(x, V);
    const own = load<f32>(x + ((<usize>target) << 2));
    const total = exponentiate(x, V, top);
    store<f32>(loss + ((<usize>t) << 2), weight * (log1(total) + top - own));
    const s: f32 = weight / total;
    const scale = f32x4.splat(s);
    let i: i32 = 0;
    for (; i + 4 <= V; i += 4) {
      const p = x + ((<usize>i) << 2);
      v128.store(p, f32x4.mul(v128.load(p), scale));
    }
    for (; i < V; i++) {
      const p = x + ((<usize>i) << 2);
      store<f32>(p, load<f32>(p) * s);
    }
    const p = x + ((<usize>target) << 2);
    store<f32>(p, load<f32>(p) - weight);
  }
}

function exponentiate(x: usize, n: i32, top: f32): f32 {
  const m = f32x4.splat(top);
  let s0 = f32x4.splat(0);
  let s1 = f32x4.splat(0);
  let i: i32 = 0;
  for (; i + 8 <= n; i += 8) {
    const p = x + ((<usize>i) << 2);
    const a = exp4(f32x4.sub(v128.load(p), m));
    const b = exp4(f32x4.sub(v128.load(p, 16), m));
    v128.store(p, a);
    v128.store(p, b, 16);
    s0 = f32x4.add(s0, a);
    s1 = f32x4.add(s1, b);
  }
  let total = sum4(f32x4.add(s0, s1));
  for (; i < n; i++) {
    const p = x + ((<usize>i) << 2);
    const e = f32x4.extract_lane(exp4(f32x4.splat(load<f32>(p) - top)), 0);
    store<f32>(p, e);
    total += e;
  }
  return total;
}
