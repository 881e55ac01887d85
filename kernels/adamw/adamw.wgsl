// One invocation an element; the few partial sums are added by every one of them.
// `partial` is a reserved word of WGSL: it is `norms` here.
struct Params {
  n: u32,
  parts: u32,
  learning_rate: f32,
  beta1: f32,
  beta2: f32,
  epsilon: f32,
  weight_decay: f32,
  correction1: f32,
  correction2: f32,
  max_norm: f32,
}

@group(0) @binding(0) var<storage, read_write> param: array<f32>;
@group(0) @binding(1) var<storage, read> grad: array<f32>;
@group(0) @binding(2) var<storage, read_write> m: array<f32>;
@group(0) @binding(3) var<storage, read_write> v: array<f32>;
@group(0) @binding(4) var<storage, read> norms: array<f32>;
@group(0) @binding(5) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = (group.y * groups.x + group.x) * 64u + lane;
  if (index >= params.n) {
    return;
  }
  var clip = 1.0;
  if (params.max_norm > 0.0) {
    var squares = 0.0;
    for (var part = 0u; part < params.parts; part++) {
      squares += norms[part];
    }
    clip = min(1.0, params.max_norm / (sqrt(squares) + 1e-6));
  }
  let g = grad[index] * clip;
  let first = params.beta1 * m[index] + (1.0 - params.beta1) * g;
  let second = params.beta2 * v[index] + (1.0 - params.beta2) * g * g;
  m[index] = first;
  v[index] = second;
  let step = first / params.correction1 / (sqrt(second / params.correction2) + params.epsilon);
  param[index] -= params.learning_rate * (step + params.weight_decay * param[index]);
}
