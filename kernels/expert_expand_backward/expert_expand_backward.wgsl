// One workgroup a place (token, chosen expert); a lane sums one or more ranks.
#import reduce
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
@group(0) @binding(5) var<storage, read> dy: array<f32>;
@group(0) @binding(6) var<storage, read_write> dh: array<f32>;
@group(0) @binding(7) var<storage, read_write> dweights: array<f32>;
@group(0) @binding(8) var<uniform> params: Params;

const NONE = 0xffffffffu;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let place = group.y * groups.x + group.x;
  if (place >= params.T * params.K) {
    return;
  }
  let slot = slots[place];
  let dy_start = place / params.K * params.M;
  var dweight = 0.0;
  for (var r = lane; r < params.R; r += LANES) {
    var u = 0.0;
    if (slot != NONE) {
      for (var m = 0u; m < params.M; m++) {
        u += b[(slot * params.M + m) * params.R + r] * dy[dy_start + m];
      }
      u *= scales[slot];
    }
    dh[place * params.R + r] = weights[place] * u;
    dweight += h[place * params.R + r] * u;
  }
  dweight = sum_of_lanes(lane, dweight);
  if (lane == 0u) {
    dweights[place] += dweight;
  }
}
