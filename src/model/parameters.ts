/** Names and shapes of a Qwen3 model's tensors, and of a pool of experts, as files and arenas use them. */
import { ADAPTED_LINEARS, FFN_LINEARS, partOf, routerName } from '../base/shard-tensors.ts';
import type { AdaptedLinear, ExpertPart } from '../base/shard-tensors.ts';
import type { ModelConfig } from './config.ts';

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
export function adaptedSize(config: ModelConfig, linear: Adapted): { input: number; output: number } {
  const { hiddenSize: C, intermediateSize: F, heads, keyValueHeads, headSize } = config;
  const query = { input: C, output: heads * headSize };
  const keyValue = { input: C, output: keyValueHeads * headSize };
  const gateUp = { input: C, output: F };
  return {
    gate_proj: gateUp,
    up_proj: gateUp,
    down_proj: { input: F, output: C },
    q_proj: query,
    k_proj: keyValue,
    v_proj: keyValue,
    o_proj: { input: query.output, output: C },
  }[linear];
}

/** The linears of these that lie in a part of a layer, in the order of files. */
export function linearsOf(part: ExpertPart, adapted: readonly Adapted[]): readonly Adapted[] {
  return ADAPTED_LINEARS.filter((linear) => partOf(linear) === part && adapted.includes(linear));
}

export function expertNames(layer: number) {
  const at = `layers.${layer}.`;
  return {
    router: (part: ExpertPart) => routerName(layer, part),
    a: (linear: Adapted) => `${at}${linear}.lora_A`,
    b: (linear: Adapted) => `${at}${linear}.lora_B`,
  };
}

/**
 * A pool of S experts of rank R in every layer: the tensors of a shard file, with slots for experts. A part of which
 * nothing is adapted has no router.
 */
export function expertShapes(
  config: ModelConfig,
  slots: number,
  rank: number,
  adapted: readonly Adapted[] = FFN_LINEARS,
): Map<string, readonly number[]> {
  const shapes = new Map<string, readonly number[]>();
  for (let layer = 0; layer < config.layers; layer++) {
    const names = expertNames(layer);
    for (const part of ['ffn', 'attention'] as const) {
      const linears = linearsOf(part, adapted);
      if (linears.length > 0) shapes.set(names.router(part), [slots, config.hiddenSize]);
      for (const linear of linears) {
        const { input, output } = adaptedSize(config, linear);
        shapes.set(names.a(linear), [slots, rank, input]);
        shapes.set(names.b(linear), [slots, output, rank]);
      }
    }
  }
  return shapes;
}
