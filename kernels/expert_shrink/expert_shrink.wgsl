// One invocation an element of h.
struct Params {
  T: u32,
  K: u32,
  R: u32,
  N: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> slots: array<u32>;
@group(0) @binding(3) var<storage, read_write> h: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

const NONE = 0xffffffffu;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = (group.y * groups.x + group.x) * 64u + lane;
  if (index >= params.T * params.K * params.R) {
    return;
  }
  let place = index / params.R;
  let slot = slots[place];
  if (slot == NONE) {
    h[index] = 0.0;
    return;
  }
  let row = (slot * params.R + index % params.R) * params.N;
  let input = place / params.K * params.N;
  var sum = 0.0;
  for (var i = 0u; i < params.N; i++) {
    sum += a[row + i] * x[input + i];
  }
  h[index] = sum;
}
