import { describe, expect, test } from 'vitest';
import { modelConfigJson, parseModelConfig } from '../../src/model/config.ts';

/** The config of Qwen3-0.6B, as published. */
const qwen = {
  architectures: ['Qwen3ForCausalLM'],
  attention_bias: false,
  attention_dropout: 0.0,
  bos_token_id: 151643,
  eos_token_id: 151645,
  head_dim: 128,
  hidden_act: 'silu',
  hidden_size: 1024,
  initializer_range: 0.02,
  intermediate_size: 3072,
  max_position_embeddings: 40960,
  max_window_layers: 28,
  model_type: 'qwen3',
  num_attention_heads: 16,
  num_hidden_layers: 28,
  num_key_value_heads: 8,
  rms_norm_eps: 1e-6,
  rope_scaling: null,
  rope_theta: 1000000,
  sliding_window: null,
  tie_word_embeddings: true,
  torch_dtype: 'bfloat16',
  transformers_version: '4.51.0',
  use_cache: true,
  use_sliding_window: false,
  vocab_size: 151936,
};

describe('parseModelConfig', () => {
  test('reads the published Qwen3-0.6B config', () => {
    const generation = { eos_token_id: [151645, 151643], temperature: 0.6, top_k: 20 };
    expect(parseModelConfig(JSON.stringify(qwen), JSON.stringify(generation))).toEqual({
      hiddenSize: 1024,
      layers: 28,
      heads: 16,
      keyValueHeads: 8,
      headSize: 128,
      intermediateSize: 3072,
      vocabularySize: 151936,
      rmsNormEpsilon: 1e-6,
      ropeTheta: 1000000,
      tiedHead: true,
      maxPositions: 40960,
      eosTokens: [151645, 151643],
    });
  });

  test('falls back to the end token of config.json', () => {
    expect(parseModelConfig(JSON.stringify(qwen)).eosTokens).toEqual([151645]);
    expect(parseModelConfig(JSON.stringify(qwen), '{}').eosTokens).toEqual([151645]);
  });

  test('reads the newer rope_parameters spelling', () => {
    const { rope_theta: _theta, ...rest } = qwen;
    const newer = { ...rest, rope_parameters: { rope_theta: 5e6, rope_type: 'default' } };
    expect(parseModelConfig(JSON.stringify(newer)).ropeTheta).toBe(5e6);
  });

  test('reads back what modelConfigJson writes', () => {
    const config = parseModelConfig(JSON.stringify(qwen));
    expect(parseModelConfig(modelConfigJson(config))).toEqual(config);
    const several = { ...config, eosTokens: [1, 2] };
    expect(parseModelConfig(modelConfigJson(several))).toEqual(several);
  });

  test.each<[string, object, RegExp]>([
    ['another architecture', { model_type: 'llama' }, /model_type.*qwen3/],
    ['a mixture-of-experts Qwen3', { model_type: 'qwen3_moe' }, /model_type.*dense Qwen3/],
    ['rope scaling', { rope_scaling: { type: 'yarn', factor: 4 } }, /rope scaling/],
    ['yarn in rope_parameters', { rope_parameters: { rope_theta: 1e6, rope_type: 'yarn' } }, /rope_type/],
    ['attention bias', { attention_bias: true }, /attention bias/],
    ['sliding windows', { use_sliding_window: true }, /sliding windows/],
    ['sliding layers', { layer_types: ['full_attention', 'sliding_attention'] }, /full attention/],
    ['quantised weights', { quantization_config: { quant_method: 'gptq' } }, /quantised checkpoints/],
    ['another activation', { hidden_act: 'gelu' }, /silu/],
    ['uneven head groups', { num_key_value_heads: 3 }, /num_key_value_heads: must divide/],
    ['a head that is not whole in fours', { head_dim: 126 }, /head_dim: must be a multiple of 4/],
    ['a missing size', { hidden_size: undefined }, /hidden_size/],
    ['a size of zero', { vocab_size: 0 }, /vocab_size/],
    ['a fractional size', { num_hidden_layers: 2.5 }, /num_hidden_layers/],
    ['an absurd size', { hidden_size: 1e12 }, /hidden_size/],
    ['a size as text', { intermediate_size: '3072' }, /intermediate_size/],
    ['an end token outside the vocabulary', { eos_token_id: 151936 }, /outside the vocabulary/],
  ])('refuses %s and says so', (_title, change, message) => {
    const read = () => parseModelConfig(JSON.stringify({ ...qwen, ...change }));
    expect(read).toThrow(message);
    expect(read).toThrow(expect.objectContaining({ code: 'invalid_model_config' }));
  });

  test('reports all problems together', () => {
    const broken = JSON.stringify({ ...qwen, hidden_size: -1, vocab_size: 'many' });
    expect(() => parseModelConfig(broken)).toThrow(/hidden_size.*vocab_size/);
  });

  test('refuses what is not JSON', () => {
    expect(() => parseModelConfig('{')).toThrow(/config\.json.*not JSON/);
    expect(() => parseModelConfig(JSON.stringify(qwen), 'null')).toThrow(/generation_config\.json/);
  });
});
