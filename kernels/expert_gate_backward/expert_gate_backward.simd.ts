import { exp1 } from '../simd/lanes.simd';

const NONE: u32 = 0xffffffff;

export function expert_gate_backward(
  logits: usize,
  route_of_token: usize,
  route_slots: usize,
  route_segments: usize,
  chosen: usize,
  weights: usize,
  dweights: usize,
  dlogits: usize,
  T: i32,
  K: i32,
  max_experts: i32,
  start: i32,
  end: i32,
): void {
  for (let t = start; t < end; t++) {
    const list = (<usize>(<i32>load<u32>(route_of_token + ((<usize>t) << 2)) * max_experts)) << 2;
    const x = logits + ((<usize>(t * max_experts)) << 2);
    const d = dlogits + ((<usize>(t * max_experts)) << 2);
    memory.fill(d, 0, (<usize>max_experts) << 2);
    const at = (<usize>(t * K)) << 2;
    let inner: f32 = 0;
    for (let i: i32 = 0; i < K; i++) {
      const o = at + ((<usize>i) << 2);
      inner += load<f32>(weights + o) * load<f32>(dweights + o);
    }
    for (let i: i32 = 0; i < K; i++) {
      const o = at + ((<usize>i) << 2);
      const e = load<u32>(chosen + o);
      if (e == NONE) continue;
      store<f32>(d + ((<usize>e) << 2), load<f32>(weights + o) * (load<f32>(dweights + o) - inner));
    }
    for (let from: i32 = 0; from < max_experts;) {
      if (load<u32>(route_slots + list + ((<usize>from) << 2)) == NONE) break;
      from = throughSegment(x, d, route_slots + list, route_segments + list, from, max_experts);
    }
  }
}

/** dlogit −= softmax(logits of the segment) · Σ da of the segment; returns where the next segment begins. */
function throughSegment(x: usize, d: usize, slots: usize, segments: usize, from: i32, n: i32): i32 {
  const segment = load<u32>(segments + ((<usize>from) << 2));
  let to = from;
  let top: f32 = -Infinity;
  let sum: f32 = 0;
  for (; to < n; to++) {
    const o = (<usize>to) << 2;
    if (load<u32>(slots + o) == NONE || load<u32>(segments + o) != segment) break;
    top = max(top, load<f32>(x + o));
    sum += load<f32>(d + o);
  }
  let total: f32 = 0;
  for (let e = from; e < to; e++) total += exp1(load<f32>(x + ((<usize>e) << 2)) - top);
  for (let e = from; e < to; e++) {
    const o = (<usize>e) << 2;
    store<f32>(d + o, load<f32>(d + o) - (exp1(load<f32>(x + o) - top) / total) * sum);
  }
  return to;
}
