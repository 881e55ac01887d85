// Sums over the 64 lanes of a workgroup, by shared memory. The order is the same for every value and whatever COUNT is,
// which the importing kernel declares: how many sums it takes at once.
const LANES = 64u;
const VALUES_AT_ONCE = 16u;
const QUARTERS = 4u;

var<workgroup> lane_values: array<f32, LANES * VALUES_AT_ONCE>;
var<workgroup> quarter_sums: array<f32, LANES>;
var<workgroup> totals: array<f32, COUNT>;

// totals[i] becomes the sum of values[i] over all lanes, for all of them to read. All lanes must call it.
fn sum_over_lanes(lane: u32, values: ptr<function, array<f32, COUNT>>) {
  for (var begin = 0u; begin < COUNT; begin += VALUES_AT_ONCE) {
    workgroupBarrier();
    for (var i = 0u; i < VALUES_AT_ONCE && begin + i < COUNT; i++) {
      lane_values[i * LANES + lane] = (*values)[begin + i];
    }
    workgroupBarrier();
    let first = lane * (LANES / QUARTERS);
    var sum = 0.0;
    for (var i = 0u; i < LANES / QUARTERS; i++) {
      sum += lane_values[first + i];
    }
    quarter_sums[lane] = sum;
    workgroupBarrier();
    if (lane < VALUES_AT_ONCE && begin + lane < COUNT) {
      let at = lane * QUARTERS;
      totals[begin + lane] = (quarter_sums[at] + quarter_sums[at + 1u]) + (quarter_sums[at + 2u] + quarter_sums[at + 3u]);
    }
  }
  workgroupBarrier();
}
