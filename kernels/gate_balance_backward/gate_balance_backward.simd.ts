import { exp1, log1 } from '../simd/lanes.simd';

const NONE: u32 = 0xffffffff;

export function gate_balance_backward(
  logits: usize,
  route_of_token: usize,
  route_slots: usize,
  route_segments: usize,
  token_weights: usize,
  stats: usize,
  dlogits: usize,
  T: i32,
  max_experts: i32,
  balance: f32,
  z: f32,
  start: i32,
  end: i32,
): void {
  for (let t = start; t < end; t++) {
    if (load<f32>(token_weights + ((<usize>t) << 2)) == 0) continue;
    const list = (<usize>(<i32>load<u32>(route_of_token + ((<usize>t) << 2)) * max_experts)) << 2;
    const x = logits + ((<usize>(t * max_experts)) << 2);
    const d = dlogits + ((<usize>(t * max_experts)) << 2);
    for (let from: i32 = 0; from < max_experts;) {
      if (load<u32>(route_slots + list + ((<usize>from) << 2)) == NONE) break;
      const to = segmentEnd(route_slots + list, route_segments + list, from, max_experts);
      addSegment(x, d, route_slots + list, stats, from, to, balance, z);
      from = to;
    }
  }
}

function segmentEnd(slots: usize, segments: usize, from: i32, n: i32): i32 {
  const segment = load<u32>(segments + ((<usize>from) << 2));
  let to = from + 1;
  for (; to < n; to++) {
    const o = (<usize>to) << 2;
    if (load<u32>(slots + o) == NONE || load<u32>(segments + o) != segment) break;
  }
  return to;
}

/** dlogit += p / tokens · (balance · E · (f − Σ f p) + 2 z · logsumexp) for the entries of one segment. */
function addSegment(
  x: usize,
  d: usize,
  slots: usize,
  stats: usize,
  from: i32,
  to: i32,
  balance: f32,
  z: f32,
): void {
  let top: f32 = -Infinity;
  for (let e = from; e < to; e++) top = max(top, load<f32>(x + ((<usize>e) << 2)));
  let total: f32 = 0;
  let chosen: f32 = 0;
  let inner: f32 = 0;
  for (let e = from; e < to; e++) {
    const p = exp1(load<f32>(x + ((<usize>e) << 2)) - top);
    const count = load<f32>(statsOf(stats, slots, e));
    total += p;
    chosen += count;
    inner += p * count;
  }
  const tokens = load<f32>(statsOf(stats, slots, from), 8);
  const part: f32 = chosen > 0 ? 1 / chosen : 0;
  const mean = (inner / total) * part;
  const even = balance * <f32>(to - from);
  const small: f32 = <f32>2 * z * (top + log1(total));
  const scale: f32 = <f32>1 / (total * tokens);
  for (let e = from; e < to; e++) {
    const o = (<usize>e) << 2;
    const f = load<f32>(statsOf(stats, slots, e)) * part;
    const p = exp1(load<f32>(x + o) - top) * scale;
    store<f32>(d + o, load<f32>(d + o) + p * (even * (f - mean) + small));
  }
}

@inline
function statsOf(stats: usize, slots: usize, entry: i32): usize {
  return stats + <usize>load<u32>(slots + ((<usize>entry) << 2)) * 20;
}
