// One invocation an element of drouter, summed over tokens in order.
struct Params {
  T: u32,
  C: u32,
  S: u32,
  max_experts: u32,
}

@group(0) @binding(0) var<storage, read> dlogits: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> route_of_token: array<u32>;
@group(0) @binding(3) var<storage, read> route_slots: array<u32>;
@group(0) @binding(4) var<storage, read_write> drouter: array<f32>;
@group(0) @binding(5) var<uniform> params: Params;

const NONE = 0xffffffffu;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = (group.y * groups.x + group.x) * 64u + lane;
  if (index >= params.S * params.C) {
    return;
  }
  let slot = index / params.C;
  let channel = index % params.C;
  var sum = 0.0;
  for (var t = 0u; t < params.T; t++) {
    let list = route_of_token[t] * params.max_experts;
    for (var e = 0u; e < params.max_experts && route_slots[list + e] != NONE; e++) {
      if (route_slots[list + e] == slot) {
        sum += dlogits[t * params.max_experts + e] * x[t * params.C + channel];
      }
    }
  }
  drouter[index] += sum;
}
