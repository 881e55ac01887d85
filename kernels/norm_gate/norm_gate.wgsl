// One workgroup a token: its lanes share the norm and the gate's products, COUNT experts at a time, then one lane chooses.
#import lanes
#import routes
#import segments
const COUNT = 8u;
const MAX_EXPERTS = 256u;

override C: u32;

struct Params {
  T: u32,
  K: u32,
  max_experts: u32,
  epsilon: f32,
  route_of_token_at: u32,
  route_slots_at: u32,
  route_segments_at: u32,
  route_priors_at: u32,
  route_top_k_at: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> norm: array<f32>;
@group(0) @binding(2) var<storage, read> router: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<storage, read_write> slots: array<u32>;
@group(0) @binding(5) var<storage, read_write> weights: array<f32>;
@group(0) @binding(6) var<storage, read> packed: array<u32>;
@group(0) @binding(7) var<uniform> params: Params;

const LOWEST = -3.4028234e38;

var<workgroup> logits: array<f32, MAX_EXPERTS>;
var<workgroup> scores: array<f32, MAX_EXPERTS>;

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
  let start = t * C;
  var sums: array<f32, COUNT>;
  for (var i = lane; i < C; i += LANES) {
    sums[0] = fma(x[start + i], x[start + i], sums[0]);
  }
  sum_over_lanes(lane, &sums);
  let inverse = 1.0 / sqrt(totals[0] / f32(C) + params.epsilon);
  for (var i = lane; i < C; i += LANES) {
    y[start + i] = x[start + i] * inverse * norm[i];
  }

  let route = packed[params.route_of_token_at + t];
  let list = route * params.max_experts;
  let entries = route_entries(route);
  for (var begin = 0u; begin < entries; begin += COUNT) {
    for (var e = 0u; e < COUNT; e++) {
      sums[e] = 0.0;
    }
    for (var i = lane; i < C; i += LANES) {
      let value = x[start + i] * inverse * norm[i];
      for (var e = 0u; e < COUNT; e++) {
        let slot = route_slot(list + min(begin + e, entries - 1u));
        sums[e] = fma(router[slot * C + i], value, sums[e]);
      }
    }
    sum_over_lanes(lane, &sums);
    if (lane < COUNT && begin + lane < entries) {
      logits[begin + lane] = totals[lane];
    }
  }
  workgroupBarrier();
  for (var e = lane; e < entries; e += LANES) {
    let segment = route_segment(list + e);
    let prior = bitcast<f32>(packed[params.route_priors_at + list + e]);
    scores[e] = logits[e] - segment_log_sum_exp(0u, list, entries, segment) + prior;
  }
  workgroupBarrier();
  if (lane == 0u) {
    choose(t, list, entries, min(min(packed[params.route_top_k_at + route], params.K), entries));
  }
}

// Takes the best entry that is left `count` times, the lower of equals, and turns their scores into a softmax.
fn choose(t: u32, list: u32, entries: u32, count: u32) {
  var largest = 0.0;
  var sum = 0.0;
  for (var k = 0u; k < params.K; k++) {
    let place = t * params.K + k;
    slots[place] = NONE;
    weights[place] = 0.0;
    if (k >= count) {
      continue;
    }
    var best = 0u;
    for (var e = 1u; e < entries; e++) {
      if (scores[e] > scores[best]) {
        best = e;
      }
    }
    largest = select(largest, scores[best], k == 0u);
    let weight = exp(scores[best] - largest);
    sum += weight;
    scores[best] = LOWEST;
    slots[place] = route_slot(list + best);
    weights[place] = weight;
  }
  for (var place = t * params.K; place < t * params.K + count; place++) {
    weights[place] /= sum;
  }
}
