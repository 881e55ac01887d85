/**
 * A checkpoint's weights as serving reads them: tensors that one dispatch takes together lie together. The joint tensors
 * are filled part by part from the checkpoint's own. Matrices are encoded in the format of weights as they are written, the
 * embedding too; norms stay f32.
 */
import { CallerError } from '../base/errors.ts';
import { invariant } from '../base/invariant.ts';
import type { Device, Tensor } from '../tensor/device.ts';
import { UnstorableValueError, writePart, type NumberFormat } from '../tensor/formats.ts';
import { createTensor, elements } from '../tensor/tensors.ts';
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

export function createLayerWeights(
  device: Device,
  config: ModelConfig,
  layer: number,
  format: NumberFormat,
): LayerWeights {
  const { hiddenSize: C, intermediateSize: F, heads: H, keyValueHeads: KV, headSize: D } = config;
  const make = (name: string, type: NumberFormat, ...shape: number[]): Tensor =>
    createTensor(device, `layers.${layer}.${name}`, shape, type);
  return {
    inputNorm: make('input_norm', 'f32', C),
    queryKeyValue: make('qkv', format, (H + 2 * KV) * D, C),
    headNorms: make('head_norms', 'f32', 2, D),
    output: make('output', format, C, H * D),
    ffnNorm: make('ffn_norm', 'f32', C),
    gateUp: make('gate_up', format, 2, F, C),
    down: make('down', format, C, F),
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

export function createOuterWeights(device: Device, config: ModelConfig, format: NumberFormat): OuterWeights {
  const { hiddenSize: C, vocabularySize: V } = config;
  const embedding = createTensor(device, 'embedding', [V, C], format);
  return {
    embedding,
    finalNorm: createTensor(device, 'final_norm', [C]),
    head: config.tiedHead ? embedding : createTensor(device, 'head', [V, C], format),
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
    try {
      await writePart(device, tensor, values, at);
    } catch (cause) {
      if (!(cause instanceof UnstorableValueError)) throw cause;
      const message = `Tensor ${name} does not fit the format of weights: ${cause.message}. Use f32 weights.`;
      throw new CallerError('weights_out_of_range', message, { param: name, cause });
    }
    at += values.length;
  }
  invariant(at === elements(tensor.shape), `${names.join(', ')} have ${at} elements`);
}
