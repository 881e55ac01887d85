// One workgroup a head of a token. It goes through the positions in tiles of 64: a lane for each score, then a lane for
// each channel of o, so that the sums depend on the position alone.
struct Params {
  T: u32,
  H: u32,
  KV: u32,
  D: u32,
  page_size: u32,
  max_pages: u32,
  page_table_at: u32,
  sequences_at: u32,
  positions_at: u32,
}

@group(0) @binding(0) var<storage, read> q: array<f32>;
@group(0) @binding(1) var<storage, read> k_pages: array<f32>;
@group(0) @binding(2) var<storage, read> v_pages: array<f32>;
@group(0) @binding(3) var<storage, read_write> o: array<f32>;
@group(0) @binding(4) var<storage, read> packed: array<u32>;
@group(0) @binding(5) var<uniform> params: Params;

const LOWEST = -3.4028234e38;

const LANES = 64u;
var<workgroup> scores: array<f32, LANES>;
var<workgroup> shares: array<f32, LANES>;

fn cached(row: u32, position: u32, head: u32) -> u32 {
  let page = packed[params.page_table_at + row * params.max_pages + position / params.page_size];
  return ((page * params.page_size + position % params.page_size) * params.KV + head) * params.D;
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let query = group.y * groups.x + group.x;
  if (query >= params.T * params.H) {
    return;
  }
  let t = query / params.H;
  let head = query % params.H * params.KV / params.H;
  let row = packed[params.sequences_at + t];
  let length = packed[params.positions_at + t] + 1u;
  let start = query * params.D;
  for (var d = lane; d < params.D; d += LANES) {
    o[start + d] = 0.0;
  }
  // The running softmax: every lane keeps it, each from the same scores in the same order.
  var largest = LOWEST;
  var total = 0.0;
  for (var tile = 0u; tile < length; tile += LANES) {
    let count = min(LANES, length - tile);
    var score = LOWEST;
    if (lane < count) {
      let key = cached(row, tile + lane, head);
      var dot = 0.0;
      for (var d = 0u; d < params.D; d++) {
        dot = fma(q[start + d], f32(k_pages[key + d]), dot);
      }
      score = dot / sqrt(f32(params.D));
    }
    scores[lane] = score;
    workgroupBarrier();
    let before = largest;
    for (var i = 0u; i < count; i++) {
      largest = max(largest, scores[i]);
    }
    shares[lane] = exp(score - largest);
    workgroupBarrier();
    // What was summed before counts this much.
    let faded = exp(before - largest);
    total *= faded;
    for (var i = 0u; i < count; i++) {
      total += shares[i];
    }
    for (var d = lane; d < params.D; d += LANES) {
      var sum = o[start + d] * faded;
      for (var i = 0u; i < count; i++) {
        sum = fma(shares[i], f32(v_pages[cached(row, tile + i, head) + d]), sum);
      }
      o[start + d] = sum;
    }
  }
  for (var d = lane; d < params.D; d += LANES) {
    o[start + d] /= total;
  }
}
