// One workgroup an anchor.
#import reduce
struct Params {
  M: u32,
  J: u32,
  inverse_temperature: f32,
  scale: f32,
  exclude_self: u32,
}

@group(0) @binding(0) var<storage, read_write> scores: array<f32>;
@group(0) @binding(1) var<storage, read> anchor_owner: array<u32>;
@group(0) @binding(2) var<storage, read> key_owner: array<u32>;
@group(0) @binding(3) var<storage, read> weights: array<f32>;
@group(0) @binding(4) var<storage, read_write> loss: array<f32>;
@group(0) @binding(5) var<uniform> params: Params;

const NONE = 0xffffffffu;
const LOWEST = -3.4028234e38;

fn is_key(m: u32, j: u32) -> bool {
  return key_owner[j] != NONE && !(params.exclude_self != 0u && j == m);
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let m = group.y * groups.x + group.x;
  if (m >= params.M) {
    return;
  }
  let start = m * params.J;
  let owner = anchor_owner[m];
  // Counts stay exact in f32: there are fewer than 2^24 keys.
  var keys = 0.0;
  var positives = 0.0;
  var largest = LOWEST;
  for (var j = lane; j < params.J; j += LANES) {
    if (owner != NONE && is_key(m, j)) {
      keys += 1.0;
      positives += select(0.0, 1.0, key_owner[j] == owner);
      largest = max(largest, scores[start + j]);
    }
  }
  keys = sum_of_lanes(lane, keys);
  positives = sum_of_lanes(lane, positives);
  largest = max_of_lanes(lane, largest);
  let counts = positives > 0.0 && positives < keys;

  var total = 0.0;
  var pull = 0.0;
  for (var j = lane; j < params.J; j += LANES) {
    if (counts && is_key(m, j)) {
      let s = (scores[start + j] - largest) * params.inverse_temperature;
      total += exp(s);
      pull += select(0.0, s, key_owner[j] == owner);
    }
  }
  total = sum_of_lanes(lane, total);
  pull = sum_of_lanes(lane, pull);
  if (lane == 0u) {
    loss[m] = 0.0;
    if (counts) {
      loss[m] = log(total) - pull / positives;
    }
  }
  let factor = params.scale * weights[m] * params.inverse_temperature;
  for (var j = lane; j < params.J; j += LANES) {
    var gradient = 0.0;
    if (counts && is_key(m, j)) {
      let probability = exp((scores[start + j] - largest) * params.inverse_temperature) / total;
      gradient = factor * (probability - select(0.0, 1.0 / positives, key_owner[j] == owner));
    }
    scores[start + j] = gradient;
  }
}
