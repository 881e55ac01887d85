// One invocation an element of c, summed over k in order.
struct Params {
  M: u32,
  N: u32,
  K: u32,
  a_transposed: u32,
  b_transposed: u32,
  accumulate: u32,
}

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = (group.y * groups.x + group.x) * 64u + lane;
  if (index >= params.M * params.N) {
    return;
  }
  let row = index / params.N;
  let column = index % params.N;
  let a_start = select(row * params.K, row, params.a_transposed == 1u);
  let a_step = select(1u, params.M, params.a_transposed == 1u);
  let b_start = select(column, column * params.K, params.b_transposed == 1u);
  let b_step = select(params.N, 1u, params.b_transposed == 1u);
  var sum = 0.0;
  for (var k = 0u; k < params.K; k++) {
    sum += a[a_start + k * a_step] * b[b_start + k * b_step];
  }
  if (params.accumulate == 1u) {
    sum += c[index];
  }
  c[index] = sum;
}
