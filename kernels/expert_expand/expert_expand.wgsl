// One invocation an element of y.
struct Params {
  T: u32,
  K: u32,
  R: u32,
  M: u32,
}

@group(0) @binding(0) var<storage, read> h: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read> slots: array<u32>;
@group(0) @binding(3) var<storage, read> weights: array<f32>;
@group(0) @binding(4) var<storage, read> scales: array<f32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;
@group(0) @binding(6) var<uniform> params: Params;

const NONE = 0xffffffffu;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = (group.y * groups.x + group.x) * 64u + lane;
  if (index >= params.T * params.M) {
    return;
  }
  let t = index / params.M;
  let row = index % params.M;
  var sum = 0.0;
  for (var place = t * params.K; place < (t + 1u) * params.K; place++) {
    let slot = slots[place];
    if (slot == NONE) {
      continue;
    }
    var dot = 0.0;
    for (var r = 0u; r < params.R; r++) {
      dot += b[(slot * params.M + row) * params.R + r] * h[place * params.R + r];
    }
    sum += weights[place] * scales[slot] * dot;
  }
  y[index] += sum;
}
