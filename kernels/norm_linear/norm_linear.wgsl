// One workgroup TOKENS rows of x by ROWS rows of w. The norm's own sum goes along with the products, which take x · norm;
// what is left of it, one number a token, comes at the end.
#import lanes
#import products
const PRODUCTS = TOKENS * ROWS;
const COUNT = PRODUCTS + TOKENS;

override N: u32;
override M: u32;

struct Params {
  T: u32,
  epsilon: f32,
}

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> norm: array<vec4f>;
@group(0) @binding(2) var<storage, read> w: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

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
    for (var v = 0u; v < W_VECS; v++) {
      let column = k * W_VECS + v;
      let scale = norm[column];
      var inputs: array<vec4f, TOKENS>;
      for (var t = 0u; t < TOKENS; t++) {
        let value = x[min(t0 + t, params.T - 1u) * (N / 4u) + column];
        sums[PRODUCTS + t] = add_product(value, value, sums[PRODUCTS + t]);
        inputs[t] = value * scale;
      }
      for (var m = 0u; m < ROWS; m++) {
        let row = w_part(rows[m], v);
        for (var t = 0u; t < TOKENS; t++) {
          sums[m * TOKENS + t] = add_product(row, inputs[t], sums[m * TOKENS + t]);
        }
      }
    }
  }
  sum_over_lanes(lane, &sums);
  for (var i = lane; i < PRODUCTS; i += LANES) {
    let t = t0 + i % TOKENS;
    let m = m0 + i / TOKENS;
    if (t < params.T && m < M) {
      let mean = totals[PRODUCTS + i % TOKENS] / f32(N);
      y[t * M + m] = totals[i] / sqrt(mean + params.epsilon);
    }
  }
}
