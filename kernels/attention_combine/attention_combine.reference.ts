import { CHUNK, PARTIAL_HEAD } from '../attention-work.ts';
import type { Params, ReferenceBindings } from '../kernel.ts';
import { pick } from '../pick.ts';

/** o of a split token = Σ exp(mᵢ − m) · oᵢ / Σ exp(mᵢ − m) · lᵢ over its chunks i, m the largest of all mᵢ. */
export function attentionCombineReference(bindings: ReferenceBindings, params: Params): void {
  const { partials, positions, splits, o } = pick(bindings, 'partials', 'positions', 'splits', 'o');
  const { S, H, D } = pick(params, 'S', 'H', 'D');
  const width = PARTIAL_HEAD + D;
  for (let s = 0; s < S; s++) {
    const [t = 0, first = 0] = splits.subarray(s * 2, s * 2 + 2);
    const chunks = Math.ceil((positions[t]! + 1) / CHUNK);
    for (let h = 0; h < H; h++) {
      const rows = Array.from({ length: chunks }, (_, i) => {
        const at = ((first + i) * H + h) * width;
        return { largest: partials[at]!, total: partials[at + 1]!, values: at + PARTIAL_HEAD };
      });
      const most = Math.max(...rows.map(({ largest }) => largest));
      const total = rows.reduce((sum, row) => sum + Math.exp(row.largest - most) * row.total, 0);
      for (let d = 0; d < D; d++) {
        const sum = rows.reduce(
          (all, row) => all + Math.exp(row.largest - most) * partials[row.values + d]!,
          0,
        );
        o[(t * H + h) * D + d] = sum / total;
      }
    }
  }
}
