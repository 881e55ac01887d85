import type { Params, ReferenceBindings } from '../kernel.ts';
import { pick } from '../pick.ts';

/**
 * For each token: head h of q = rope(rms_norm(head h of qkv, norms[0])); the same of each key head with norms[1], written
 * with the value head to the token's place in its page.
 */
export function qkPrepareReference(bindings: ReferenceBindings, params: Params): void {
  const { qkv, norms, table, page_table, sequences, positions, q, k_pages, v_pages } = pick(
    bindings,
    'qkv',
    'norms',
    'table',
    'page_table',
    'sequences',
    'positions',
    'q',
    'k_pages',
    'v_pages',
  );
  const { T, H, KV, D, page_size, max_pages, epsilon } = pick(
    params,
    'T',
    'H',
    'KV',
    'D',
    'page_size',
    'max_pages',
    'epsilon',
  );
  const half = D / 2;
  for (let t = 0; t < T; t++) {
    const position = positions[t]!;
    const row = t * (H + 2 * KV) * D;
    const turned = (from: number, norm: number): number[] => {
      let squares = 0;
      for (let i = 0; i < D; i++) squares += qkv[from + i]! ** 2;
      const inverse = 1 / Math.sqrt(squares / D + epsilon);
      const normed = Array.from({ length: D }, (_, i) => qkv[from + i]! * inverse * norms[norm * D + i]!);
      return normed.map((value, i) => {
        const angle = (position * half + (i % half)) * 2;
        const partner = i < half ? -normed[i + half]! : normed[i - half]!;
        return value * table[angle]! + partner * table[angle + 1]!;
      });
    };
    for (let h = 0; h < H; h++) q.set(turned(row + h * D, 0), (t * H + h) * D);
    const page = page_table[sequences[t]! * max_pages + Math.floor(position / page_size)]!;
    const slot = page * page_size + (position % page_size);
    for (let h = 0; h < KV; h++) {
      const value = row + (H + KV + h) * D;
      k_pages.set(turned(row + (H + h) * D, 1), (slot * KV + h) * D);
      v_pages.set(qkv.subarray(value, value + D), (slot * KV + h) * D);
    }
  }
}
