/**
 * What a Qwen3 checkpoint is shaped like, read from Hugging Face's `config.json` and `generation_config.json`. Whatever
 * would change the computation and that the forward pass does not do (rope scaling, sliding windows, attention bias,
 * quantised weights, another architecture) is refused here, so that no checkpoint runs wrongly in silence.
 */
import { z } from 'zod';
import { CallerError } from '../base/errors.ts';

export interface ModelConfig {
  readonly hiddenSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headSize: number;
  readonly intermediateSize: number;
  readonly vocabularySize: number;
  readonly rmsNormEpsilon: number;
  readonly ropeTheta: number;
  /** The output head is the embedding, transposed. */
  readonly tiedHead: boolean;
  readonly maxPositions: number;
  /** Tokens that end a generation; empty where the checkpoint names none. */
  readonly eosTokens: readonly number[];
}

const size = (most: number) => z.int().min(1).max(most);
const tokenIds = z.union([z.int().min(0), z.array(z.int().min(0)).max(64)]).nullish();
const refused = (message: string) => z.null({ error: message }).optional();

const ropeParametersSchema = z.object({
  rope_theta: z.number().positive(),
  rope_type: z.literal('default', { error: 'only the default rope_type is supported' }).optional(),
});

const configSchema = z
  .object({
    model_type: z.literal('qwen3', { error: 'only model_type "qwen3" (dense Qwen3) is supported' }),
    hidden_size: size(65_536),
    num_hidden_layers: size(1_024),
    num_attention_heads: size(1_024),
    num_key_value_heads: size(1_024),
    head_dim: size(1_024).default(128),
    intermediate_size: size(1_048_576),
    vocab_size: size(4_194_304),
    rms_norm_eps: z.number().positive().max(0.1).default(1e-6),
    rope_theta: z.number().positive().optional(),
    rope_parameters: ropeParametersSchema.nullish(),
    rope_scaling: refused('rope scaling is not supported; use the checkpoint without it').nullable(),
    tie_word_embeddings: z.boolean().default(false),
    max_position_embeddings: size(16_777_216),
    hidden_act: z.literal('silu', { error: 'only hidden_act "silu" is supported' }).default('silu'),
    attention_bias: z.literal(false, { error: 'attention bias is not supported' }).default(false),
    use_sliding_window: z.literal(false, { error: 'sliding windows are not supported' }).default(false),
    layer_types: z
      .array(z.literal('full_attention', { error: 'only full attention layers are supported' }))
      .nullish(),
    quantization_config: refused(
      'quantised checkpoints are not supported; use the F32, F16 or BF16 one',
    ).nullable(),
    eos_token_id: tokenIds,
  })
  .check((context) => {
    const { num_attention_heads: heads, num_key_value_heads: keyValueHeads, head_dim } = context.value;
    const complain = (path: string, message: string): void => {
      context.issues.push({ code: 'custom', path: [path], message, input: context.value });
    };
    if (heads % keyValueHeads !== 0) complain('num_key_value_heads', 'must divide num_attention_heads');
    // Kernels read rows in fours: of matrices, and of the heads in the cache.
    if (head_dim % 4 !== 0) complain('head_dim', 'must be a multiple of 4');
    for (const name of ['hidden_size', 'intermediate_size'] as const) {
      if (context.value[name] % 4 !== 0) complain(name, 'must be a multiple of 4');
    }
  });

const generationConfigSchema = z.object({ eos_token_id: tokenIds });

/** Parses the texts of `config.json` and, where there is one, `generation_config.json`. */
export function parseModelConfig(configText: string, generationConfigText?: string): ModelConfig {
  const raw = parse('config.json', configText, configSchema);
  const generation =
    generationConfigText === undefined
      ? undefined
      : parse('generation_config.json', generationConfigText, generationConfigSchema);
  const eos = generation?.eos_token_id ?? raw.eos_token_id ?? [];
  const config: ModelConfig = {
    hiddenSize: raw.hidden_size,
    layers: raw.num_hidden_layers,
    heads: raw.num_attention_heads,
    keyValueHeads: raw.num_key_value_heads,
    headSize: raw.head_dim,
    intermediateSize: raw.intermediate_size,
    vocabularySize: raw.vocab_size,
    rmsNormEpsilon: raw.rms_norm_eps,
    ropeTheta: raw.rope_parameters?.rope_theta ?? raw.rope_theta ?? 10_000,
    tiedHead: raw.tie_word_embeddings,
    maxPositions: raw.max_position_embeddings,
    eosTokens: Array.isArray(eos) ? eos : [eos],
  };
  const outside = config.eosTokens.find((token) => token >= config.vocabularySize);
  if (outside !== undefined) {
    throw invalid('generation_config.json', `eos_token_id ${outside} is outside the vocabulary`);
  }
  return config;
}

/** The `config.json` that `parseModelConfig` reads back, for checkpoints we write. */
export function modelConfigJson(config: ModelConfig): string {
  const raw = {
    architectures: ['Qwen3ForCausalLM'],
    model_type: 'qwen3',
    hidden_size: config.hiddenSize,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    num_key_value_heads: config.keyValueHeads,
    head_dim: config.headSize,
    intermediate_size: config.intermediateSize,
    vocab_size: config.vocabularySize,
    rms_norm_eps: config.rmsNormEpsilon,
    rope_theta: config.ropeTheta,
    rope_scaling: null,
    tie_word_embeddings: config.tiedHead,
    max_position_embeddings: config.maxPositions,
    hidden_act: 'silu',
    attention_bias: false,
    use_sliding_window: false,
    eos_token_id: config.eosTokens.length === 1 ? config.eosTokens[0] : config.eosTokens,
  };
  return `${JSON.stringify(raw, null, 2)}\n`;
}

function parse<T>(file: string, text: string, schema: z.ZodType<T>): T {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw invalid(file, 'it is not JSON', cause);
  }
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => `${issue.path.join('.') || file}: ${issue.message}`);
  throw invalid(file, problems.join('; '));
}

function invalid(file: string, problem: string, cause?: unknown): CallerError {
  return new CallerError('invalid_model_config', `${file} cannot be used: ${problem}.`, {
    param: file,
    cause,
  });
}
