import { axpy, dot, exp4, exp1, maximum, sum4 } from '../simd/lanes.simd';
import { scratch } from '../simd/scratch.simd';

/** As in attention-work.ts. */
const CHUNK: i32 = 128;
const PARTIAL_HEAD: i32 = 4;
const NONE: i32 = -1;

export function attention(
  q: usize, k_pages: usize, v_pages: usize, page_table: usize, sequences: usize, positions: usize, work: usize,
  o: usize, partials: usize,
  W: i32, H: i32, KV: i32, D: i32, page_size: i32, max_pages: i32, block: i32, start: i32, end: i32,
): void {
  const scale: f32 = 1 / sqrt<f32>(<f32>D);
  const group = H / KV;
  const width = <usize>(KV * D) << 2;
  const scores = scratch();
  for (let item = start; item < end; item++) {
    const piece = work + (<usize>(item / H) << 4);
    const head = item % H;
    const first = load<i32>(piece);
    const count = load<i32>(piece, 4);
    const chunk = load<i32>(piece, 8);
    const entry = load<i32>(piece, 12);
    const chunks = (<i32>load<u32>(positions + (<usize>(first + count - 1) << 2)) + CHUNK) / CHUNK;
    const offset = <usize>((head / group) * D) << 2;
    for (let t = first; t < first + count; t++) {
      const length = <i32>load<u32>(positions + (<usize>t << 2)) + 1;
      const pages = page_table + (<usize>(<i32>load<u32>(sequences + (<usize>t << 2)) * max_pages) << 2);
      const query = q + (<usize>((t * H + head) * D) << 2);
      const from = chunk == NONE ? 0 : chunk * CHUNK;
      const n = (chunk == NONE ? length : min(length, from + CHUNK)) - from;
      if (n <= 0) continue;
      for (let i: i32 = 0; i < n; i++) {
        const key = k_pages + place(pages, from + i, page_size) * width + offset;
        store<f32>(scores + (<usize>i << 2), dot(query, key, D) * scale);
      }
      const largest = maximum(scores, n);
      const total = exponentiate(scores, n, largest);
      let out = o + (<usize>((t * H + head) * D) << 2);
      let divisor = total;
      if (chunk != NONE) {
        out = partials + (<usize>(((entry + (t - first) * chunks + chunk) * H + head) * (PARTIAL_HEAD + D)) << 2);
        store<f32>(out, largest);
        store<f32>(out, total, 4);
        store<u64>(out, 0, 8);
        out += PARTIAL_HEAD << 2;
        divisor = 1;
      }
      memory.fill(out, 0, <usize>D << 2);
      for (let i: i32 = 0; i < n; i++) {
        const value = v_pages + place(pages, from + i, page_size) * width + offset;
        axpy(load<f32>(scores + (<usize>i << 2)) / divisor, value, out, D);
      }
    }
  }
}

@inline
function place(pages: usize, position: i32, page_size: i32): usize {
  return (
    <usize>load<u32>(pages + (<usize>(position / page_size) << 2)) * <usize>page_size + <usize>(position % page_size)
  );
}

/** x = e^(x − largest), in place; returns the sum. */
function exponentiate(x: usize, n: i32, largest: f32): f32 {
  const m = f32x4.splat(largest);
  let s = f32x4.splat(0);
  let i: i32 = 0;
  for (; i + 4 <= n; i += 4) {
    const p = x + (<usize>i << 2);
    const v = exp4(f32x4.sub(v128.load(p), m));
    v128.store(p, v);
    s = f32x4.add(s, v);
  }
  let total = sum4(s);
  for (; i < n; i++) {
    const p = x + (<usize>i << 2);
    const v = exp1(load<f32>(p) - largest);
    store<f32>(p, v);
    total += v;
  }
  return total;
}
