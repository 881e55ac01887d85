/** Dispatches of attention: over the paged cache for serving, over whole rows for training. */
import { blockTokens, partialEntries, PARTIAL_HEAD, type WorkLimits } from '../../kernels/attention-work.ts';
import { kernels } from '../../kernels/index.ts';
import type { Device, Dispatch, Tensor } from './device.ts';
import { elements } from './tensors.ts';

export { attentionWork, type WorkLimits } from '../../kernels/attention-work.ts';

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

/** What `attentionWork` made of a batch, on the device. */
export interface AttentionWorkTensors {
  /** u32 [W, 4] */
  readonly work: Tensor;
  /** u32 [S, 2] */
  readonly splits: Tensor;
  readonly block: number;
}

/** Of partial sums: enough for 30 sequences of 32,768 tokens with 16 heads of 128. */
const MAX_PARTIAL_BYTES = 64 << 20;

/** How a device wants attention cut. On a CPU threads take tokens, and nothing is gained by splitting one. */
export function attentionLimits(device: Device, shape: HeadShape, cachedPositions: number): WorkLimits {
  if (device.kind !== 'webgpu') return { block: 1, entries: 0 };
  const most = Math.floor(MAX_PARTIAL_BYTES / (elements(partialsShape(1, shape)) * 4));
  return {
    block: blockTokens(shape.heads, shape.keyValueHeads),
    entries: Math.min(partialEntries(cachedPositions), most),
  };
}

/** Of the partial sums of `entries` chunks of tokens. */
export function partialsShape(entries: number, { heads, headSize }: HeadShape): number[] {
  return [entries, heads, PARTIAL_HEAD + headSize];
}

/**
 * o = attention of q [T, H · D] over each token's own sequence: one dispatch, two where the work splits a token.
 * `partials` is as `partialsShape` says.
 */
export function pagedAttention(
  q: Tensor,
  cache: PagedCache,
  { work, splits, block }: AttentionWorkTensors,
  partials: Tensor,
  o: Tensor,
  shape: HeadShape,
): Dispatch[] {
  const { page_size, max_pages } = paging(cache);
  const { heads: H, keyValueHeads: KV, headSize: D } = shape;
  const W = work.shape[0]!;
  const S = splits.shape[0]!;
  const attend: Dispatch = {
    kernel: kernels.attention,
    bindings: { q, ...pageBindings(cache), work, o, partials },
    params: { W, H, KV, D, page_size, max_pages, block },
  };
  if (S === 0) return [attend];
  const { positions } = cache;
  return [
    attend,
    { kernel: kernels.attentionCombine, bindings: { partials, positions, splits, o }, params: { S, H, D } },
  ];
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
