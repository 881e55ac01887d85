// One workgroup a row.
#import reduce
struct Params {
  rows: u32,
  C: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> inverse_rms: array<f32>;
@group(0) @binding(3) var<storage, read> dy: array<f32>;
@group(0) @binding(4) var<storage, read_write> dx: array<f32>;
@group(0) @binding(5) var<uniform> params: Params;

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
  let inverse = inverse_rms[row];
  var dot = 0.0;
  for (var i = lane; i < params.C; i += LANES) {
    dot += x[start + i] * weight[i] * dy[start + i];
  }
  let pull = sum_of_lanes(lane, dot) / f32(params.C) * inverse * inverse * inverse;
  for (var i = lane; i < params.C; i += LANES) {
    dx[start + i] += inverse * weight[i] * dy[start + i] - x[start + i] * pull;
  }
}
