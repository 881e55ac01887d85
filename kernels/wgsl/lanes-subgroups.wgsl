// `lanes.wgsl` for a GPU with subgroups, whose lanes add without shared memory. No subgroup has fewer than four lanes.
const LANES = 64u;
const MOST_SUBGROUPS = 16u;

var<workgroup> subgroup_sums: array<f32, COUNT * MOST_SUBGROUPS>;
var<workgroup> totals: array<f32, COUNT>;

// totals[i] becomes the sum of values[i] over all lanes, for all of them to read. All lanes must call it.
fn sum_over_lanes(lane: u32, values: ptr<function, array<f32, COUNT>>) {
  workgroupBarrier();
  let size = subgroupAdd(1u);
  for (var i = 0u; i < COUNT; i++) {
    let sum = subgroupAdd((*values)[i]);
    if (lane % size == 0u) {
      subgroup_sums[i * MOST_SUBGROUPS + lane / size] = sum;
    }
  }
  workgroupBarrier();
  for (var i = lane; i < COUNT; i += LANES) {
    var sum = 0.0;
    for (var subgroup = 0u; subgroup < LANES / size; subgroup++) {
      sum += subgroup_sums[i * MOST_SUBGROUPS + subgroup];
    }
    totals[i] = sum;
  }
  workgroupBarrier();
}
