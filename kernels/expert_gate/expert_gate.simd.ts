import { dot, exp1, log1 } from '../simd/lanes.simd';
import { scratch } from '../simd/scratch.simd';

const NONE: u32 = 0xffffffff;

export function expert_gate(
  x: usize,
  router: usize,
  route_of_token: usize,
  route_slots: usize,
  route_segments: usize,
  route_priors: usize,
  route_top_k: usize,
  logits: usize,
  chosen: usize,
  slots: usize,
  weights: usize,
  T: i32,
  C: i32,
  K: i32,
  max_experts: i32,
  start: i32,
  end: i32,
): void {
  const bytes = (<usize>C) << 2;
  const adjusted = scratch();
  for (let t = start; t < end; t++) {
    const route = <i32>load<u32>(route_of_token + ((<usize>t) << 2));
    const list = (<usize>(route * max_experts)) << 2;
    const out = logits + ((<usize>(t * max_experts)) << 2);
    let n: i32 = 0;
    for (; n < max_experts; n++) {
      const slot = load<u32>(route_slots + list + ((<usize>n) << 2));
      if (slot == NONE) break;
      store<f32>(out + ((<usize>n) << 2), dot(router + <usize>slot * bytes, x + <usize>t * bytes, C));
    }
    for (let e = n; e < max_experts; e++) store<f32>(out + ((<usize>e) << 2), 0);
    normaliseSegments(out, route_segments + list, route_priors + list, adjusted, n);
    const k = min(min(K, <i32>load<u32>(route_top_k + ((<usize>route) << 2))), n);
    choose(adjusted, n, k, K, t, route_slots + list, chosen, slots, weights);
  }
}

/** a = logit − logsumexp over its segment + prior. Experts of a segment are neighbours. */
function normaliseSegments(logits: usize, segments: usize, priors: usize, a: usize, n: i32): void {
  for (let from: i32 = 0; from < n;) {
    const segment = load<u32>(segments + ((<usize>from) << 2));
    let to = from;
    let top: f32 = -Infinity;
    for (; to < n && load<u32>(segments + ((<usize>to) << 2)) == segment; to++) {
      top = max(top, load<f32>(logits + ((<usize>to) << 2)));
    }
    let total: f32 = 0;
    for (let e = from; e < to; e++) total += exp1(load<f32>(logits + ((<usize>e) << 2)) - top);
    const lse = top + log1(total);
    for (let e = from; e < to; e++) {
      const o = (<usize>e) << 2;
      store<f32>(a + o, load<f32>(logits + o) - lse + load<f32>(priors + o));
    }
    from = to;
  }
}

function choose(
  a: usize,
  n: i32,
  k: i32,
  K: i32,
  t: i32,
  list: usize,
  chosen: usize,
  slots: usize,
  weights: usize,
): void {
  const at = (<usize>(t * K)) << 2;
  let top: f32 = 0;
  let total: f32 = 0;
  for (let i: i32 = 0; i < K; i++) {
    const o = at + ((<usize>i) << 2);
    if (i >= k) {
      store<u32>(chosen + o, NONE);
      store<u32>(slots + o, NONE);
      store<f32>(weights + o, 0);
      continue;
    }
    let best: i32 = -1;
    let value: f32 = -Infinity;
    for (let e: i32 = 0; e < n; e++) {
      const v = load<f32>(a + ((<usize>e) << 2));
      if (best < 0 || v > value) {
        best = e;
        value = v;
      }
    }
    store<f32>(a + ((<usize>best) << 2), -Infinity);
    if (i == 0) top = value;
    const w = exp1(value - top);
    total += w;
    store<u32>(chosen + o, <u32>best);
    store<u32>(slots + o, load<u32>(list + ((<usize>best) << 2)));
    store<f32>(weights + o, w);
  }
  for (let i: i32 = 0; i < k; i++) {
    const o = weights + at + ((<usize>i) << 2);
    store<f32>(o, load<f32>(o) / total);
  }
}
