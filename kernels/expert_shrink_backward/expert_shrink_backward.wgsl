// One invocation an element of dx.
struct Params {
  T: u32,
  K: u32,
  R: u32,
  N: u32,
}

@group(0) @binding(0) var<storage, read> dh: array<f32>;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> slots: array<u32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

const NONE = 0xffffffffu;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = (group.y * groups.x + group.x) * 64u + lane;
  if (index >= params.T * params.N) {
    return;
  }
  let t = index / params.N;
  let column = index % params.N;
  var sum = 0.0;
  for (var place = t * params.K; place < (t + 1u) * params.K; place++) {
    let slot = slots[place];
    if (slot == NONE) {
      continue;
    }
    for (var r = 0u; r < params.R; r++) {
      sum += a[(slot * params.R + r) * params.N + column] * dh[place * params.R + r];
    }
  }
  dx[index] += sum;
}
