// One invocation an element of da, summed over tokens in order.
struct Params {
  T: u32,
  K: u32,
  R: u32,
  N: u32,
  S: u32,
}

@group(0) @binding(0) var<storage, read> dh: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> slots: array<u32>;
@group(0) @binding(3) var<storage, read_write> da: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = (group.y * groups.x + group.x) * 64u + lane;
  if (index >= params.S * params.R * params.N) {
    return;
  }
  let column = index % params.N;
  let r = index / params.N % params.R;
  let slot = index / (params.N * params.R);
  var sum = 0.0;
  for (var place = 0u; place < params.T * params.K; place++) {
    if (slots[place] == slot) {
      sum += dh[place * params.R + r] * x[place / params.K * params.N + column];
    }
  }
  da[index] += sum;
}
