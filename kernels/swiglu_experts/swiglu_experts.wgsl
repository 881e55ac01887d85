// One workgroup TOKENS rows of x by ROWS rows of w, half of them of gate and half of up; then a lane for each result adds
// the experts to both and joins them.
#import lanes
#import products
#import experts
const COUNT = TOKENS * ROWS;
const COLUMNS = ROWS / 2u;

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

// Result m of one half, and what the experts of t add to it. Without any, nothing is added, not even zero.
fn with_experts(t: u32, half: u32, m: u32, base: f32) -> f32 {
  var sum = base;
  for (var place = t * params.K; place < (t + 1u) * params.K; place++) {
    let slot = slots[place];
    if (slot == NONE) {
      continue;
    }
    let row = (slot * 2u + half) * M + m;
    sum = fma(weights[place] * scales[slot], expand(row * R, (place * 2u + half) * R), sum);
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
  let across = (M + COLUMNS - 1u) / COLUMNS;
  let t0 = tile / across * TOKENS;
  let m0 = tile % across * COLUMNS;
  if (t0 >= params.T) {
    return;
  }
  let width = N / 4u / W_VECS;
  var sums: array<f32, COUNT>;
  for (var k = lane; k < width; k += LANES) {
    var rows: array<w_block, ROWS>;
    for (var m = 0u; m < ROWS; m++) {
      let column = min(m0 + m % COLUMNS, M - 1u);
      rows[m] = w_block_at((m / COLUMNS * M + column) * width + k);
    }
    add_rows(t0, k, &rows, &sums);
  }
  sum_over_lanes(lane, &sums);
  for (var i = lane; i < TOKENS * COLUMNS; i += LANES) {
    let t = t0 + i % TOKENS;
    let m = m0 + i / TOKENS;
    if (t < params.T && m < M) {
      let gate = with_experts(t, 0u, m, totals[i]);
      let up = with_experts(t, 1u, m, totals[TOKENS * COLUMNS + i]);
      y[t * M + m] = gate / (1.0 + exp(-gate)) * up;
    }
  }
}
