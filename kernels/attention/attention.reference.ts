import { CHUNK, PARTIAL_HEAD } from '../attention-work.ts';
import { NONE, type Params, type ReferenceBindings } from '../kernel.ts';
import { pick } from '../pick.ts';

/**
 * Causal grouped-query attention over a paged cache: token t attends to positions 0..positions[t] of its own sequence,
 * o = softmax(q·k / sqrt(D)) v. Query head h reads key-value head floor(h · KV / H).
 * q, o [T, H, D]; k_pages, v_pages [pages, page_size, KV, D]; page_table [rows, max_pages]; sequences, positions [T].
 * work [W, 4]: first token, tokens, chunk, entry. Work on a single chunk writes sums over its positions to partials.
 */
export function attentionReference(bindings: ReferenceBindings, params: Params): void {
  const { q, k_pages, v_pages, page_table, sequences, positions, work, o, partials } = pick(
    bindings,
    'q',
    'k_pages',
    'v_pages',
    'page_table',
    'sequences',
    'positions',
    'work',
    'o',
    'partials',
  );
  const { W, H, KV, D, page_size, max_pages } = pick(params, 'W', 'H', 'KV', 'D', 'page_size', 'max_pages');
  /** Of token t and head h over positions from..to: largest score, and sums of exp(score − largest), times v too. */
  const sums = (t: number, h: number, from: number, to: number) => {
    const head = Math.floor((h * KV) / H);
    const query = (t * H + h) * D;
    const cached = (position: number): number => {
      const page = page_table[sequences[t]! * max_pages + Math.floor(position / page_size)]!;
      return ((page * page_size + (position % page_size)) * KV + head) * D;
    };
    const scores = Array.from({ length: to - from }, (_, i) => {
      const key = cached(from + i);
      let dot = 0;
      for (let d = 0; d < D; d++) dot += q[query + d]! * k_pages[key + d]!;
      return dot / Math.sqrt(D);
    });
    const largest = scores.reduce((most, score) => Math.max(most, score), -Infinity);
    const shares = scores.map((score) => Math.exp(score - largest));
    const total = shares.reduce((sum, share) => sum + share, 0);
    const values = Array.from({ length: D }, (_, d) =>
      shares.reduce((sum, share, i) => sum + share * v_pages[cached(from + i) + d]!, 0),
    );
    return { largest, total, values };
  };
  for (let w = 0; w < W; w++) {
    const [first = 0, count = 0, chunk = 0, entry = 0] = work.subarray(w * 4, w * 4 + 4);
    const chunks = Math.ceil((positions[first + count - 1]! + 1) / CHUNK);
    for (let i = 0; i < count * H; i++) {
      const t = first + Math.floor(i / H);
      const h = i % H;
      const length = positions[t]! + 1;
      if (chunk === NONE) {
        const { total, values } = sums(t, h, 0, length);
        o.set(
          values.map((value) => value / total),
          (t * H + h) * D,
        );
      } else if (chunk * CHUNK < length) {
        const { largest, total, values } = sums(t, h, chunk * CHUNK, Math.min(length, (chunk + 1) * CHUNK));
        const row = (entry + (t - first) * chunks + chunk) * H + h;
        partials.set([largest, total, 0, 0, ...values], row * (PARTIAL_HEAD + D));
      }
    }
  }
}
