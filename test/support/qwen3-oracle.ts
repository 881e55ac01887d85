/**
 * Qwen3 with LoRA experts as plain as it can be said, in float64, one sequence at a time: no batches, no cache, no
 * kernels. It shares no code with `src/`, so that both can only agree by both being right; llama.cpp in turn is held
 * against it. Letters: T tokens, C channels, H heads, D head size, E experts, R rank.
 *
 * Block (https://arxiv.org/abs/2505.09388, and the `Qwen3` model of Hugging Face transformers):
 *   h += o_proj(attention(rope(norm_q(q)), rope(norm_k(k)), v)),  q, k, v = {q,k,v}_proj(norm(h)), norms per head
 *   h += down(silu(gate(n)) ⊙ up(n)),  n = norm(h)
 *   y = W x + Σ_{e ∈ TopK} g_e · (α/R) · B_e A_e x   in gate, up and down
 */
import type { ShardMetadata } from '../../src/base/shard-metadata.ts';
import type { ModelConfig } from '../../src/model/config.ts';
import type { ShardFile } from '../../src/model/shard-file.ts';

/** What the oracle reads of a `ShardFile`. */
export interface OracleShard extends Pick<ShardFile, 'experts' | 'layers'> {
  readonly metadata: Pick<ShardMetadata, 'rank' | 'alpha' | 'topK'>;
}

export interface OracleRoute {
  readonly shards: readonly { readonly shard: OracleShard; readonly prior: number }[];
}

export interface OracleModel {
  readonly config: ModelConfig;
  readonly tensors: ReadonlyMap<string, Float32Array>;
}

interface ChosenExpert {
  readonly shard: OracleShard;
  readonly expert: number;
  readonly weight: number;
}

type Linear = 'gate_proj' | 'up_proj' | 'down_proj';

/** Logits [T][V] of one sequence. `beta` scales the priors' logarithms. */
export function oracleLogits(
  model: OracleModel,
  tokens: Iterable<number>,
  route: OracleRoute = { shards: [] },
  beta = 1,
): Float64Array[] {
  const { config } = model;
  const embedding = weight(model, 'model.embed_tokens.weight');
  const C = config.hiddenSize;
  const hidden = [...tokens].map((token) =>
    Float64Array.from(embedding.subarray(token * C, (token + 1) * C)),
  );
  for (let layer = 0; layer < config.layers; layer++) {
    attend(model, layer, hidden);
    for (const h of hidden) feedForward(model, layer, h, route, beta);
  }
  const head = config.tiedHead ? embedding : weight(model, 'lm_head.weight');
  const finalNorm = weight(model, 'model.norm.weight');
  return hidden.map((h) => multiply(head, rmsNorm(h, finalNorm, config.rmsNormEpsilon)));
}

/** The experts one token takes in one layer, and their weights, highest first. `n` is the FFN norm's output. */
export function chooseExperts(route: OracleRoute, layer: number, n: Float64Array, beta = 1): ChosenExpert[] {
  const total = sum(route.shards.map(({ prior }) => prior));
  const scored = route.shards.flatMap(({ shard, prior }) => {
    const logits = multiply(shard.layers[layer]?.router ?? new Float32Array(0), n);
    const shift = logSumExp([...logits]) - beta * Math.log(prior / total);
    return [...logits].map((logit, expert) => ({ shard, expert, score: logit - shift }));
  });
  const k = Math.max(0, ...route.shards.map(({ shard }) => shard.metadata.topK));
  const chosen = scored.toSorted((a, b) => b.score - a.score).slice(0, k);
  const norm = logSumExp(chosen.map(({ score }) => score));
  return chosen.map(({ shard, expert, score }) => ({ shard, expert, weight: Math.exp(score - norm) }));
}

function attend(model: OracleModel, layer: number, hidden: Float64Array[]): void {
  const { config } = model;
  const { heads: H, keyValueHeads, headSize: D, rmsNormEpsilon: epsilon } = config;
  const tensor = (name: string) => weight(model, `model.layers.${layer}.${name}.weight`);
  const inputs = hidden.map((h) => rmsNorm(h, tensor('input_layernorm'), epsilon));
  const headsOf = (name: 'q' | 'k') =>
    inputs.map((x, position) =>
      split(multiply(tensor(`self_attn.${name}_proj`), x), D).map((head) =>
        rotate(rmsNorm(head, tensor(`self_attn.${name}_norm`), epsilon), position, config.ropeTheta),
      ),
    );
  const queries = headsOf('q');
  const keys = headsOf('k');
  const values = inputs.map((x) => split(multiply(tensor('self_attn.v_proj'), x), D));
  for (const [t, h] of hidden.entries()) {
    const attended = new Float64Array(H * D);
    for (let head = 0; head < H; head++) {
      const group = Math.floor(head / (H / keyValueHeads));
      const past = Array.from({ length: t + 1 }, (_, s) => s);
      const scores = past.map((s) => dot(at(at(queries, t), head), at(at(keys, s), group)) / Math.sqrt(D));
      const norm = logSumExp(scores);
      for (const s of past) {
        const share = Math.exp(at(scores, s) - norm);
        at(at(values, s), group).forEach((value, d) => {
          attended[head * D + d] = at(attended, head * D + d) + share * value;
        });
      }
    }
    add(h, multiply(tensor('self_attn.o_proj'), attended));
  }
}

function feedForward(
  model: OracleModel,
  layer: number,
  h: Float64Array,
  route: OracleRoute,
  beta: number,
): void {
  const tensor = (name: string) => weight(model, `model.layers.${layer}.${name}.weight`);
  const n = rmsNorm(h, tensor('post_attention_layernorm'), model.config.rmsNormEpsilon);
  const chosen = chooseExperts(route, layer, n, beta);
  const adapted = (linear: Linear, x: Float64Array): Float64Array => {
    const y = multiply(tensor(`mlp.${linear}`), x);
    for (const { shard, expert, weight: g } of chosen) {
      const { alpha, rank } = shard.metadata;
      const halves = shard.layers[layer]?.linears[linear];
      if (halves === undefined) continue;
      const A = part(halves.A, expert, shard.experts);
      const B = part(halves.B, expert, shard.experts);
      add(y, multiply(B, multiply(A, x)), (g * alpha) / rank);
    }
    return y;
  };
  const gate = adapted('gate_proj', n);
  const up = adapted('up_proj', n);
  add(
    h,
    adapted(
      'down_proj',
      gate.map((value, i) => (value / (1 + Math.exp(-value))) * at(up, i)),
    ),
  );
}

/** y = W x; W [out, in] flat, its rows as long as x. */
function multiply(matrix: Float32Array, x: Float64Array): Float64Array {
  const y = new Float64Array(matrix.length / x.length);
  for (let row = 0; row < y.length; row++) {
    let total = 0;
    for (let i = 0; i < x.length; i++) total += at(matrix, row * x.length + i) * at(x, i);
    y[row] = total;
  }
  return y;
}

function rmsNorm(x: Float64Array, gain: Float32Array, epsilon: number): Float64Array {
  const scale = 1 / Math.sqrt(dot(x, x) / x.length + epsilon);
  return x.map((value, i) => value * scale * at(gain, i));
}

/** RoPE in the half-split form: dimension i turns with dimension i + D/2 by the angle position · θ^(-2i/D). */
function rotate(x: Float64Array, position: number, theta: number): Float64Array {
  const half = x.length / 2;
  return x.map((value, i) => {
    const angle = position * theta ** (-(2 * (i % half)) / x.length);
    const partner = i < half ? -at(x, i + half) : at(x, i - half);
    return value * Math.cos(angle) + partner * Math.sin(angle);
  });
}

function logSumExp(values: number[]): number {
  const most = Math.max(...values);
  return most + Math.log(sum(values.map((value) => Math.exp(value - most))));
}

function split(x: Float64Array, size: number): Float64Array[] {
  return Array.from({ length: x.length / size }, (_, i) => x.subarray(i * size, (i + 1) * size));
}

function part(values: Float32Array, index: number, count: number): Float32Array {
  const size = values.length / count;
  return values.subarray(index * size, (index + 1) * size);
}

function add(target: Float64Array, source: Float64Array, factor = 1): void {
  for (let i = 0; i < target.length; i++) target[i] = at(target, i) + factor * at(source, i);
}

function dot(a: Float64Array, b: Float64Array): number {
  return sum([...a].map((value, i) => value * at(b, i)));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function weight(model: OracleModel, name: string): Float32Array {
  const values = model.tensors.get(name);
  if (values === undefined) throw new Error(`the oracle's model lacks ${name}`);
  return values;
}

/** An index that must exist: reading past an end would otherwise turn into NaN far away. */
function at<T>(values: ArrayLike<T>, index: number): T {
  const value = values[index];
  if (value === undefined) throw new Error(`index ${index} of ${values.length}`);
  return value;
}
