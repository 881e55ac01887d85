// One sum or maximum over the 64 lanes of a workgroup, by shared memory, in an order that depends on nothing but the lane.
// All lanes must call these.
const LANES = 64u;

var<workgroup> lane_values: array<f32, LANES>;

fn sum_of_lanes(lane: u32, value: f32) -> f32 {
  lane_values[lane] = value;
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) {
      lane_values[lane] += lane_values[lane + half];
    }
  }
  return first_lane();
}

fn max_of_lanes(lane: u32, value: f32) -> f32 {
  lane_values[lane] = value;
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) {
      lane_values[lane] = max(lane_values[lane], lane_values[lane + half]);
    }
  }
  return first_lane();
}

// Read by all before the next call overwrites it.
fn first_lane() -> f32 {
  workgroupBarrier();
  let first = lane_values[0];
  workgroupBarrier();
  return first;
}
