// One invocation an element of dlogits.
#import routes
#import segments
struct Params {
  T: u32,
  K: u32,
  max_experts: u32,
}

@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read> route_of_token: array<u32>;
@group(0) @binding(2) var<storage, read> route_slots: array<u32>;
@group(0) @binding(3) var<storage, read> route_segments: array<u32>;
@group(0) @binding(4) var<storage, read> chosen: array<u32>;
@group(0) @binding(5) var<storage, read> weights: array<f32>;
@group(0) @binding(6) var<storage, read> dweights: array<f32>;
@group(0) @binding(7) var<storage, read_write> dlogits: array<f32>;
@group(0) @binding(8) var<uniform> params: Params;

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
  if (entry >= entries) {
    dlogits[index] = 0.0;
    return;
  }
  let list = route * params.max_experts;
  let segment = route_segments[list + entry];
  var mean = 0.0;
  for (var k = 0u; k < params.K; k++) {
    mean += weights[t * params.K + k] * dweights[t * params.K + k];
  }
  var own = 0.0;
  var pull = 0.0;
  for (var k = 0u; k < params.K; k++) {
    let other = chosen[t * params.K + k];
    if (other != NONE && route_segments[list + other] == segment) {
      let dscore = weights[t * params.K + k] * (dweights[t * params.K + k] - mean);
      pull += dscore;
      if (other == entry) {
        own = dscore;
      }
    }
  }
  let row = t * params.max_experts;
  let probability = exp(logits[index] - segment_log_sum_exp(row, list, entries, segment));
  dlogits[index] = own - probability * pull;
}
