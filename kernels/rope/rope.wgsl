// One invocation a pair of elements.
struct Params {
  T: u32,
  H: u32,
  D: u32,
  direction: f32,
}

@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@group(0) @binding(1) var<storage, read> positions: array<u32>;
@group(0) @binding(2) var<storage, read> table: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = (group.y * groups.x + group.x) * 64u + lane;
  if (index >= params.T * params.H * (params.D / 2u)) {
    return;
  }
  let half = params.D / 2u;
  let i = index % half;
  let head = index / half;
  let angle = (positions[head / params.H] * half + i) * 2u;
  let cosine = table[angle];
  let sine = table[angle + 1u] * params.direction;
  let low = head * params.D + i;
  let x1 = x[low];
  let x2 = x[low + half];
  x[low] = x1 * cosine - x2 * sine;
  x[low + half] = x2 * cosine + x1 * sine;
}
