/** Dispatches of attention: over the paged cache for serving, over whole rows for training. */
import { kernels } from '../../kernels/index.ts';
import type { Dispatch, Tensor } from './device.ts';

/** The paged cache of one layer, and where the tokens of a step lie in it. */
export interface PagedCache {
  /** [pages, pageSize, KV · D] */
  readonly keys: Tensor;
  readonly values: Tensor;
  /** u32 [rows, maxPages] */
  readonly pageTable: Tensor;
  /** u32 [T]: row of the page table. */
  readonly sequences: Tensor;
  /** u32 [T] */
  readonly positions: Tensor;
}

export interface HeadShape {
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headSize: number;
}

/** o = attention of q [T, H · D] over each token's own sequence. */
export function pagedAttention(q: Tensor, cache: PagedCache, o: Tensor, shape: HeadShape): Dispatch {
  const { T, page_size, max_pages } = paging(cache);
  const { heads: H, keyValueHeads: KV, headSize: D } = shape;
  const params = { T, H, KV, D, page_size, max_pages };
  return { kernel: kernels.attention, bindings: { q, ...pageBindings(cache), o }, params };
}

/** B rows of T tokens, as `kernels/attention_train` takes them. */
export interface RowAttention {
  readonly q: Tensor;
  readonly k: Tensor;
  readonly v: Tensor;
  readonly starts: Tensor;
  readonly o: Tensor;
  /** [B · H · T], written by the forward pass. */
  readonly logSumExp: Tensor;
}

export interface RowShape extends HeadShape {
  readonly B: number;
  readonly T: number;
}

export function rowAttention({ q, k, v, starts, o, logSumExp }: RowAttention, shape: RowShape): Dispatch {
  return {
    kernel: kernels.attentionTrain,
    bindings: { q, k, v, starts, o, log_sum_exp: logSumExp },
    params: rowParams(shape),
  };
}

/** Writes the gradients of q, k and v. */
export function rowAttentionBackward(
  { q, k, v, starts, o, logSumExp }: RowAttention,
  d_o: Tensor,
  { dq, dk, dv }: { readonly dq: Tensor; readonly dk: Tensor; readonly dv: Tensor },
  shape: RowShape,
): Dispatch {
  return {
    kernel: kernels.attentionTrainBackward,
    bindings: { q, k, v, starts, o, d_o, log_sum_exp: logSumExp, dq, dk, dv },
    params: rowParams(shape),
  };
}

export function pageBindings(cache: PagedCache): Record<string, Tensor> {
  const { keys: k_pages, values: v_pages, pageTable: page_table, sequences, positions } = cache;
  return { page_table, sequences, positions, k_pages, v_pages };
}

export function paging({ keys, pageTable, positions }: PagedCache) {
  return { T: positions.shape[0]!, page_size: keys.shape[1]!, max_pages: pageTable.shape[1]! };
}

function rowParams({ B, T, heads: H, keyValueHeads: KV, headSize: D }: RowShape): Record<string, number> {
  return { B, T, H, KV, D };
}
