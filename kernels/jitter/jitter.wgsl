// One invocation an element.
struct Params {
  n: u32,
  epsilon: f32,
  accumulate: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> seed: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

// The output function of splitmix32.
fn mix_bits(word: u32) -> u32 {
  var z = (word ^ (word >> 16u)) * 0x21f0aaadu;
  z = (z ^ (z >> 15u)) * 0x735a2d97u;
  return z ^ (z >> 15u);
}

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
  let bits = mix_bits(mix_bits(seed[0]) + index * 0x9e3779b9u);
  let u = f32(bits >> 8u) / 8388608.0 - 1.0;
  var value = x[index] * (1.0 + params.epsilon * u);
  if (params.accumulate != 0u) {
    value += y[index];
  }
  y[index] = value;
}
