// One workgroup a head of a token: the H heads of queries, then the KV of keys, each with its value. A lane turns four
// channels at a time, since pages are written in fours.
#import lanes
const COUNT = 1u;

override H: u32;
override KV: u32;
override D: u32;
override page_size: u32;

// Fours of channels, and half of a head's channels: a channel is turned with the one in the other half.
override width = D / 4u;
override half = D / 2u;

struct Params {
  T: u32,
  max_pages: u32,
  epsilon: f32,
  page_table_at: u32,
  sequences_at: u32,
  positions_at: u32,
}

@group(0) @binding(0) var<storage, read> qkv: array<f32>;
@group(0) @binding(1) var<storage, read> norms: array<f32>;
@group(0) @binding(2) var<storage, read> table: array<f32>;
@group(0) @binding(3) var<storage, read_write> q: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> k_pages: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> v_pages: array<vec4f>;
@group(0) @binding(6) var<storage, read> packed: array<u32>;
@group(0) @binding(7) var<uniform> params: Params;

// Where head `head` of the keys and values of token t lies in the cache, in fours.
fn cached(t: u32, position: u32, head: u32) -> u32 {
  let row = packed[params.sequences_at + t] * params.max_pages;
  let page = packed[params.page_table_at + row + position / page_size];
  return ((page * page_size + position % page_size) * KV + head) * width;
}

// Channel i of the head at `start`, normed and turned.
fn turned(start: u32, norm: u32, inverse: f32, position: u32, i: u32) -> f32 {
  let is_low = i < half;
  let partner = select(i - half, i + half, is_low);
  let angle = (position * half + min(i, partner)) * 2u;
  let own = qkv[start + i] * inverse * norms[norm + i];
  let other = qkv[start + partner] * inverse * norms[norm + partner];
  return fma(own, table[angle], select(other, -other, is_low) * table[angle + 1u]);
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = group.y * groups.x + group.x;
  let t = index / (H + KV);
  let head = index % (H + KV);
  if (t >= params.T) {
    return;
  }
  let start = (t * (H + 2u * KV) + head) * D;
  var squares: array<f32, COUNT>;
  for (var i = lane; i < D; i += LANES) {
    squares[0] = fma(qkv[start + i], qkv[start + i], squares[0]);
  }
  sum_over_lanes(lane, &squares);
  let inverse = 1.0 / sqrt(totals[0] / f32(D) + params.epsilon);

  let position = packed[params.positions_at + t];
  let is_key = head >= H;
  let norm = select(0u, D, is_key);
  let value = start + KV * D;
  for (var four = lane; four < width; four += LANES) {
    let i = four * 4u;
    let result = vec4f(
      turned(start, norm, inverse, position, i),
      turned(start, norm, inverse, position, i + 1u),
      turned(start, norm, inverse, position, i + 2u),
      turned(start, norm, inverse, position, i + 3u),
    );
    if (is_key) {
      let to = cached(t, position, head - H) + four;
      k_pages_put(to, result);
      v_pages_put(to, vec4f(qkv[value + i], qkv[value + i + 1u], qkv[value + i + 2u], qkv[value + i + 3u]));
    } else {
      q[(t * H + head) * width + four] = result;
    }
  }
}
