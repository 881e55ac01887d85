/** The token router's choice for one token, shared by `expert_gate` and `norm_gate`. */
import { dot, exp1, log1 } from './lanes.simd';

const NONE: u32 = 0xffffffff;

/** Logits of the route's experts for x [C]; returns their number. `list`: the route's slots, ended by NONE. */
export function routeLogits(x: usize, router: usize, list: usize, logits: usize, C: i32, max_experts: i32): i32 {
  const bytes = (<usize>C) << 2;
  let n: i32 = 0;
  for (; n < max_experts; n++) {
    const slot = load<u32>(list + ((<usize>n) << 2));
    if (slot == NONE) break;
    store<f32>(logits + ((<usize>n) << 2), dot(router + <usize>slot * bytes, x, C));
  }
  return n;
}

/** a = logit − logsumexp over its segment + prior. Experts of a segment are neighbours. */
export function normaliseSegments(logits: usize, segments: usize, priors: usize, a: usize, n: i32): void {
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

/** Writes K choices of the token; `chosen` may be 0, which asks for slots and weights only. */
export function choose(
  a: usize,
  n: i32,
  k: i32,
  K: i32,
  list: usize,
  chosen: usize,
  slots: usize,
  weights: usize,
): void {
  let top: f32 = 0;
  let total: f32 = 0;
  for (let i: i32 = 0; i < K; i++) {
    const o = (<usize>i) << 2;
    if (i >= k) {
      if (chosen != 0) store<u32>(chosen + o, NONE);
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
    if (chosen != 0) store<u32>(chosen + o, <u32>best);
    store<u32>(slots + o, load<u32>(list + ((<usize>best) << 2)));
    store<f32>(weights + o, w);
  }
  for (let i: i32 = 0; i < k; i++) {
    const o = weights + ((<usize>i) << 2);
    store<f32>(o, load<f32>(o) / total);
  }
}
