// One workgroup a head of a token. It goes through the positions in tiles of 64: a lane for each score, then a lane for
// each channel of o, so that the sums depend on the position alone.
struct Params {
  B: u32,
  T: u32,
  H: u32,
  KV: u32,
  D: u32,
}

@group(0) @binding(0) var<storage, read> q: array<f32>;
@group(0) @binding(1) var<storage, read> k: array<f32>;
@group(0) @binding(2) var<storage, read> v: array<f32>;
@group(0) @binding(3) var<storage, read> starts: array<u32>;
@group(0) @binding(4) var<storage, read_write> o: array<f32>;
@group(0) @binding(5) var<storage, read_write> log_sum_exp: array<f32>;
@group(0) @binding(6) var<uniform> params: Params;

const LOWEST = -3.4028234e38;

const LANES = 64u;
var<workgroup> scores: array<f32, LANES>;
var<workgroup> largest: f32;
var<workgroup> total: f32;
var<workgroup> faded: f32;

// Takes the scores of a tile into the running softmax: afterwards they are exp(score − largest), and what was summed
// before counts `faded` times. All lanes must call it.
fn absorb_tile(lane: u32, count: u32) {
  workgroupBarrier();
  if (lane == 0u) {
    let before = largest;
    for (var i = 0u; i < count; i++) {
      largest = max(largest, scores[i]);
    }
    faded = exp(before - largest);
    total *= faded;
    for (var i = 0u; i < count; i++) {
      scores[i] = exp(scores[i] - largest);
      total += scores[i];
    }
  }
  workgroupBarrier();
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let query = group.y * groups.x + group.x;
  if (query >= params.B * params.T * params.H) {
    return;
  }
  let token = query / params.H;
  let h = query % params.H;
  let head = h * params.KV / params.H;
  let row = token / params.T;
  let t = token % params.T;
  let start = query * params.D;
  if (lane == 0u) {
    largest = LOWEST;
    total = 0.0;
  }
  for (var d = lane; d < params.D; d += LANES) {
    o[start + d] = 0.0;
  }
  for (var tile = starts[token]; tile <= t; tile += LANES) {
    let count = min(LANES, t + 1u - tile);
    if (lane < count) {
      let key = ((row * params.T + tile + lane) * params.KV + head) * params.D;
      var dot = 0.0;
      for (var d = 0u; d < params.D; d++) {
        dot += q[start + d] * k[key + d];
      }
      scores[lane] = dot / sqrt(f32(params.D));
    }
    absorb_tile(lane, count);
    for (var d = lane; d < params.D; d += LANES) {
      var sum = o[start + d] * faded;
      for (var i = 0u; i < count; i++) {
        sum += scores[i] * v[((row * params.T + tile + i) * params.KV + head) * params.D + d];
      }
      o[start + d] = sum;
    }
    workgroupBarrier();
  }
  for (var d = lane; d < params.D; d += LANES) {
    o[start + d] /= total;
  }
  if (lane == 0u) {
    log_sum_exp[(row * params.H + h) * params.T + t] = largest + log(total);
  }
}
