/**
 * What a dispatch must do at least: the bytes of everything that it reads and writes, once each, and the floating-point
 * operations of its products. A cache that holds more than one use of a byte can do no better; one that does not, worse.
 */
import { attentionWork, blockTokens, CHUNK } from '../../../kernels/attention-work.ts';
import { tensorBytes } from '../../../kernels/formats.ts';
import type { Dispatch, Tensor } from '../../../src/tensor/device.ts';
import { elements } from '../../../src/tensor/tensors.ts';

export interface Work {
  readonly bytes: number;
  /** A multiply-add is two. */
  readonly flops: number;
}

/** What the shapes of a dispatch do not say: how much of the cache and of the pool it touches. */
export interface Touched {
  /** Sum over the tokens of the positions that each sees. */
  readonly attended: number;
  /** Sum over the sequences of the positions that any of its tokens sees. */
  readonly cached: number;
  /** Tokens whose attention is split, and partial sums that are kept of them. */
  readonly split: number;
  readonly entries: number;
  /** Different experts among those that the tokens chose. */
  readonly experts: number;
  /** Different experts among which the tokens could choose. */
  readonly candidates: number;
}

export const NOTHING: Touched = { attended: 0, cached: 0, split: 0, entries: 0, experts: 0, candidates: 0 };

/** Σ over the tokens of one batch; `positions` and `sequences` as in a forward batch. Heads as a GPU splits them. */
export function attentionTouched(
  positions: Uint32Array,
  sequences: Uint32Array,
  { heads, keyValueHeads }: { readonly heads: number; readonly keyValueHeads: number },
): Pick<Touched, 'attended' | 'cached' | 'split' | 'entries'> {
  let attended = 0;
  const longest = new Map<number, number>();
  for (const [token, position] of positions.entries()) {
    attended += position + 1;
    const sequence = sequences[token]!;
    longest.set(sequence, Math.max(longest.get(sequence) ?? 0, position + 1));
  }
  const block = blockTokens(heads, keyValueHeads);
  const { splits } = attentionWork(sequences, positions, { block, entries: Number.MAX_SAFE_INTEGER });
  let entries = 0;
  for (let i = 0; i < splits.length; i += 2) entries += Math.ceil((positions[splits[i]!]! + 1) / CHUNK);
  const cached = [...longest.values()].reduce((sum, length) => sum + length, 0);
  return { attended, cached, split: splits.length / 2, entries };
}

function bytesOf({ type, shape }: Tensor): number {
  return tensorBytes(type, elements(shape));
}

/** Bytes of a row, of those along all dimensions but the first. */
function rowBytes(tensor: Tensor): number {
  const rows = tensor.shape[0] ?? 0;
  return rows === 0 ? 0 : bytesOf(tensor) / rows;
}

/** Bindings of which a dispatch touches rows: which fraction is not the shape's business. */
type Part = (dispatch: Dispatch, touched: Touched) => number;

const expertRows: Part = (_, { experts }) => experts;
const cachedRows: Part = ({ params }, { cached }) => cached / (params['page_size'] ?? 1);
/** Half, since `readwrite` counts twice and they are only written. */
const writtenPages: Part = ({ params }) => (params['T'] ?? 0) / (params['page_size'] ?? 1) / 2;
/** Half: read, or written, not both. */
const sampledRows: Part = ({ params }) => (params['rows'] ?? 0) / 2;
const nothing: Part = () => 0;
const tokenRows: Part = ({ params }) => params['T'] ?? 0;

/** Rows touched of a binding, by kernel and binding; what is not here is touched from end to end. */
const PARTS: Readonly<Record<string, Readonly<Record<string, Part>>>> = {
  embedding: { table: ({ bindings }) => elements(bindings['ids']!.shape) },
  embedding_backward: { dtable: ({ bindings }) => elements(bindings['ids']!.shape) },
  qk_prepare: {
    table: tokenRows,
    page_table: nothing,
    k_pages: writtenPages,
    v_pages: writtenPages,
  },
  attention: {
    page_table: nothing,
    work: nothing,
    k_pages: cachedRows,
    v_pages: cachedRows,
    o: ({ bindings }, { split }) => (bindings['o']!.shape[0]! - split) / 2,
    partials: (_, { entries }) => entries / 2,
  },
  attention_combine: {
    positions: (_, { split }) => split,
    partials: (_, { entries }) => entries,
    o: (_, { split }) => split / 2,
  },
  matmul: { c: ({ bindings, params }) => bindings['c']!.shape[0]! * (params['accumulate'] === 1 ? 1 : 0.5) },
  norm_gate: { router: (_, { candidates }) => candidates },
  // Logits are read once, and written where there are penalties alone, and tokens are read there; the bench asks for none.
  sample: { logits: sampledRows, tokens: sampledRows, raw: nothing, seen: nothing },
  expert_shrink: { a: expertRows },
  linear_experts: { b: expertRows, scales: expertRows },
  swiglu_experts: { b: expertRows, scales: expertRows },
  expert_expand: { b: expertRows, scales: expertRows },
};

export function dispatchWork(dispatch: Dispatch, touched: Touched): Work {
  const { kernel, bindings } = dispatch;
  let bytes = 0;
  for (const { name, access } of kernel.bindings) {
    const tensor = bindings[name]!;
    const rows = PARTS[kernel.name]?.[name]?.(dispatch, touched);
    const once = rows === undefined ? bytesOf(tensor) : rows * rowBytes(tensor);
    bytes += access === 'readwrite' ? 2 * once : once;
  }
  return { bytes, flops: operations(dispatch, touched) };
}

/** Of the products; causal attention of whole rows counts the half that it cannot skip. */
function operations({ kernel, params, bindings }: Dispatch, { attended, candidates }: Touched): number {
  const { T = 0, N = 0, M = 0, K = 0, R = 0, B = 0, H = 0, D = 0, C = 0 } = params;
  const hidden = bindings['slots'] ? 2 * T * K * R : 0;
  switch (kernel.name) {
    case 'matmul':
      return 2 * M * N * K;
    case 'norm_linear':
      return 2 * T * N * M;
    case 'linear_experts':
      return 2 * T * N * M + hidden * M;
    case 'swiglu_experts':
      return 4 * T * N * M + 2 * hidden * M;
    case 'attention':
      return 4 * attended * H * D;
    case 'norm_gate':
      return K > 0 ? 2 * T * candidates * C : 0;
    case 'attention_train':
      return 2 * B * H * T * T * D;
    case 'attention_train_backward':
      return 5 * B * H * T * T * D;
  }
  if (kernel.name.startsWith('expert_shrink')) return hidden * N;
  if (kernel.name.startsWith('expert_expand')) return hidden * M;
  return 0;
}
