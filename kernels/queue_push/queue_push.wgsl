// One workgroup a ring: every lane walks through all entries and copies its channels of those that the ring owns.
struct Params {
  M: u32,
  D: u32,
  S: u32,
  K: u32,
}

@group(0) @binding(0) var<storage, read> z: array<f32>;
@group(0) @binding(1) var<storage, read> owner: array<u32>;
@group(0) @binding(2) var<storage, read_write> queue: array<f32>;
@group(0) @binding(3) var<storage, read_write> key_owner: array<u32>;
@group(0) @binding(4) var<storage, read_write> heads: array<u32>;
@group(0) @binding(5) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let slot = group.y * groups.x + group.x;
  if (slot >= params.S) {
    return;
  }
  var head = heads[slot];
  for (var m = 0u; m < params.M; m++) {
    if (owner[m] != slot) {
      continue;
    }
    let place = slot * params.K + head;
    for (var d = lane; d < params.D; d += 64u) {
      queue[place * params.D + d] = z[m * params.D + d];
    }
    if (lane == 0u) {
      key_owner[place] = slot;
    }
    head = (head + 1u) % params.K;
  }
  // Every lane has read the head before one of them moves it.
  storageBarrier();
  if (lane == 0u) {
    heads[slot] = head;
  }
}
