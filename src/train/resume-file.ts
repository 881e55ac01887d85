/**
 * A run's state in one safetensors file: weights, both AdamW moments, and the step. `exact` keeps every bit (F32);
 * `compact` is a third of that: F16 weights and 8-bit moments, for a run that goes on elsewhere.
 */
import { CallerError } from '../base/errors.ts';
import type { SafetensorsHeader } from '../base/safetensors-header.ts';
import { bytesSource } from '../model/byte-source.ts';
import { openSafetensors, writeSafetensors } from '../model/safetensors.ts';
import type { TensorToWrite } from '../model/safetensors.ts';

export interface RunState {
  readonly step: number;
  /** Identifies config and data: a file of another run is refused. */
  readonly run: string;
  readonly weights: Float32Array;
  readonly first: Float32Array;
  readonly second: Float32Array;
  /** What else a step changes, as its bytes: the queues of a contrastive loss. In the exact form alone. */
  readonly memories: ReadonlyMap<string, Uint8Array>;
}

/** Moments of a block share a scale. */
const BLOCK = 64;
/** Second moments are kept as log₂ in steps of a quarter above 2⁻⁶⁴: within 9 %, from 5e-20 to 0.8. */
const LOG_STEPS = 4;
const LOG_FLOOR = -64;

export function encodeRunState(state: RunState, form: 'exact' | 'compact'): Uint8Array {
  const length = state.weights.length;
  const metadata = { form, run: state.run, step: String(state.step) };
  if (form === 'exact') {
    const tensors = [f32('weights', state.weights), f32('first', state.first), f32('second', state.second)];
    return writeSafetensors([...tensors, ...[...state.memories].map(u8)], metadata);
  }
  const { codes, scales } = packFirst(state.first);
  return writeSafetensors(
    [
      { name: 'weights', type: 'F16', shape: [length], values: state.weights },
      f32('first.scales', scales),
      { name: 'first', type: 'U8', shape: [length], values: codes },
      { name: 'second', type: 'U8', shape: [length], values: packSecond(state.second) },
    ],
    metadata,
  );
}

/**
 * `runs`: the runs whose state is welcome, the run's own and perhaps one that it continues. `memorySizes`: bytes of what
 * else an exact state has to hold.
 */
export async function decodeRunState(
  bytes: Uint8Array,
  runs: readonly string[],
  length: number,
  memorySizes: ReadonlyMap<string, number> = new Map(),
): Promise<RunState> {
  const file = await openSafetensors(bytesSource(bytes));
  const { form, step, run = '' } = file.header.metadata;
  if (
    !runs.includes(run) ||
    file.header.tensors.get('weights')?.shape[0] !== length ||
    !/^\d+$/.test(step ?? '')
  ) {
    throw new CallerError(
      'resume_mismatch',
      `The resume file belongs to the run ${run.slice(0, 64) || 'of no name'}: use the config it was made with, name that run as "continues" in a config of the same model, or start without it.`,
    );
  }
  checkLayout(file.header, length, memorySizes);
  const weights = await file.tensor('weights');
  const memories = new Map<string, Uint8Array>();
  const base = { step: Number(step), run, weights, memories };
  if (form === 'exact') {
    for (const name of memorySizes.keys()) memories.set(name, await file.bytes(name));
    return { ...base, first: await file.tensor('first'), second: await file.tensor('second') };
  }
  const first = unpackFirst(await file.bytes('first'), await file.tensor('first.scales'));
  return { ...base, first, second: unpackSecond(await file.bytes('second')) };
}

/** Each form has its tensors in their types and lengths: a moment cut short would go on as another run in silence. */
function checkLayout(
  { metadata, tensors }: SafetensorsHeader,
  length: number,
  memorySizes: ReadonlyMap<string, number>,
): void {
  const expected =
    metadata['form'] === 'exact'
      ? [
          `weights F32 ${length}`,
          `first F32 ${length}`,
          `second F32 ${length}`,
          ...[...memorySizes].map(([name, bytes]) => `${name} U8 ${bytes}`),
        ]
      : [
          `weights F16 ${length}`,
          `first U8 ${length}`,
          `first.scales F32 ${Math.ceil(length / BLOCK)}`,
          `second U8 ${length}`,
        ];
  const found = [...tensors.values()].map(({ name, type, shape }) => `${name} ${type} ${shape.join(',')}`);
  if (found.toSorted().join() === expected.toSorted().join()) return;
  throw new CallerError(
    'resume_damaged',
    'The resume file does not hold what it should: fetch it again, or start without it.',
  );
}

function f32(name: string, values: Float32Array): TensorToWrite {
  return { name, type: 'F32', shape: [values.length], values };
}

function u8([name, values]: readonly [string, Uint8Array]): TensorToWrite {
  return { name, type: 'U8', shape: [values.length], values };
}

function packFirst(values: Float32Array): { codes: Uint8Array; scales: Float32Array } {
  const codes = new Uint8Array(values.length);
  const scales = new Float32Array(Math.ceil(values.length / BLOCK));
  for (let block = 0; block < scales.length; block++) {
    const from = block * BLOCK;
    const part = values.subarray(from, from + BLOCK);
    const scale = part.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 127;
    scales[block] = scale;
    part.forEach((value, i) => (codes[from + i] = (scale > 0 ? Math.round(value / scale) : 0) + 128));
  }
  return { codes, scales };
}

function unpackFirst(codes: Uint8Array, scales: Float32Array): Float32Array {
  return Float32Array.from(codes, (code, i) => (code - 128) * scales[Math.floor(i / BLOCK)]!);
}

function packSecond(values: Float32Array): Uint8Array {
  return Uint8Array.from(values, (value) =>
    value <= 0 ? 0 : Math.max(1, Math.min(255, Math.round((Math.log2(value) - LOG_FLOOR) * LOG_STEPS))),
  );
}

function unpackSecond(codes: Uint8Array): Float32Array {
  return Float32Array.from(codes, (code) => (code === 0 ? 0 : 2 ** (code / LOG_STEPS + LOG_FLOOR)));
}
