// One workgroup a token: its lanes share the dot products, then one lane chooses.
#import routes
#import segments
struct Params {
  T: u32,
  C: u32,
  K: u32,
  max_experts: u32,
  route_of_token_at: u32,
  route_slots_at: u32,
  route_segments_at: u32,
  route_priors_at: u32,
  route_top_k_at: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> router: array<f32>;
@group(0) @binding(2) var<storage, read_write> logits: array<f32>;
@group(0) @binding(3) var<storage, read_write> chosen: array<u32>;
@group(0) @binding(4) var<storage, read_write> slots: array<u32>;
@group(0) @binding(5) var<storage, read_write> weights: array<f32>;
@group(0) @binding(6) var<storage, read> packed: array<u32>;
@group(0) @binding(7) var<uniform> params: Params;

fn route_slot(i: u32) -> u32 {
  return packed[params.route_slots_at + i];
}

fn route_segment(i: u32) -> u32 {
  return packed[params.route_segments_at + i];
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
  let t = group.y * groups.x + group.x;
  if (t >= params.T) {
    return;
  }
  let route = packed[params.route_of_token_at + t];
  let list = route * params.max_experts;
  let row = t * params.max_experts;
  let entries = route_entries(route);
  for (var e = lane; e < params.max_experts; e += 64u) {
    var logit = 0.0;
    if (e < entries) {
      let slot = route_slot(list + e);
      for (var i = 0u; i < params.C; i++) {
        logit += router[slot * params.C + i] * x[t * params.C + i];
      }
    }
    logits[row + e] = logit;
  }
  storageBarrier();
  if (lane == 0u) {
    choose(t, route, entries);
  }
}

// Takes the best entry that is not yet taken, K times, and turns the scores left in `weights` into their softmax.
fn choose(t: u32, route: u32, entries: u32) {
  let list = route * params.max_experts;
  let row = t * params.max_experts;
  let count = min(min(packed[params.route_top_k_at + route], params.K), entries);
  for (var k = 0u; k < params.K; k++) {
    var best = NONE;
    var best_score = 0.0;
    for (var e = 0u; e < entries && k < count; e++) {
      let segment = route_segment(list + e);
      let score = logits[row + e] - segment_log_sum_exp(row, list, entries, segment)
        + bitcast<f32>(packed[params.route_priors_at + list + e]);
      if (!is_chosen(t, k, e) && (best == NONE || score > best_score)) {
        best = e;
        best_score = score;
      }
    }
    chosen[t * params.K + k] = best;
    slots[t * params.K + k] = NONE;
    if (best != NONE) {
      slots[t * params.K + k] = route_slot(list + best);
    }
    weights[t * params.K + k] = best_score;
  }

  // The first score is the largest.
  let largest = weights[t * params.K];
  var sum = 0.0;
  for (var k = 0u; k < count; k++) {
    sum += exp(weights[t * params.K + k] - largest);
  }
  for (var k = 0u; k < count; k++) {
    weights[t * params.K + k] = exp(weights[t * params.K + k] - largest) / sum;
  }
}

fn is_chosen(t: u32, count: u32, entry: u32) -> bool {
  for (var k = 0u; k < count; k++) {
    if (chosen[t * params.K + k] == entry) {
      return true;
    }
  }
  return false;
}
