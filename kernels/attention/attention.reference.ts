import type { Params, ReferenceBindings } from '../kernel.ts';
import { pick } from '../pick.ts';
import { softmaxInPlace } from '../softmax.ts';

/**
 * Causal grouped-query attention over a paged cache: token t attends to positions 0..positions[t] of its own sequence,
 * o = softmax(q·k / sqrt(D)) v. Query head h reads key-value head floor(h · KV / H).
 * q, o [T, H, D]; k_pages, v_pages [pages, page_size, KV, D]; page_table [rows, max_pages]; sequences, positions [T].
 */
export function attentionReference(bindings: ReferenceBindings, params: Params): void {
  const { q, k_pages, v_pages, page_table, sequences, positions, o } = pick(
    bindings,
    'q',
    'k_pages',
    'v_pages',
    'page_table',
    'sequences',
    'positions',
    'o',
  );
  const { T, H, KV, D, page_size, max_pages } = pick(params, 'T', 'H', 'KV', 'D', 'page_size', 'max_pages');
  for (let t = 0; t < T; t++) {
    const length = positions[t]! + 1;
    /** Where a position of this token's sequence lies in the cache, for key-value head `head`. */
    const cached = (position: number, head: number): number => {
      const page = page_table[sequences[t]! * max_pages + Math.floor(position / page_size)]!;
      return ((page * page_size + (position % page_size)) * KV + head) * D;
    };
    for (let h = 0; h < H; h++) {
      const head = Math.floor((h * KV) / H);
      const query = (t * H + h) * D;
      const scores = new Float64Array(length);
      for (let p = 0; p < length; p++) {
        const key = cached(p, head);
        let dot = 0;
        for (let d = 0; d < D; d++) dot += q[query + d]! * k_pages[key + d]!;
        scores[p] = dot / Math.sqrt(D);
      }
      softmaxInPlace(scores);
      for (let d = 0; d < D; d++) {
        let sum = 0;
        for (let p = 0; p < length; p++) sum += scores[p]! * v_pages[cached(p, head) + d]!;
        o[query + d] = sum;
      }
    }
  }
}
