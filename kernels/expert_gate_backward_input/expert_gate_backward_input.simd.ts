import { axpy } from '../simd/lanes.simd';

const NONE: u32 = 0xffffffff;

export function expert_gate_backward_input(
  dlogits: usize,
  route_of_token: usize,
  route_slots: usize,
  router: usize,
  dx: usize,
  T: i32,
  C: i32,
  max_experts: i32,
  start: i32,
  end: i32,
): void {
  const bytes = (<usize>C) << 2;
  for (let t = start; t < end; t++) {
    const list =
      route_slots + ((<usize>(<i32>load<u32>(route_of_token + ((<usize>t) << 2)) * max_experts)) << 2);
    for (let e: i32 = 0; e < max_experts; e++) {
      const slot = load<u32>(list + ((<usize>e) << 2));
      if (slot == NONE) break;
      axpy(
        load<f32>(dlogits + ((<usize>(t * max_experts + e)) << 2)),
        router + <usize>slot * bytes,
        dx + <usize>t * bytes,
        C,
      );
    }
  }
}
