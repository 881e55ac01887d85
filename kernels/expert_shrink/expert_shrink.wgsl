// One workgroup COUNT elements of h of one place.
#import lanes
const COUNT = 4u;

struct Params {
  T: u32,
  K: u32,
  R: u32,
  N: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> a: array<storage_t>;
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
  let across = (params.R + COUNT - 1u) / COUNT;
  let place = index / across;
  let first = index % across * COUNT;
  if (place >= params.T * params.K) {
    return;
  }
  let slot = slots[place];
  if (slot == NONE) {
    if (lane < COUNT && first + lane < params.R) {
      h[place * params.R + first + lane] = 0.0;
    }
    return;
  }
  let input = place / params.K * params.N;
  var sums: array<f32, COUNT>;
  for (var i = lane; i < params.N; i += LANES) {
    let value = x[input + i];
    for (var r = 0u; r < COUNT; r++) {
      let row = slot * params.R + min(first + r, params.R - 1u);
      sums[r] = fma(f32(a[row * params.N + i]), value, sums[r]);
    }
  }
  sum_over_lanes(lane, &sums);
  if (lane < COUNT && first + lane < params.R) {
    h[place * params.R + first + lane] = totals[lane];
  }
}
