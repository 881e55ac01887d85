// One invocation an element.
struct Params {
  M: u32,
}

@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read> index: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<u32>;
@group(0) @binding(3) var<uniform> params: Params;

const NONE = 0xffffffffu;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let m = (group.y * groups.x + group.x) * 64u + lane;
  if (m >= params.M) {
    return;
  }
  var value = NONE;
  if (index[m] != NONE) {
    value = x[index[m]];
  }
  y[m] = value;
}
