// One workgroup a chunk.
// `partial` is a reserved word of WGSL: it is `norms` here.
#import reduce
struct Params {
  n: u32,
  parts: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> norms: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let part = group.y * groups.x + group.x;
  if (part >= params.parts) {
    return;
  }
  let chunk = (params.n + params.parts - 1u) / params.parts;
  let end = min((part + 1u) * chunk, params.n);
  var squares = 0.0;
  for (var i = part * chunk + lane; i < end; i += LANES) {
    squares += x[i] * x[i];
  }
  squares = sum_of_lanes(lane, squares);
  if (lane == 0u) {
    norms[part] = squares;
  }
}
