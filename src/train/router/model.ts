/**
 * The router's model: hashed n-grams weighted by inverse document frequency, brought to unit length, one calibrated
 * linear function a label, a sigmoid each. Trained in floats, shipped in bytes.
 *
 *   p_k(x) = sigmoid(scale_k · Σ_b u_b · q_bk·|q_bk| + bias_k),   u = v / |v|,   v_b = tf_b · idf_b
 *
 * q are int8 codes of the weights' signed square roots: weights are mostly tiny, and a linear code would round a third
 * of them to zero beside the few large ones.
 */

import { invariant } from '../../base/invariant.ts';
import type { Calibration } from './calibration.ts';
import type { RouterConfig } from './config.ts';
import { writeOnnx, type OnnxNode, type OnnxTensor } from './onnx-writer.ts';
import type { LinearModel } from './sparse.ts';

export interface RouterModel {
  readonly labels: readonly string[];
  readonly buckets: number;
  /** Codes of the inverse document frequencies; their unit cancels in the normalisation. */
  readonly idf: Uint8Array;
  /** [buckets, labels] */
  readonly codes: Int8Array;
  /** [labels]: unit of the codes times the calibration's slope. */
  readonly scale: Float32Array;
  /** [labels] */
  readonly bias: Float32Array;
}

const IDF_LEVELS = 255;
const CODE_LEVELS = 127;

/** Codes are made before training, so that the model is trained on what is shipped. */
export function quantiseIdf(idf: Float32Array): Uint8Array {
  const largest = idf.reduce((most, value) => Math.max(most, value), 0);
  invariant(largest > 0, 'some bucket occurs');
  return Uint8Array.from(idf, (value) => Math.round((value / largest) * IDF_LEVELS));
}

export function quantiseModel(
  labels: readonly string[],
  idf: Uint8Array,
  linear: LinearModel,
  calibrations: readonly Calibration[],
): RouterModel {
  const buckets = linear.columns;
  const codes = new Int8Array(buckets * labels.length);
  const scale = new Float32Array(labels.length);
  const bias = new Float32Array(labels.length);
  for (const [label] of labels.entries()) {
    const start = label * (buckets + 1);
    const weights = linear.weights.subarray(start, start + buckets);
    const largest = weights.reduce((most, weight) => Math.max(most, Math.abs(weight)), 0);
    for (const [bucket, weight] of weights.entries()) {
      const root = largest > 0 ? Math.sqrt(Math.abs(weight) / largest) : 0;
      codes[bucket * labels.length + label] = Math.sign(weight) * Math.round(root * CODE_LEVELS);
    }
    const calibration = calibrations[label] ?? { slope: 1, offset: 0 };
    scale[label] = (largest / CODE_LEVELS ** 2) * calibration.slope;
    bias[label] = (linear.weights[start + buckets] ?? 0) * calibration.slope + calibration.offset;
  }
  return { labels, buckets, idf, codes, scale, bias };
}

/** The shipped model as floats again, for measuring many rows at once: scores are the logits. */
export function dequantise(model: RouterModel): LinearModel {
  const labels = model.labels.length;
  const stride = model.buckets + 1;
  const weights = new Float32Array(labels * stride);
  for (let label = 0; label < labels; label++) {
    for (let bucket = 0; bucket < model.buckets; bucket++) {
      const code = model.codes[bucket * labels + label] ?? 0;
      weights[label * stride + bucket] = code * Math.abs(code) * (model.scale[label] ?? 0);
    }
    weights[label * stride + model.buckets] = model.bias[label] ?? 0;
  }
  return { labels, columns: model.buckets, weights };
}

/** What the edge needs beside the graph, as JSON in the model's metadata. */
const METADATA_KEY = 'sparsedoctor.router';

export function toOnnx(model: RouterModel, config: RouterConfig): Uint8Array {
  const labels = model.labels.length;
  const initializers: OnnxTensor[] = [
    { name: 'idf', type: 'uint8', dims: [model.buckets], bytes: model.idf },
    { name: 'codes', type: 'int8', dims: [model.buckets, labels], bytes: bytesOf(model.codes) },
    { name: 'scale', type: 'float', dims: [labels], bytes: bytesOf(model.scale) },
    { name: 'bias', type: 'float', dims: [labels], bytes: bytesOf(model.bias) },
    { name: 'smallest_norm', type: 'float', dims: [1], bytes: bytesOf(Float32Array.of(1e-12)) },
    { name: 'one_row', type: 'int64', dims: [2], bytes: bytesOf(BigInt64Array.of(1n, -1n)) },
  ];
  const metadata = {
    format: 1,
    labels: model.labels,
    ngrams: { buckets: model.buckets, orderWeights: config.orderWeights },
    context: config.context,
  };
  return writeOnnx({
    name: 'router',
    inputs: [
      { name: 'buckets', type: 'int32', dims: ['ngrams'] },
      { name: 'values', type: 'float', dims: ['ngrams'] },
    ],
    outputs: [{ name: 'probabilities', type: 'float', dims: [1, labels] }],
    initializers,
    nodes: NODES,
    metadata: { [METADATA_KEY]: JSON.stringify(metadata) },
  });
}

const FLOAT = 1;
const DOUBLE = 11;
const cast = (input: string, output: string, to: number): OnnxNode => ({
  op: 'Cast',
  inputs: [input],
  output,
  attributes: { to },
});

/** In doubles: the sums cancel, and in floats their error shows in the sixth digit of a probability. */
const NODES: readonly OnnxNode[] = [
  { op: 'Gather', inputs: ['idf', 'buckets'], output: 'idf_codes' },
  cast('idf_codes', 'idf_rows', DOUBLE),
  cast('values', 'frequencies', DOUBLE),
  { op: 'Mul', inputs: ['frequencies', 'idf_rows'], output: 'weighted' },
  { op: 'ReduceSumSquare', inputs: ['weighted'], output: 'squares', attributes: { axes: [0], keepdims: 1 } },
  { op: 'Sqrt', inputs: ['squares'], output: 'norm' },
  cast('smallest_norm', 'smallest', DOUBLE),
  { op: 'Max', inputs: ['norm', 'smallest'], output: 'safe_norm' },
  { op: 'Div', inputs: ['weighted', 'safe_norm'], output: 'unit' },
  { op: 'Reshape', inputs: ['unit', 'one_row'], output: 'unit_row' },
  { op: 'Gather', inputs: ['codes', 'buckets'], output: 'code_rows' },
  cast('code_rows', 'roots', DOUBLE),
  { op: 'Abs', inputs: ['roots'], output: 'magnitudes' },
  { op: 'Mul', inputs: ['roots', 'magnitudes'], output: 'weights' },
  { op: 'MatMul', inputs: ['unit_row', 'weights'], output: 'sums' },
  cast('scale', 'scale_double', DOUBLE),
  { op: 'Mul', inputs: ['sums', 'scale_double'], output: 'scaled' },
  cast('bias', 'bias_double', DOUBLE),
  { op: 'Add', inputs: ['scaled', 'bias_double'], output: 'logits' },
  { op: 'Sigmoid', inputs: ['logits'], output: 'sigmoids' },
  cast('sigmoids', 'probabilities', FLOAT),
];

function bytesOf(array: Int8Array | Float32Array | BigInt64Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
