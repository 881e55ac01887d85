// One workgroup a head of a token: the H heads of queries, then the KV of keys, each with its value.
#import lanes
const COUNT = 1u;

struct Params {
  T: u32,
  H: u32,
  KV: u32,
  D: u32,
  page_size: u32,
  max_pages: u32,
  epsilon: f32,
  page_table_at: u32,
  sequences_at: u32,
  positions_at: u32,
}

@group(0) @binding(0) var<storage, read> qkv: array<f32>;
@group(0) @binding(1) var<storage, read> norms: array<f32>;
@group(0) @binding(2) var<storage, read> table: array<f32>;
@group(0) @binding(3) var<storage, read_write> q: array<f32>;
@group(0) @binding(4) var<storage, read_write> k_pages: array<f32>;
@group(0) @binding(5) var<storage, read_write> v_pages: array<f32>;
@group(0) @binding(6) var<storage, read> packed: array<u32>;
@group(0) @binding(7) var<uniform> params: Params;

// Where head `head` of the keys and values of token t lies in the cache.
fn cached(t: u32, position: u32, head: u32) -> u32 {
  let row = packed[params.sequences_at + t] * params.max_pages;
  let page = packed[params.page_table_at + row + position / params.page_size];
  return ((page * params.page_size + position % params.page_size) * params.KV + head) * params.D;
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = group.y * groups.x + group.x;
  let t = index / (params.H + params.KV);
  let head = index % (params.H + params.KV);
  if (t >= params.T) {
    return;
  }
  let start = (t * (params.H + 2u * params.KV) + head) * params.D;
  var squares: array<f32, COUNT>;
  for (var i = lane; i < params.D; i += LANES) {
    squares[0] = fma(qkv[start + i], qkv[start + i], squares[0]);
  }
  sum_over_lanes(lane, &squares);
  let inverse = 1.0 / sqrt(totals[0] / f32(params.D) + params.epsilon);

  let position = packed[params.positions_at + t];
  let half = params.D / 2u;
  let is_key = head >= params.H;
  let norm = select(0u, params.D, is_key);
  for (var i = lane; i < half; i += LANES) {
    let cosine = table[(position * half + i) * 2u];
    let sine = table[(position * half + i) * 2u + 1u];
    let low = qkv[start + i] * inverse * norms[norm + i];
    let high = qkv[start + half + i] * inverse * norms[norm + half + i];
    let turned_low = low * cosine - high * sine;
    let turned_high = high * cosine + low * sine;
    if (is_key) {
      let to = cached(t, position, head - params.H) + i;
      k_pages[to] = turned_low;
      k_pages[to + half] = turned_high;
    } else {
      let to = (t * params.H + head) * params.D + i;
      q[to] = turned_low;
      q[to + half] = turned_high;
    }
  }
  if (is_key) {
    let value = start + params.KV * params.D;
    let to = cached(t, position, head - params.H);
    for (var i = lane; i < params.D; i += LANES) {
      v_pages[to + i] = qkv[value + i];
    }
  }
}
