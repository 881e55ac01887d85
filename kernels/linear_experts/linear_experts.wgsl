// One workgroup TOKENS rows of x by ROWS rows of w; then a lane for each of their results adds its experts.
#import lanes
#import products
#import experts
const COUNT = TOKENS * ROWS;

override N: u32;
override M: u32;
override R: u32;

struct Params {
  T: u32,
  K: u32,
}

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> w: array<vec4f>;
@group(0) @binding(2) var<storage, read> h: array<f32>;
@group(0) @binding(3) var<storage, read> b: array<vec4f>;
@group(0) @binding(4) var<storage, read> slots: array<u32>;
@group(0) @binding(5) var<storage, read> weights: array<f32>;
@group(0) @binding(6) var<storage, read> scales: array<f32>;
@group(0) @binding(7) var<storage, read_write> y: array<f32>;
@group(0) @binding(8) var<uniform> params: Params;

const NONE = 0xffffffffu;

// y[t, m] and what the experts of t add to it. Without any, nothing is added, not even zero.
fn with_experts(t: u32, m: u32, base: f32) -> f32 {
  var sum = base;
  for (var place = t * params.K; place < (t + 1u) * params.K; place++) {
    let slot = slots[place];
    if (slot == NONE) {
      continue;
    }
    sum = fma(weights[place] * scales[slot], expand((slot * M + m) * R, place * R), sum);
  }
  return sum;
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let tile = group.y * groups.x + group.x;
  let across = (M + ROWS - 1u) / ROWS;
  let t0 = tile / across * TOKENS;
  let m0 = tile % across * ROWS;
  if (t0 >= params.T) {
    return;
  }
  let width = N / 4u / W_VECS;
  var sums: array<f32, COUNT>;
  for (var k = lane; k < width; k += LANES) {
    var rows: array<w_block, ROWS>;
    for (var m = 0u; m < ROWS; m++) {
      rows[m] = w_block_at(min(m0 + m, M - 1u) * width + k);
    }
    add_rows(t0, k, &rows, &sums);
  }
  sum_over_lanes(lane, &sums);
  for (var i = lane; i < COUNT; i += LANES) {
    let t = t0 + i % TOKENS;
    let m = m0 + i / TOKENS;
    if (t < params.T && m < M) {
      y[t * M + m] = with_experts(t, m, y[t * M + m] + totals[i]);
    }
  }
}
