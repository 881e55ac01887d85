// One invocation a head of a token: the first B · T · H of them own a row of dq and sum over positions in order, the
// others own a row of dk and dv and sum over tokens, then heads, in order.
struct Params {
  B: u32,
  T: u32,
  H: u32,
  KV: u32,
  D: u32,
  starts_at: u32,
  o_at: u32,
  log_sum_exp_at: u32,
}

@group(0) @binding(0) var<storage, read> q: array<f32>;
@group(0) @binding(1) var<storage, read> k: array<f32>;
@group(0) @binding(2) var<storage, read> v: array<f32>;
@group(0) @binding(3) var<storage, read> d_o: array<f32>;
@group(0) @binding(4) var<storage, read_write> dq: array<f32>;
@group(0) @binding(5) var<storage, read_write> dk: array<f32>;
@group(0) @binding(6) var<storage, read_write> dv: array<f32>;
@group(0) @binding(7) var<storage, read> packed: array<u32>;
@group(0) @binding(8) var<uniform> params: Params;

struct Weight {
  // exp(score − log_sum_exp): how much the token attends to the position.
  probability: f32,
  // Gradient of the score, times 1 / sqrt(D).
  dscore: f32,
}

fn weight(row: u32, t: u32, h: u32, query: u32, key: u32) -> Weight {
  let scale = 1.0 / sqrt(f32(params.D));
  var score = 0.0;
  var dprobability = 0.0;
  for (var d = 0u; d < params.D; d++) {
    score += q[query + d] * k[key + d];
    // do · v − do · o, in one sum.
    dprobability += d_o[query + d] * (v[key + d] - bitcast<f32>(packed[params.o_at + query + d]));
  }
  let at = (row * params.H + h) * params.T + t;
  let probability = exp(score * scale - bitcast<f32>(packed[params.log_sum_exp_at + at]));
  return Weight(probability, probability * dprobability * scale);
}

fn query_gradient(index: u32) {
  let token = index / params.H;
  let h = index % params.H;
  let head = h * params.KV / params.H;
  let row = token / params.T;
  let t = token % params.T;
  let query = index * params.D;
  for (var d = 0u; d < params.D; d++) {
    dq[query + d] = 0.0;
  }
  for (var p = packed[params.starts_at + token]; p <= t; p++) {
    let key = ((row * params.T + p) * params.KV + head) * params.D;
    let w = weight(row, t, h, query, key);
    for (var d = 0u; d < params.D; d++) {
      dq[query + d] += w.dscore * k[key + d];
    }
  }
}

fn key_value_gradient(index: u32) {
  let token = index / params.KV;
  let head = index % params.KV;
  let row = token / params.T;
  let position = token % params.T;
  let key = index * params.D;
  for (var d = 0u; d < params.D; d++) {
    dk[key + d] = 0.0;
    dv[key + d] = 0.0;
  }
  for (var t = position; t < params.T; t++) {
    if (packed[params.starts_at + row * params.T + t] > position) {
      continue;
    }
    for (var h = 0u; h < params.H; h++) {
      if (h * params.KV / params.H != head) {
        continue;
      }
      let query = ((row * params.T + t) * params.H + h) * params.D;
      let w = weight(row, t, h, query, key);
      for (var d = 0u; d < params.D; d++) {
        dk[key + d] += w.dscore * q[query + d];
        dv[key + d] += w.probability * d_o[query + d];
      }
    }
  }
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = (group.y * groups.x + group.x) * 64u + lane;
  let queries = params.B * params.T * params.H;
  if (index < queries) {
    query_gradient(index);
  } else if (index - queries < params.B * params.T * params.KV) {
    key_value_gradient(index - queries);
  }
}
