/** llama.cpp and the float64 oracle, written apart, agree: so either may judge our model. */
import { describe, expect, test } from 'vitest';
import type { ModelConfig } from '../../src/model/config.ts';
import type { ShardFile } from '../../src/model/shard-file.ts';
import { ggufLora, ggufModel } from '../support/gguf.ts';
import { llamaLogits } from '../support/llama-cpp.ts';
import { largestDifference } from '../support/logits.ts';
import { chooseExperts, oracleLogits, type OracleShard } from '../support/qwen3-oracle.ts';
import { tinyModel, tinyShard, tinyTokens } from '../support/tiny-model.ts';

const shapes: [string, Partial<ModelConfig>][] = [
  ['a tied head', {}],
  ['a head of its own', { tiedHead: false }],
  ['heads wider than the model', { headSize: 32, rmsNormEpsilon: 1e-5 }],
  ['no grouped heads', { keyValueHeads: 4, ropeTheta: 1_000_000 }],
  ['one key head, odd sizes', { keyValueHeads: 1, intermediateSize: 160, layers: 1, vocabularySize: 300 }],
];

describe('the float64 oracle', () => {
  test.each(shapes)('agrees with llama.cpp on the base model: %s', async (_title, sizes) => {
    const model = await tinyModel(sizes);
    const tokens = tinyTokens(model, 40);
    const { vocabularySize } = model.config;
    const llama = await llamaLogits({ model: ggufModel(model), tokens, vocabularySize });
    expect(largestDifference(oracleLogits(model, tokens), llama)).toBeLessThan(1e-5);
  });

  test.each(shapes)('agrees with llama.cpp on one LoRA expert: %s', async (_title, sizes) => {
    const model = await tinyModel(sizes);
    const shard = await tinyShard(model, { experts: 1, topK: 1, rank: 4, alpha: 6 });
    const tokens = tinyTokens(model, 40);
    const { vocabularySize } = model.config;
    const lora = ggufLora(shard, model.config);
    const llama = await llamaLogits({ model: ggufModel(model), lora, tokens, vocabularySize });
    const oracle = oracleLogits(model, tokens, { shards: [{ shard, prior: 0.7 }] });
    expect(largestDifference(oracle, llama)).toBeLessThan(1e-5);
    // The expert is no trifle that both could have left out.
    expect(largestDifference(oracle, oracleLogits(model, tokens))).toBeGreaterThan(0.5);
  });

  test('mixes equal experts of two shards as llama.cpp does one', async () => {
    const model = await tinyModel();
    const one = await tinyShard(model, { experts: 1, topK: 1 });
    const twins = twinExperts(one);
    const tokens = tinyTokens(model, 30);
    const lora = ggufLora(one, model.config);
    const llama = await llamaLogits({ model: ggufModel(model), lora, tokens, vocabularySize: 256 });
    const shards = [
      { shard: twins, prior: 0.6 },
      { shard: one, prior: 0.2 },
    ];
    expect(largestDifference(oracleLogits(model, tokens, { shards }), llama)).toBeLessThan(1e-5);
  });
});

describe('the gate of the oracle', () => {
  test('weighs experts as worked out by hand', () => {
    // The input [1, 0] gives each expert the first number of its router row as logit. Shard a: log-softmax of
    // [ln 1, ln 3] is [ln 1/4, ln 3/4], and its prior is 2/3; shard b: [ln 1], and 1/3. So the scores are
    // ln [1/6, 1/2, 1/3]; the two best are 1/2 and 1/3, as weights 3/5 and 2/5.
    const a = onlyRouter([0, 9, Math.log(3), 9], 1);
    const b = onlyRouter([5, 9], 2);
    const shards = [
      { shard: a, prior: 0.5 },
      { shard: b, prior: 0.25 },
    ];
    const [first, second, ...more] = chooseExperts({ shards }, 0, Float64Array.of(1, 0));
    expect(more).toEqual([]);
    expect(first).toEqual({ shard: a, expert: 1, weight: expect.closeTo(0.6, 6) });
    expect(second).toEqual({ shard: b, expert: 0, weight: expect.closeTo(0.4, 6) });
  });
});

/** Two copies of a shard's only expert, with opposite routers. */
function twinExperts(one: ShardFile): ShardFile {
  const layers = one.layers.map(({ linears, router }) => {
    const pairs = Object.entries(linears).map(([name, { A, B }]) => [name, { A: twice(A), B: twice(B) }]);
    return { router: twice(router!, -1), linears: Object.fromEntries(pairs) };
  });
  return { ...one, experts: 2, layers, metadata: { ...one.metadata, topK: 2 } };
}

function twice(values: Float32Array, sign = 1): Float32Array {
  return Float32Array.from([...values, ...values.map((value) => sign * value)]);
}

function onlyRouter(router: number[], topK: number): OracleShard {
  const layers = [{ router: Float32Array.from(router), linears: {} }];
  return { experts: router.length / 2, layers, metadata: { rank: 1, alpha: 1, topK } };
}
