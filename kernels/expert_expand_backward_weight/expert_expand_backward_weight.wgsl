// One invocation an element of db, summed over tokens in order.
struct Params {
  T: u32,
  K: u32,
  R: u32,
  M: u32,
  S: u32,
}

@group(0) @binding(0) var<storage, read> h: array<f32>;
@group(0) @binding(1) var<storage, read> slots: array<u32>;
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read> scales: array<f32>;
@group(0) @binding(4) var<storage, read> dy: array<f32>;
@group(0) @binding(5) var<storage, read_write> db: array<f32>;
@group(0) @binding(6) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = (group.y * groups.x + group.x) * 64u + lane;
  if (index >= params.S * params.M * params.R) {
    return;
  }
  let r = index % params.R;
  let m = index / params.R % params.M;
  let slot = index / (params.R * params.M);
  var sum = 0.0;
  for (var place = 0u; place < params.T * params.K; place++) {
    if (slots[place] == slot) {
      sum += weights[place] * scales[slot] * dy[place / params.K * params.M + m] * h[place * params.R + r];
    }
  }
  db[index] += sum;
}
