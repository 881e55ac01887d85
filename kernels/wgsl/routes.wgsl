// What gates share. The importing kernel declares route_slot(i), element i of its route lists.
const NONE = 0xffffffffu;

// Number of experts in a route's list, which ends at the first NONE.
fn route_entries(route: u32) -> u32 {
  var entries = 0u;
  while (entries < params.max_experts && route_slot(route * params.max_experts + entries) != NONE) {
    entries++;
  }
  return entries;
}
