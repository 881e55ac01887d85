/** A run's folder: metrics as JSON lines, the exact state, and where asked for the weights of the best validation. */
import { appendFile, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CallerError } from '../base/errors.ts';
import type { Device } from '../tensor/device.ts';
import { elements, readTensor, writeTensor } from '../tensor/tensors.ts';
import { resumeMetrics } from './metrics-file.ts';
import type { RunHistory } from './metrics-file.ts';
import { decodeRunState, encodeRunState } from './resume-file.ts';
import type { BestWeights } from './run.ts';
import type { Trainer } from './trainer.ts';
import { writeWhole } from './write-whole.ts';

export interface RunFolder {
  readonly path: string;
  metric(values: Readonly<Record<string, unknown>>): Promise<void>;
  save(): Promise<void>;
  /** Step that the run goes on from, 0 when there is nothing to resume. Metrics of steps after it are removed. */
  resume(): Promise<number>;
  /** What `resume` has found of the steps before. */
  history(): RunHistory;
  readonly best: BestWeights;
}

const STATE = 'state.safetensors';
const BEST = 'best.safetensors';

/** `run` identifies config and data; a state of another run is refused. */
export async function openRunFolder(
  path: string,
  run: string,
  device: Device,
  trainer: Trainer,
): Promise<RunFolder> {
  await mkdir(path, { recursive: true });
  const metrics = join(path, 'metrics.jsonl');
  let history: RunHistory = { losses: [], validations: [] };
  const save = async (name: string): Promise<void> => {
    await writeWhole(join(path, name), await encodeTrainer(device, trainer, run, 'exact'));
  };
  const restore = async (name: string): Promise<void> => {
    const bytes = await readState(join(path, name));
    if (bytes) await restoreTrainer(device, trainer, [run], bytes);
  };
  return {
    path,
    metric: (values) => appendFile(metrics, `${JSON.stringify(values)}\n`),
    save: () => save(STATE),
    async resume() {
      await restore(STATE);
      history = await resumeMetrics(metrics, trainer.step);
      return trainer.step;
    },
    history: () => history,
    best: { keep: () => save(BEST), restore: () => restore(BEST) },
  };
}

/** Null only where there is none: a state that cannot be read must not be written over by a run from the start. */
async function readState(path: string): Promise<Uint8Array | null> {
  try {
    const { buffer, byteOffset, length } = await readFile(path);
    return new Uint8Array(buffer, byteOffset, length);
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return null;
    const message = `${path} cannot be read: make it readable, or move it away to start anew.`;
    throw new CallerError('unreadable_state', message, { param: path, cause });
  }
}

export async function encodeTrainer(
  device: Device,
  trainer: Trainer,
  run: string,
  form: 'exact' | 'compact',
): Promise<Uint8Array> {
  const weights = await readTensor(device, trainer.network.trained.whole);
  const first = await readTensor(device, trainer.optimizer.first);
  const second = await readTensor(device, trainer.optimizer.second);
  const memories = new Map<string, Uint8Array>();
  for (const [name, { buffer, byteOffset, shape }] of trainer.network.memories()) {
    memories.set(name, new Uint8Array(await device.read(buffer, byteOffset, elements(shape) * 4)));
  }
  return encodeRunState({ run, step: trainer.step, weights, first, second, memories }, form);
}

export async function restoreTrainer(
  device: Device,
  trainer: Trainer,
  runs: readonly string[],
  bytes: Uint8Array,
): Promise<void> {
  const { whole } = trainer.network.trained;
  const memories = trainer.network.memories();
  const sizes = new Map([...memories].map(([name, { shape }]) => [name, elements(shape) * 4]));
  const state = await decodeRunState(bytes, runs, whole.shape[0]!, sizes);
  await writeTensor(device, whole, state.weights);
  await writeTensor(device, trainer.optimizer.first, state.first);
  await writeTensor(device, trainer.optimizer.second, state.second);
  for (const [name, { buffer, byteOffset }] of memories) {
    await device.write(buffer, byteOffset, state.memories.get(name)!);
  }
  trainer.step = state.step;
}
