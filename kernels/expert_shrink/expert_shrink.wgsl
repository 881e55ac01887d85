// One workgroup COUNT elements of h of one place.
#import lanes
#import products
const COUNT = 4u;

override R: u32;
override N: u32;

struct Params {
  T: u32,
  K: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> a: array<vec4f>;
@group(0) @binding(2) var<storage, read> slots: array<u32>;
@group(0) @binding(3) var<storage, read_write> h: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

const NONE = 0xffffffffu;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = group.y * groups.x + group.x;
  let across = (R + COUNT - 1u) / COUNT;
  let place = index / across;
  let first = index % across * COUNT;
  if (place >= params.T * params.K) {
    return;
  }
  let slot = slots[place];
  if (slot == NONE) {
    if (lane < COUNT && first + lane < R) {
      h[place * R + first + lane] = 0.0;
    }
    return;
  }
  let input = place / params.K * N;
  var sums: array<f32, COUNT>;
  if (N % 4u != 0u) {
    for (var i = lane; i < N; i += LANES) {
      let value = x[input + i];
      for (var r = 0u; r < COUNT; r++) {
        let row = slot * R + min(first + r, R - 1u);
        sums[r] = fma(a_one(row * N + i), value, sums[r]);
      }
    }
  } else {
    for (var i = lane; i < N / 4u; i += LANES) {
      let at = input + 4u * i;
      let value = vec4f(x[at], x[at + 1u], x[at + 2u], x[at + 3u]);
      for (var r = 0u; r < COUNT; r++) {
        let row = slot * R + min(first + r, R - 1u);
        sums[r] = add_product(a_at(row * (N / 4u) + i), value, sums[r]);
      }
    }
  }
  sum_over_lanes(lane, &sums);
  if (lane < COUNT && first + lane < R) {
    h[place * R + first + lane] = totals[lane];
  }
}
