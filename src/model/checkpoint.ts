/**
 * A Qwen3 checkpoint in Hugging Face's layout: `config.json`, `generation_config.json`, and `model.safetensors` or the
 * files of `model.safetensors.index.json`. Opening it reads headers only and checks that every tensor the forward pass
 * needs is there in the right shape, so that nothing fails halfway through loading.
 */
import { z } from 'zod';
import { CallerError } from '../base/errors.ts';
import { invariant } from '../base/invariant.ts';
import { readText, type FileSource } from './byte-source.ts';
import { modelConfigJson, parseModelConfig, type ModelConfig } from './config.ts';
import { EMBEDDING, FINAL_NORM, HEAD, layerNames } from './parameters.ts';
import {
  isFloatType,
  openSafetensors,
  writeSafetensors,
  type FloatType,
  type SafetensorsFile,
} from './safetensors.ts';

export interface Checkpoint {
  readonly config: ModelConfig;
  /** Names of the tensors the model uses, in `checkpointShapes` order. */
  readonly names: readonly string[];
  tensor(name: string): Promise<Float32Array>;
  stored(name: string): Promise<{ readonly type: FloatType; readonly bytes: Uint8Array }>;
}

const indexSchema = z.object({
  weight_map: z.record(
    z.string().max(512),
    z.string().regex(/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,200}\.safetensors$/),
  ),
});

const MAX_FILES = 1024;

/** Every tensor of the model with its shape. Matrices are [out, in]. */
export function checkpointShapes(config: ModelConfig): ReadonlyMap<string, readonly number[]> {
  const { hiddenSize, headSize, intermediateSize, vocabularySize } = config;
  const queries = config.heads * headSize;
  const keys = config.keyValueHeads * headSize;
  const shapes = new Map<string, readonly number[]>([[EMBEDDING, [vocabularySize, hiddenSize]]]);
  for (let layer = 0; layer < config.layers; layer++) {
    const names = layerNames(layer);
    shapes.set(names.inputNorm, [hiddenSize]);
    shapes.set(names.query, [queries, hiddenSize]);
    shapes.set(names.key, [keys, hiddenSize]);
    shapes.set(names.value, [keys, hiddenSize]);
    shapes.set(names.queryNorm, [headSize]);
    shapes.set(names.keyNorm, [headSize]);
    shapes.set(names.output, [hiddenSize, queries]);
    shapes.set(names.ffnNorm, [hiddenSize]);
    shapes.set(names.gate, [intermediateSize, hiddenSize]);
    shapes.set(names.up, [intermediateSize, hiddenSize]);
    shapes.set(names.down, [hiddenSize, intermediateSize]);
  }
  shapes.set(FINAL_NORM, [hiddenSize]);
  if (!config.tiedHead) shapes.set(HEAD, [vocabularySize, hiddenSize]);
  return shapes;
}

export async function openCheckpoint(files: FileSource): Promise<Checkpoint> {
  const configText = await readText(files, 'config.json');
  if (configText === undefined) throw missingFile('config.json');
  const config = parseModelConfig(configText, await readText(files, 'generation_config.json'));
  const locate = await openWeights(files);
  const shapes = checkpointShapes(config);
  for (const [name, shape] of shapes) checkTensor(name, shape, locate(name));
  refuseUnknown(locate.names, shapes, config);
  const fileOf = (name: string): SafetensorsFile => {
    const file = shapes.has(name) ? locate(name) : undefined;
    if (file === undefined) throw missingTensor(name);
    return file;
  };
  return {
    config,
    names: [...shapes.keys()],
    tensor: async (name) => fileOf(name).tensor(name),
    stored: async (name) => {
      const file = fileOf(name);
      const type = file.header.tensors.get(name)?.type;
      invariant(isFloatType(type), 'every tensor was checked on opening');
      return { type, bytes: await file.bytes(name) };
    },
  };
}

/** The files of a checkpoint we made: its config and one `model.safetensors`. */
export function encodeCheckpoint(
  config: ModelConfig,
  tensors: ReadonlyMap<string, Float32Array>,
  type: FloatType,
): Readonly<Record<'config.json' | 'model.safetensors', Uint8Array>> {
  const entries = [...checkpointShapes(config)].map(([name, shape]) => {
    const values = tensors.get(name);
    if (values === undefined) throw missingTensor(name);
    return { name, type, shape, values };
  });
  return {
    'config.json': new TextEncoder().encode(modelConfigJson(config)),
    'model.safetensors': writeSafetensors(entries, { format: 'pt' }),
  };
}

interface Locate {
  (name: string): SafetensorsFile | undefined;
  readonly names: readonly string[];
}

async function openWeights(files: FileSource): Promise<Locate> {
  const single = await files.get('model.safetensors');
  if (single !== undefined) {
    const file = await openSafetensors(single);
    const locate = (name: string) => (file.header.tensors.has(name) ? file : undefined);
    return Object.assign(locate, { names: [...file.header.tensors.keys()] });
  }
  const weightMap = await readIndex(files);
  const opened = new Map<string, SafetensorsFile>();
  for (const fileName of new Set(weightMap.values())) {
    const source = await files.get(fileName);
    if (source === undefined) throw missingFile(fileName);
    opened.set(fileName, await openSafetensors(source));
  }
  const locate = (name: string): SafetensorsFile | undefined => {
    const file = opened.get(weightMap.get(name) ?? '');
    return file?.header.tensors.has(name) === true ? file : undefined;
  };
  return Object.assign(locate, { names: [...weightMap.keys()] });
}

async function readIndex(files: FileSource): Promise<ReadonlyMap<string, string>> {
  const name = 'model.safetensors.index.json';
  const text = await readText(files, name);
  if (text === undefined) throw missingFile('model.safetensors');
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new CallerError('invalid_checkpoint', `${name} is not JSON; download it again.`, {
      param: name,
      cause,
    });
  }
  const result = indexSchema.safeParse(json);
  if (!result.success) {
    const problem = z.prettifyError(result.error).slice(0, 500);
    throw new CallerError('invalid_checkpoint', `${name} cannot be used: ${problem}`, { param: name });
  }
  const weightMap = new Map(Object.entries(result.data.weight_map));
  if (new Set(weightMap.values()).size > MAX_FILES) {
    throw new CallerError('invalid_checkpoint', `${name} names more than ${MAX_FILES} files.`, {
      param: name,
    });
  }
  return weightMap;
}

function checkTensor(name: string, shape: readonly number[], file: SafetensorsFile | undefined): void {
  const entry = file?.header.tensors.get(name);
  if (entry === undefined) throw missingTensor(name);
  if (!isFloatType(entry.type)) {
    const message = `Tensor ${name} is ${entry.type}; use the F32, F16 or BF16 checkpoint.`;
    throw new CallerError('invalid_checkpoint', message, { param: name });
  }
  if (entry.shape.length !== shape.length || entry.shape.some((size, i) => size !== shape[i])) {
    const message = `Tensor ${name} is [${entry.shape.join(', ')}], but config.json asks for [${shape.join(', ')}]. Do config.json and the weights belong together?`;
    throw new CallerError('invalid_checkpoint', message, { param: name });
  }
}

/** A tensor that we would ignore (a bias, a seventh projection) means another computation than ours. */
function refuseUnknown(
  names: readonly string[],
  known: ReadonlyMap<string, unknown>,
  config: ModelConfig,
): void {
  const harmless = (name: string) =>
    name.endsWith('.rotary_emb.inv_freq') || (config.tiedHead && name === HEAD);
  const unknown = names.find((name) => !known.has(name) && !harmless(name));
  if (unknown === undefined) return;
  const quoted = JSON.stringify(unknown.slice(0, 120));
  const message = `The checkpoint holds tensor ${quoted}, which Qwen3 with this config.json does not have. Use a dense Qwen3 checkpoint and its own config.json.`;
  throw new CallerError('invalid_checkpoint', message, { param: unknown.slice(0, 120) });
}

function missingTensor(name: string): CallerError {
  const hint =
    name === HEAD ? ' (or set tie_word_embeddings in config.json, if the head is the embedding)' : '';
  const message = `The checkpoint lacks tensor ${name}. Download the complete checkpoint again${hint}.`;
  return new CallerError('missing_tensor', message, { param: name });
}

function missingFile(name: string): CallerError {
  const message = `The model directory has no ${name}. Point to a Hugging Face directory with config.json and safetensors weights.`;
  return new CallerError('missing_model_file', message, { param: name });
}
