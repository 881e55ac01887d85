// One invocation a channel, over tokens in order: a token may occur twice.
struct Params {
  T: u32,
  C: u32,
  V: u32,
}

@group(0) @binding(0) var<storage, read> ids: array<u32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> dtable: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

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
  for (var t = 0u; t < params.T; t++) {
    dtable[ids[t] * params.C + index] += dy[t * params.C + index];
  }
}
