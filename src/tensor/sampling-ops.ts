/** Choosing tokens on the device, so that of a step's logits only the tokens are read back. */
import { kernels } from '../../kernels/index.ts';
import type { Dispatch, Tensor } from './device.ts';
import { elements } from './tensors.ts';

/** Numbers of a row in `settings` and in `limits` of SamplingTensors. */
export const SETTINGS = 5;
export const LIMITS = 5;

/** Rows of `limits` are [top-k, top-p · 2³², draw, from, to], `from` and `to` of entries in `seen`; see kernels/sample. */
export interface SamplingTensors {
  /** f32 [rows, 5]: 1 / temperature, min-p, repetition, presence, frequency penalty. */
  readonly settings: Tensor;
  /** u32 [rows, 5] */
  readonly limits: Tensor;
  /** u32 [entries, 2]: tokens and how often each was generated. */
  readonly seen: Tensor;
}

export interface SampledTensors {
  /** u32 [rows], NONE where logits are not finite. With `carried` it comes with the tokens before. */
  readonly tokens: Tensor;
  /** f32 [rows, 2]: the token, −1 for NONE, and its log probability. */
  readonly sampled: Tensor;
}

/**
 * From logits [rows, V], which get the penalties, to tokens. raw f32 [entries] has the logits that penalties replaced.
 * `carried`: `seen` lacks each row's latest token, which is in `tokens`.
 */
export function sample(
  logits: Tensor,
  { settings, limits, seen }: SamplingTensors,
  raw: Tensor,
  { tokens, sampled }: SampledTensors,
  carried = false,
): Dispatch {
  const rows = elements(tokens.shape);
  return {
    kernel: kernels.sample,
    bindings: { logits, settings, limits, seen, raw, tokens, sampled },
    params: { rows, V: logits.shape.at(-1)!, carried: carried ? 1 : 0 },
  };
}
