/**
 * A checkpoint's weights as serving reads them: tensors that one dispatch takes together lie together. The joint tensors
 * are filled part by part from the checkpoint's own.
 */
import { invariant } from '../base/invariant.ts';
import type { Device, Tensor } from '../tensor/device.ts';
import { createTensor, elements, writeTensor } from '../tensor/tensors.ts';
import type { Checkpoint } from './checkpoint.ts';
import type { ModelConfig } from './config.ts';
import { EMBEDDING, FINAL_NORM, HEAD, layerNames } from './parameters.ts';

export interface LayerWeights {
  /** [C] */
  readonly inputNorm: Tensor;
  /** [(H + 2·KV) · D, C] */
  readonly queryKeyValue: Tensor;
  /** [2, D], of queries and of keys. */
  readonly headNorms: Tensor;
  /** [C, H · D] */
  readonly output: Tensor;
  /** [C] */
  readonly ffnNorm: Tensor;
  /** [2, F, C] */
  readonly gateUp: Tensor;
  /** [C, F] */
  readonly down: Tensor;
}

/** Those outside the layers. */
export interface OuterWeights {
  /** [V, C] */
  readonly embedding: Tensor;
  /** [C] */
  readonly finalNorm: Tensor;
  /** [V, C]; the embedding itself where the head is tied. */
  readonly head: Tensor;
}

export function createLayerWeights(device: Device, config: ModelConfig, layer: number): LayerWeights {
  const { hiddenSize: C, intermediateSize: F, heads: H, keyValueHeads: KV, headSize: D } = config;
  const make = (name: string, ...shape: number[]): Tensor =>
    createTensor(device, `layers.${layer}.${name}`, shape);
  return {
    inputNorm: make('input_norm', C),
    queryKeyValue: make('qkv', (H + 2 * KV) * D, C),
    headNorms: make('head_norms', 2, D),
    output: make('output', C, H * D),
    ffnNorm: make('ffn_norm', C),
    gateUp: make('gate_up', 2, F, C),
    down: make('down', C, F),
  };
}

export async function loadLayerWeights(
  device: Device,
  checkpoint: Checkpoint,
  layer: number,
  weights: LayerWeights,
): Promise<void> {
  const names = layerNames(layer);
  await fill(device, checkpoint, weights.inputNorm, names.inputNorm);
  await fill(device, checkpoint, weights.queryKeyValue, names.query, names.key, names.value);
  await fill(device, checkpoint, weights.headNorms, names.queryNorm, names.keyNorm);
  await fill(device, checkpoint, weights.output, names.output);
  await fill(device, checkpoint, weights.ffnNorm, names.ffnNorm);
  await fill(device, checkpoint, weights.gateUp, names.gate, names.up);
  await fill(device, checkpoint, weights.down, names.down);
}

export function createOuterWeights(device: Device, config: ModelConfig): OuterWeights {
  const { hiddenSize: C, vocabularySize: V } = config;
  const embedding = createTensor(device, 'embedding', [V, C]);
  return {
    embedding,
    finalNorm: createTensor(device, 'final_norm', [C]),
    head: config.tiedHead ? embedding : createTensor(device, 'head', [V, C]),
  };
}

export async function loadOuterWeights(
  device: Device,
  checkpoint: Checkpoint,
  weights: OuterWeights,
): Promise<void> {
  await fill(device, checkpoint, weights.embedding, EMBEDDING);
  await fill(device, checkpoint, weights.finalNorm, FINAL_NORM);
  if (!checkpoint.config.tiedHead) await fill(device, checkpoint, weights.head, HEAD);
}

/** Writes tensors of the checkpoint one after the other into one of the device. */
async function fill(
  device: Device,
  checkpoint: Checkpoint,
  tensor: Tensor,
  ...names: readonly string[]
): Promise<void> {
  let at = 0;
  for (const name of names) {
    const values = await checkpoint.tensor(name);
    await writeTensor(device, { ...tensor, byteOffset: tensor.byteOffset + at * 4 }, values);
    at += values.length;
  }
  invariant(at === elements(tensor.shape), `${names.join(', ')} have ${at} elements`);
}
