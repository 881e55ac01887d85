// `reduce.wgsl` for a GPU with subgroups: shared memory carries one value a subgroup, of which there are 16 at most.
const LANES = 64u;

var<workgroup> subgroup_values: array<f32, 16>;

fn sum_of_lanes(lane: u32, value: f32) -> f32 {
  let size = subgroupAdd(1u);
  let own = subgroupAdd(value);
  if (lane % size == 0u) {
    subgroup_values[lane / size] = own;
  }
  workgroupBarrier();
  var sum = 0.0;
  for (var i = 0u; i < LANES / size; i++) {
    sum += subgroup_values[i];
  }
  workgroupBarrier();
  return sum;
}

fn max_of_lanes(lane: u32, value: f32) -> f32 {
  let size = subgroupAdd(1u);
  let own = subgroupMax(value);
  if (lane % size == 0u) {
    subgroup_values[lane / size] = own;
  }
  workgroupBarrier();
  var largest = subgroup_values[0];
  for (var i = 1u; i < LANES / size; i++) {
    largest = max(largest, subgroup_values[i]);
  }
  workgroupBarrier();
  return largest;
}
