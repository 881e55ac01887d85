// One invocation a channel, summed over rows in order.
struct Params {
  rows: u32,
  C: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> inverse_rms: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> dweight: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = (group.y * groups.x + group.x) * 64u + lane;
  if (index >= params.C) {
    return;
  }
  var sum = 0.0;
  for (var row = 0u; row < params.rows; row++) {
    let at = row * params.C + index;
    sum += dy[at] * x[at] * inverse_rms[row];
  }
  dweight[index] += sum;
}
