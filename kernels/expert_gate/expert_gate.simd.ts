import { choose, normaliseSegments, routeLogits } from '../simd/gate.simd';
import { scratch } from '../simd/scratch.simd';

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
    const n = routeLogits(x + <usize>t * bytes, router, route_slots + list, out, C, max_experts);
    for (let e = n; e < max_experts; e++) store<f32>(out + ((<usize>e) << 2), 0);
    normaliseSegments(out, route_segments + list, route_priors + list, adjusted, n);
    const k = min(min(K, <i32>load<u32>(route_top_k + ((<usize>route) << 2))), n);
    const at = (<usize>(t * K)) << 2;
    choose(adjusted, n, k, K, route_slots + list, chosen + at, slots + at, weights + at);
  }
}
