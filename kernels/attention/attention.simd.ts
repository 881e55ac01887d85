import { axpy, dot, exp4, exp1, maximum, sum4 } from '../simd/lanes.simd';
import { scratch } from '../simd/scratch.simd';

export function attention(
  q: usize, k_pages: usize, v_pages: usize, page_table: usize, sequences: usize, positions: usize, o: usize,
  T: i32, H: i32, KV: i32, D: i32, page_size: i32, max_pages: i32, start: i32, end: i32,
): void {
  const scale: f32 = 1 / sqrt<f32>(<f32>D);
  const group = H / KV;
  const width = <usize>(KV * D) << 2;
  const scores = scratch();
  for (let item = start; item < end; item++) {
    const t = item / H;
    const head = item % H;
    const n = <i32>load<u32>(positions + (<usize>t << 2)) + 1;
    const pages = page_table + (<usize>(<i32>load<u32>(sequences + (<usize>t << 2)) * max_pages) << 2);
    const query = q + (<usize>(item * D) << 2);
    const offset = <usize>((head / group) * D) << 2;
    for (let i: i32 = 0; i < n; i++) {
      const key = k_pages + place(pages, i, page_size) * width + offset;
      store<f32>(scores + (<usize>i << 2), dot(query, key, D) * scale);
    }
    const total = exponentiate(scores, n);
    const out = o + (<usize>(item * D) << 2);
    memory.fill(out, 0, <usize>D << 2);
    for (let i: i32 = 0; i < n; i++) {
      const value = v_pages + place(pages, i, page_size) * width + offset;
      axpy(load<f32>(scores + (<usize>i << 2)) / total, value, out, D);
    }
  }
}

@inline
function place(pages: usize, position: i32, page_size: i32): usize {
  return (
    <usize>load<u32>(pages + (<usize>(position / page_size) << 2)) * <usize>page_size + <usize>(position % page_size)
  );
}

/** x = e^(x − max), in place; returns the sum. */
function exponentiate(x: usize, n: i32): f32 {
  const top = maximum(x, n);
  const m = f32x4.splat(top);
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
    const v = exp1(load<f32>(p) - top);
    store<f32>(p, v);
    total += v;
  }
  return total;
}
