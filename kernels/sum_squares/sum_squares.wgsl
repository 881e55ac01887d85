// One workgroup a chunk.
// `partial` is a reserved word of WGSL: it is `norms` here.
struct Params {
  n: u32,
  parts: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> norms: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

const LANES = 64u;
var<workgroup> sums: array<f32, LANES>;

// The sum over all lanes, in an order that depends on nothing but the lane. All lanes must call it.
fn sum_over_lanes(lane: u32, value: f32) -> f32 {
  sums[lane] = value;
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) {
      sums[lane] += sums[lane + half];
    }
  }
  workgroupBarrier();
  let total = sums[0];
  workgroupBarrier();
  return total;
}

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
  squares = sum_over_lanes(lane, squares);
  if (lane == 0u) {
    norms[part] = squares;
  }
}
