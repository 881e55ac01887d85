// One workgroup a token.
#import reduce
struct Params {
  T: u32,
  V: u32,
}

@group(0) @binding(0) var<storage, read_write> logits: array<f32>;
@group(0) @binding(1) var<storage, read> targets: array<u32>;
@group(0) @binding(2) var<storage, read> token_weights: array<f32>;
@group(0) @binding(3) var<storage, read_write> loss: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

const NONE = 0xffffffffu;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let t = group.y * groups.x + group.x;
  if (t >= params.T) {
    return;
  }
  let start = t * params.V;
  let expected = targets[t];
  let token_weight = token_weights[t];
  if (expected == NONE || token_weight == 0.0) {
    for (var i = lane; i < params.V; i += LANES) {
      logits[start + i] = 0.0;
    }
    if (lane == 0u) {
      loss[t] = 0.0;
    }
    return;
  }

  let target_logit = logits[start + expected];
  var largest = logits[start];
  for (var i = lane; i < params.V; i += LANES) {
    largest = max(largest, logits[start + i]);
  }
  largest = max_of_lanes(lane, largest);
  var sum = 0.0;
  for (var i = lane; i < params.V; i += LANES) {
    sum += exp(logits[start + i] - largest);
  }
  sum = sum_of_lanes(lane, sum);
  if (lane == 0u) {
    loss[t] = token_weight * (log(sum) + largest - target_logit);
  }
  // Every lane has read the target's logit before one of them overwrites it.
  storageBarrier();
  for (var i = lane; i < params.V; i += LANES) {
    let probability = exp(logits[start + i] - largest) / sum;
    logits[start + i] = token_weight * (probability - select(0.0, 1.0, i == expected));
  }
}
