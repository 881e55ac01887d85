// One invocation an element of dx, summed over the route in order.
#import routes
struct Params {
  T: u32,
  C: u32,
  max_experts: u32,
}

@group(0) @binding(0) var<storage, read> dlogits: array<f32>;
@group(0) @binding(1) var<storage, read> route_of_token: array<u32>;
@group(0) @binding(2) var<storage, read> route_slots: array<u32>;
@group(0) @binding(3) var<storage, read> router: array<f32>;
@group(0) @binding(4) var<storage, read_write> dx: array<f32>;
@group(0) @binding(5) var<uniform> params: Params;

fn route_slot(i: u32) -> u32 {
  return route_slots[i];
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = (group.y * groups.x + group.x) * 64u + lane;
  if (index >= params.T * params.C) {
    return;
  }
  let t = index / params.C;
  let channel = index % params.C;
  let route = route_of_token[t];
  let entries = route_entries(route);
  var sum = 0.0;
  for (var e = 0u; e < entries; e++) {
    let slot = route_slots[route * params.max_experts + e];
    sum += dlogits[t * params.max_experts + e] * router[slot * params.C + channel];
  }
  dx[index] += sum;
}
