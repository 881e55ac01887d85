// One invocation four channels of a head of a token.
#import softmax
// Chunks that are loaded before any is added, so that a lane waits once for them.
const AT_ONCE = 8u;

override H: u32;
override D: u32;

struct Params {
  S: u32,
  positions_at: u32,
  splits_at: u32,
}

@group(0) @binding(0) var<storage, read> partials: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> o: array<vec4f>;
@group(0) @binding(2) var<storage, read> packed: array<u32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let width = D / 4u;
  let index = (group.y * groups.x + group.x) * 64u + lane;
  let channel = index % width;
  let head = index / width % H;
  let split = index / width / H;
  if (split >= params.S) {
    return;
  }
  let token = packed[params.splits_at + split * 2u];
  let entry = packed[params.splits_at + split * 2u + 1u];
  let chunks = packed[params.positions_at + token] / CHUNK + 1u;
  let row = entry * H + head;
  // As `attention` adds up the chunks that it walks.
  var largest = partials[row * (width + 1u)].x;
  var total = partials[row * (width + 1u)].y;
  var value = partials[row * (width + 1u) + 1u + channel];
  for (var begin = 1u; begin < chunks; begin += AT_ONCE) {
    var sums: array<vec4f, AT_ONCE>;
    var values: array<vec4f, AT_ONCE>;
    for (var i = 0u; i < AT_ONCE; i++) {
      let at = (row + min(begin + i, chunks - 1u) * H) * (width + 1u);
      sums[i] = partials[at];
      values[i] = partials[at + 1u + channel];
    }
    for (var i = 0u; i < AT_ONCE; i++) {
      if (begin + i >= chunks) {
        break;
      }
      let before = largest;
      largest = max(before, sums[i].x);
      let kept = faded(before, largest);
      let added = faded(sums[i].x, largest);
      total = folded(total, kept, sums[i].y, added);
      value = folded_values(value, kept, values[i], added);
    }
  }
  o[(token * H + head) * width + channel] = value * (1.0 / total);
}
