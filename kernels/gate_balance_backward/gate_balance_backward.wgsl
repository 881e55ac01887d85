// One invocation an element of dlogits.
#import routes
#import segments
struct Params {
  T: u32,
  max_experts: u32,
  balance: f32,
  z: f32,
}

@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read> route_of_token: array<u32>;
@group(0) @binding(2) var<storage, read> route_slots: array<u32>;
@group(0) @binding(3) var<storage, read> route_segments: array<u32>;
@group(0) @binding(4) var<storage, read> token_weights: array<f32>;
@group(0) @binding(5) var<storage, read> stats: array<f32>;
@group(0) @binding(6) var<storage, read_write> dlogits: array<f32>;
@group(0) @binding(7) var<uniform> params: Params;

fn route_slot(i: u32) -> u32 {
  return route_slots[i];
}

fn route_segment(i: u32) -> u32 {
  return route_segments[i];
}

fn logit(i: u32) -> f32 {
  return logits[i];
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = (group.y * groups.x + group.x) * 64u + lane;
  if (index >= params.T * params.max_experts) {
    return;
  }
  let t = index / params.max_experts;
  let entry = index % params.max_experts;
  let route = route_of_token[t];
  let entries = route_entries(route);
  if (entry >= entries || token_weights[t] == 0.0) {
    return;
  }
  let list = route * params.max_experts;
  let row = t * params.max_experts;
  let segment = route_segments[list + entry];
  let largest = segment_max(row, list, entries, segment);
  var experts = 0.0;
  var total = 0.0;
  var chosen = 0.0;
  var inner = 0.0;
  for (var e = 0u; e < entries; e++) {
    if (route_segments[list + e] == segment) {
      let p = exp(logits[row + e] - largest);
      let count = stats[route_slots[list + e] * 5u];
      experts += 1.0;
      total += p;
      chosen += count;
      inner += p * count;
    }
  }
  // Without a choice all counts are zero, and so are the shares.
  let divisor = max(chosen, 1.0);
  let slot = route_slots[list + entry];
  let share = stats[slot * 5u] / divisor - inner / total / divisor;
  let pull = params.balance * experts * share + 2.0 * params.z * (largest + log(total));
  dlogits[index] += exp(logits[index] - largest) / total / stats[slot * 5u + 2u] * pull;
}
