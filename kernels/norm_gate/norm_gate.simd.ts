import { choose, normaliseSegments, routeLogits } from '../simd/gate.simd';
import { inverseRms, scaleRow } from '../simd/norm.simd';
import { scratch } from '../simd/scratch.simd';

export function norm_gate(
  x: usize,
  norm: usize,
  router: usize,
  route_of_token: usize,
  route_slots: usize,
  route_segments: usize,
  route_priors: usize,
  route_top_k: usize,
  y: usize,
  slots: usize,
  weights: usize,
  T: i32,
  C: i32,
  K: i32,
  max_experts: i32,
  epsilon: f32,
  start: i32,
  end: i32,
): void {
  const bytes = (<usize>C) << 2;
  const logits = scratch();
  const adjusted = logits + ((<usize>max_experts) << 2);
  for (let t = start; t < end; t++) {
    const from = x + <usize>t * bytes;
    const to = y + <usize>t * bytes;
    scaleRow(from, norm, to, C, inverseRms(from, C, epsilon));
    const route = <i32>load<u32>(route_of_token + ((<usize>t) << 2));
    const list = (<usize>(route * max_experts)) << 2;
    const n = routeLogits(to, router, route_slots + list, logits, C, max_experts);
    normaliseSegments(logits, route_segments + list, route_priors + list, adjusted, n);
    const k = min(min(K, <i32>load<u32>(route_top_k + ((<usize>route) << 2))), n);
    const at = (<usize>(t * K)) << 2;
    choose(adjusted, n, k, K, route_slots + list, 0, slots + at, weights + at);
  }
}
