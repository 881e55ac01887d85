// One workgroup an anchor.
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

const LANES = 64u;
var<workgroup> sums: array<f32, LANES>;

// The sum over all lanes, in an order that depends on nothing but the lane. All lanes must call it.
fn sum_over_lanes(lane: u32, value: f32) -> f32 {
  sums[lane] = value;
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) {
      sums[lane] += sums[lane + half];
    }
  }
  workgroupBarrier();
  let total = sums[0];
  workgroupBarrier();
  return total;
}

// The largest value of all lanes, likewise.
fn max_over_lanes(lane: u32, value: f32) -> f32 {
  sums[lane] = value;
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) {
      sums[lane] = max(sums[lane], sums[lane + half]);
    }
  }
  workgroupBarrier();
  let largest = sums[0];
  workgroupBarrier();
  return largest;
}

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
  keys = sum_over_lanes(lane, keys);
  positives = sum_over_lanes(lane, positives);
  largest = max_over_lanes(lane, largest);
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
  total = sum_over_lanes(lane, total);
  pull = sum_over_lanes(lane, pull);
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
