import { exp1, exp4, log1, maximum, sum4 } from '../simd/lanes.simd';

const NONE: u32 = 0xffffffff;

export function gate_load(
  logits: usize,
  route_of_token: usize,
  route_slots: usize,
  route_segments: usize,
  slots: usize,
  token_weights: usize,
  stats: usize,
  T: i32,
  K: i32,
  S: i32,
  max_experts: i32,
  start: i32,
  end: i32,
): void {
  for (let s = start; s < end; s++) {
    let chosen: i32 = 0;
    let seen: i32 = 0;
    let probability: f64 = 0;
    let squares: f64 = 0;
    let entropy: f64 = 0;
    // Neighbours mostly have the same route: the place of s in it is looked up when it changes.
    let known: i32 = -1;
    let entry: i32 = -1;
    let from: i32 = 0;
    let to: i32 = 0;
    for (let t: i32 = 0; t < T; t++) {
      if (load<f32>(token_weights + ((<usize>t) << 2)) == 0) continue;
      for (let k: i32 = 0; k < K; k++) {
        if (load<u32>(slots + ((<usize>(t * K + k)) << 2)) == <u32>s) chosen++;
      }
      const route = <i32>load<u32>(route_of_token + ((<usize>t) << 2));
      if (route != known) {
        known = route;
        const list = (<usize>(route * max_experts)) << 2;
        const n = entriesOf(route_slots + list, max_experts);
        entry = placeOf(route_slots + list, n, <u32>s);
        from = entry;
        to = entry + 1;
        while (from > 0 && sameSegment(route_segments + list, from - 1, entry)) from--;
        while (entry >= 0 && to < n && sameSegment(route_segments + list, to, entry)) to++;
      }
      if (entry < 0) continue;
      const row = logits + ((<usize>(t * max_experts)) << 2);
      const lse = logSumExp(row + ((<usize>from) << 2), to - from);
      const under = lse - load<f32>(row + ((<usize>entry) << 2));
      const p = exp1(-under);
      seen++;
      probability += <f64>p;
      squares += <f64>lse * <f64>lse;
      entropy += <f64>(p * under);
    }
    const o = stats + (<usize>s) * 20;
    store<f32>(o, <f32>chosen);
    store<f32>(o, <f32>probability, 4);
    store<f32>(o, <f32>seen, 8);
    store<f32>(o, <f32>squares, 12);
    store<f32>(o, <f32>entropy, 16);
  }
}

function entriesOf(list: usize, max_experts: i32): i32 {
  let n: i32 = 0;
  while (n < max_experts && load<u32>(list + ((<usize>n) << 2)) != NONE) n++;
  return n;
}

function placeOf(list: usize, n: i32, slot: u32): i32 {
  for (let e: i32 = 0; e < n; e++) if (load<u32>(list + ((<usize>e) << 2)) == slot) return e;
  return -1;
}

@inline
function sameSegment(segments: usize, a: i32, b: i32): bool {
  return load<u32>(segments + ((<usize>a) << 2)) == load<u32>(segments + ((<usize>b) << 2));
}

function logSumExp(x: usize, n: i32): f32 {
  const top = maximum(x, n);
  let sums = f32x4.splat(0);
  let i: i32 = 0;
  for (; i + 4 <= n; i += 4) {
    sums = f32x4.add(sums, exp4(f32x4.sub(v128.load(x + ((<usize>i) << 2)), f32x4.splat(top))));
  }
  let total = sum4(sums);
  for (; i < n; i++) total += exp1(load<f32>(x + ((<usize>i) << 2)) - top);
  return top + log1(total);
}
