// One invocation an element of a key and of a value.
struct Params {
  T: u32,
  width: u32,
  page_size: u32,
  max_pages: u32,
}

@group(0) @binding(0) var<storage, read> k: array<f32>;
@group(0) @binding(1) var<storage, read> v: array<f32>;
@group(0) @binding(2) var<storage, read> page_table: array<u32>;
@group(0) @binding(3) var<storage, read> sequences: array<u32>;
@group(0) @binding(4) var<storage, read> positions: array<u32>;
@group(0) @binding(5) var<storage, read_write> k_pages: array<f32>;
@group(0) @binding(6) var<storage, read_write> v_pages: array<f32>;
@group(0) @binding(7) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = (group.y * groups.x + group.x) * 64u + lane;
  if (index >= params.T * params.width) {
    return;
  }
  let t = index / params.width;
  let position = positions[t];
  let page = page_table[sequences[t] * params.max_pages + position / params.page_size];
  let at = (page * params.page_size + position % params.page_size) * params.width + index % params.width;
  k_pages[at] = k[index];
  v_pages[at] = v[index];
}
