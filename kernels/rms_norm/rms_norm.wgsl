// One workgroup a row.
#import reduce
struct Params {
  rows: u32,
  C: u32,
  epsilon: f32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> inverse_rms: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = group.y * groups.x + group.x;
  if (row >= params.rows) {
    return;
  }
  let start = row * params.C;
  var squares = 0.0;
  for (var i = lane; i < params.C; i += LANES) {
    squares += x[start + i] * x[start + i];
  }
  let inverse = 1.0 / sqrt(sum_of_lanes(lane, squares) / f32(params.C) + params.epsilon);
  if (lane == 0u) {
    inverse_rms[row] = inverse;
  }
  for (var i = lane; i < params.C; i += LANES) {
    y[start + i] = x[start + i] * inverse * weight[i];
  }
}
