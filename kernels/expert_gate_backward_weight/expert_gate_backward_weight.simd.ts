import { axpy } from '../simd/lanes.simd';

const NONE: u32 = 0xffffffff;

export function expert_gate_backward_weight(
  dlogits: usize,
  x: usize,
  route_of_token: usize,
  route_slots: usize,
  drouter: usize,
  T: i32,
  C: i32,
  S: i32,
  max_experts: i32,
  start: i32,
  end: i32,
): void {
  const bytes = (<usize>C) << 2;
  for (let s = start; s < end; s++) {
    for (let t: i32 = 0; t < T; t++) {
      const list =
        route_slots + ((<usize>(<i32>load<u32>(route_of_token + ((<usize>t) << 2)) * max_experts)) << 2);
      for (let e: i32 = 0; e < max_experts; e++) {
        const slot = load<u32>(list + ((<usize>e) << 2));
        if (slot == NONE) break;
        if (slot != <u32>s) continue;
        axpy(
          load<f32>(dlogits + ((<usize>(t * max_experts + e)) << 2)),
          x + <usize>t * bytes,
          drouter + <usize>s * bytes,
          C,
        );
      }
    }
  }
}
