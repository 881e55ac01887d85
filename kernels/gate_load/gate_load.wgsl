// One workgroup an expert slot: its lanes share the tokens.
#import reduce
#import routes
#import segments
struct Params {
  T: u32,
  K: u32,
  S: u32,
  max_experts: u32,
}

@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read> route_of_token: array<u32>;
@group(0) @binding(2) var<storage, read> route_slots: array<u32>;
@group(0) @binding(3) var<storage, read> route_segments: array<u32>;
@group(0) @binding(4) var<storage, read> slots: array<u32>;
@group(0) @binding(5) var<storage, read> token_weights: array<f32>;
@group(0) @binding(6) var<storage, read_write> stats: array<f32>;
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
  let slot = group.y * groups.x + group.x;
  if (slot >= params.S) {
    return;
  }
  var count = 0.0;
  var probabilities = 0.0;
  var seen = 0.0;
  var squares = 0.0;
  var entropy = 0.0;
  for (var t = lane; t < params.T; t += LANES) {
    if (token_weights[t] == 0.0) {
      continue;
    }
    for (var k = 0u; k < params.K; k++) {
      count += select(0.0, 1.0, slots[t * params.K + k] == slot);
    }
    let route = route_of_token[t];
    let list = route * params.max_experts;
    let row = t * params.max_experts;
    let entries = route_entries(route);
    for (var e = 0u; e < entries; e++) {
      if (route_slots[list + e] == slot) {
        let lse = segment_log_sum_exp(row, list, entries, route_segments[list + e]);
        let p = exp(logits[row + e] - lse);
        probabilities += p;
        seen += 1.0;
        squares += lse * lse;
        entropy += p * (lse - logits[row + e]);
      }
    }
  }
  count = sum_of_lanes(lane, count);
  probabilities = sum_of_lanes(lane, probabilities);
  seen = sum_of_lanes(lane, seen);
  squares = sum_of_lanes(lane, squares);
  entropy = sum_of_lanes(lane, entropy);
  if (lane == 0u) {
    stats[slot * 5u] = count;
    stats[slot * 5u + 1u] = probabilities;
    stats[slot * 5u + 2u] = seen;
    stats[slot * 5u + 3u] = squares;
    stats[slot * 5u + 4u] = entropy;
  }
}
