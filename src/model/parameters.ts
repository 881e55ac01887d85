/** Names and shapes of a Qwen3 model's tensors, and of a pool of experts, as files and arenas use them. */
import { ADAPTED_LINEARS, type AdaptedLinear } from '../base/shard-metadata.ts';
import type { ModelConfig } from './config.ts';

export const ADAPTED = ADAPTED_LINEARS;
export type Adapted = AdaptedLinear;

/** Hugging Face names of one layer's tensors. */
export function layerNames(layer: number) {
  const at = `model.layers.${layer}.`;
  return {
    inputNorm: `${at}input_layernorm.weight`,
    query: `${at}self_attn.q_proj.weight`,
    key: `${at}self_attn.k_proj.weight`,
    value: `${at}self_attn.v_proj.weight`,
    output: `${at}self_attn.o_proj.weight`,
    queryNorm: `${at}self_attn.q_norm.weight`,
    keyNorm: `${at}self_attn.k_norm.weight`,
    ffnNorm: `${at}post_attention_layernorm.weight`,
    gate: `${at}mlp.gate_proj.weight`,
    up: `${at}mlp.up_proj.weight`,
    down: `${at}mlp.down_proj.weight`,
  } as const;
}

export const EMBEDDING = 'model.embed_tokens.weight';
export const FINAL_NORM = 'model.norm.weight';
export const HEAD = 'lm_head.weight';

/** Sizes [in, out] of an adapted linear. */
function adaptedSize(config: ModelConfig, linear: Adapted): { input: number; output: number } {
  const { hiddenSize: C, intermediateSize: F } = config;
  return linear === 'down_proj' ? { input: F, output: C } : { input: C, output: F };
}

export function expertNames(layer: number) {
  const at = `layers.${layer}.`;
  return {
    router: `${at}router.weight`,
    a: (linear: Adapted) => `${at}${linear}.lora_A`,
    b: (linear: Adapted) => `${at}${linear}.lora_B`,
  };
}

/** A pool of S experts of rank R in every layer: the tensors of a shard file, with slots for experts. */
export function expertShapes(
  config: ModelConfig,
  slots: number,
  rank: number,
): Map<string, readonly number[]> {
  const shapes = new Map<string, readonly number[]>();
  for (let layer = 0; layer < config.layers; layer++) {
    const names = expertNames(layer);
    shapes.set(names.router, [slots, config.hiddenSize]);
    for (const linear of ADAPTED) {
      const { input, output } = adaptedSize(config, linear);
      shapes.set(names.a(linear), [slots, rank, input]);
      shapes.set(names.b(linear), [slots, output, rank]);
    }
  }
  return shapes;
}
