/**
 * The router's model at the edge: the .onnx file's metadata and tensors, and its forward pass in plain TypeScript. The
 * same file runs in onnxruntime; this pass answers while that warms up or fails, and is the tests' oracle for it.
 */

import { z } from 'zod';
import { hashNgrams, type SparseVector } from '../hashed-ngrams.ts';
import { InternalError } from '../errors.ts';
import { readOnnx } from './onnx-reader.ts';
import { routingSegments } from './routing-text.ts';
import type { RouterMessage, SpecialtyProbability } from './types.ts';

const metadataSchema = z.strictObject({
  format: z.literal(1),
  labels: z.array(z.string()).min(1),
  ngrams: z.strictObject({
    buckets: z
      .number()
      .int()
      .refine((count) => count > 0 && (count & (count - 1)) === 0, 'a power of two'),
    orderWeights: z.array(z.number()).min(1).max(5),
  }),
  context: z.strictObject({
    lastTurnCharacters: z.number().int().positive(),
    earlierTurns: z.number().int().nonnegative(),
    earlierTurnCharacters: z.number().int().positive(),
    earlierTurnWeight: z.number().min(0).max(1),
  }),
});
export type RouterMetadata = z.infer<typeof metadataSchema>;

export interface RouterModel {
  readonly metadata: RouterMetadata;
  readonly idf: Uint8Array;
  /** [buckets, labels]: int8 codes of signed square roots, see the trainer's model.ts. */
  readonly codes: Int8Array;
  readonly scale: Float32Array;
  readonly bias: Float32Array;
}

const METADATA_KEY = 'sparsedoctor.router';
const SMALLEST_NORM = 1e-12;

export function loadRouterModel(bytes: Uint8Array): RouterModel {
  const { tensors, metadata } = readOnnx(bytes);
  const parsed = metadataSchema.safeParse(parseJson(metadata.get(METADATA_KEY) ?? ''));
  if (!parsed.success) {
    throw new InternalError(
      'bad_router_model',
      `The router model's metadata is not valid: ${parsed.error.message}`,
    );
  }
  const { labels, ngrams } = parsed.data;
  const tensor = (name: string, byteLength: number): ArrayBuffer => {
    const raw = tensors.get(name);
    if (raw?.byteLength !== byteLength) {
      throw new InternalError(
        'bad_router_model',
        `The router model's tensor ${name} is missing or misshapen.`,
      );
    }
    // A copy: float arrays need an aligned start, and the file need not be kept.
    return raw.slice().buffer;
  };
  return {
    metadata: parsed.data,
    idf: new Uint8Array(tensor('idf', ngrams.buckets)),
    codes: new Int8Array(tensor('codes', ngrams.buckets * labels.length)),
    scale: new Float32Array(tensor('scale', labels.length * 4)),
    bias: new Float32Array(tensor('bias', labels.length * 4)),
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The model's input for a conversation; never empty, since onnxruntime's kernels need a row to reduce over. */
export function routerFeatures(messages: readonly RouterMessage[], metadata: RouterMetadata): SparseVector {
  const features = hashNgrams(routingSegments(messages, metadata.context), metadata.ngrams);
  if (features.buckets.length > 0) return features;
  return { buckets: Int32Array.of(0), values: Float32Array.of(0) };
}

/** p_k = sigmoid(scale_k · Σ_b u_b q_bk|q_bk| + bias_k) with u = tf·idf at unit length. Float64 sums; [labels]. */
export function forward(model: RouterModel, features: SparseVector): Float64Array {
  const labels = model.metadata.labels.length;
  const sums = new Float64Array(labels);
  let squares = 0;
  for (const [at, bucket] of features.buckets.entries()) {
    const value = (features.values[at] ?? 0) * (model.idf[bucket] ?? 0);
    squares += value * value;
    for (let label = 0; label < labels; label++) {
      const code = model.codes[bucket * labels + label] ?? 0;
      sums[label] = (sums[label] ?? 0) + value * code * Math.abs(code);
    }
  }
  const norm = Math.max(Math.sqrt(squares), SMALLEST_NORM);
  return sums.map((sum, label) => {
    const logit = (sum / norm) * (model.scale[label] ?? 0) + (model.bias[label] ?? 0);
    return 1 / (1 + Math.exp(-logit));
  });
}

/** Names the probabilities; best first, ties in the model's order. */
export function rankSpecialties(
  metadata: RouterMetadata,
  probabilities: ArrayLike<number>,
): SpecialtyProbability[] {
  return metadata.labels
    .map((specialty, label) => ({ specialty, probability: probabilities[label] ?? 0 }))
    .sort((a, b) => b.probability - a.probability);
}
