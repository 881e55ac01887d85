/**
 * Runs a case of a kernel on a device and holds it against the reference in doubles. It asserts by `node:assert`, since
 * a GPU needs a process of its own, where no test runner is.
 */
import assert from 'node:assert/strict';
import { decodeTensor } from '../../kernels/formats-decode.ts';
import { encodeTensor } from '../../kernels/formats-encode.ts';
import { ROW_MULTIPLE, tensorBytes } from '../../kernels/formats.ts';
import type {
  CompactFormat,
  KernelCase,
  KernelSpec,
  Params,
  ReferenceBindings,
} from '../../kernels/kernel.ts';
import type { Device, Tensor } from '../../src/tensor/device.ts';

export type Contents = Readonly<Record<string, Float32Array | Uint32Array>>;

/** NaN as a float, far out of range as an index: whatever reads it or leaves it in place shows. */
const GARBAGE = 0x7fc0dead;

/**
 * f32 sums of a few hundred products in another order keep six digits: measured over all cases, the worst NMSE is 3e-13.
 * 1e-11 leaves room for another machine's exp; any wrong term is far above it.
 */
const DEFAULT_TOLERANCE = 1e-11;

/** Kernels that are allowed more on a device, and why. */
const TOLERANCES: Readonly<Record<string, number>> = {};

/** A half of f32 sums in another order may round to its neighbour, which few do: measured below 1e-10. */
const HALF_TOLERANCE = 1e-8;

/** Formats of bindings that do not come as f32. */
export type Formats = Readonly<Record<string, CompactFormat>>;

/** Elements of a row of each binding that has formats: their blocks lie within rows. */
const ROW_LENGTHS: Readonly<Record<string, (params: Params) => number>> = {
  'embedding table': ({ C = 0 }) => C,
  'norm_linear w': ({ N = 0 }) => N,
  'linear_experts w': ({ N = 0 }) => N,
  'linear_experts b': ({ R = 0 }) => R,
  'swiglu_experts w': ({ N = 0 }) => N,
  'swiglu_experts b': ({ R = 0 }) => R,
  'expert_shrink a': ({ N = 0 }) => N,
  'attention k_pages': ({ D = 0 }) => D,
  'attention v_pages': ({ D = 0 }) => D,
  'qk_prepare k_pages': ({ D = 0 }) => D,
  'qk_prepare v_pages': ({ D = 0 }) => D,
};

/** The formats in which a device can take a case, each in all bindings that may have it. */
export function formatsOf(device: Device, spec: KernelSpec, { params }: KernelCase): Formats[] {
  return (['f16', 'q8', 'q4'] as const).flatMap((format) => {
    const fitting = spec.bindings.filter(({ name, formats = [] }) => {
      if (!formats.includes(format)) return false;
      if (device.kind === 'wasm' && spec.simd?.encoded.includes(name) !== true) return false;
      const row = required(
        ROW_LENGTHS[`${spec.name} ${name}`],
        `row length of ${spec.name}, ${name}`,
      )(params);
      return row % ROW_MULTIPLE[format] === 0;
    });
    return fitting.length === 0 ? [] : [Object.fromEntries(fitting.map(({ name }) => [name, format]))];
  });
}

/** What the kernel reads where a case comes in formats: the values that those can hold. */
export function rounded(kernelCase: KernelCase, formats: Formats): KernelCase {
  const inputs: Record<string, Float32Array | Uint32Array> = { ...kernelCase.inputs };
  for (const [name, format] of Object.entries(formats)) {
    const input = inputs[name];
    if (input instanceof Float32Array)
      inputs[name] = decoded(format, encodeTensor(format, input), input.length);
  }
  return { ...kernelCase, inputs };
}

/** In f32 and in all formats that the device can take. `bufferBytes`: see `runOnDevice`. */
export async function checkKernel(
  device: Device,
  spec: KernelSpec,
  kernelCase: KernelCase,
  bufferBytes = 0,
): Promise<void> {
  for (const formats of [{}, ...formatsOf(device, spec, kernelCase)]) {
    await checkInFormats(device, spec, kernelCase, formats, bufferBytes);
  }
}

/** All bindings that the kernel writes must equal those of the reference: u32 exactly, others by NMSE. */
export async function checkInFormats(
  device: Device,
  spec: KernelSpec,
  kernelCase: KernelCase,
  formats: Formats,
  bufferBytes = 0,
): Promise<void> {
  const expected = runReference(spec, rounded(kernelCase, formats));
  const actual = await runOnDevice(device, spec, kernelCase, bufferBytes, formats);
  const written = spec.bindings.filter(({ access }) => access !== 'read');
  assert(written.length > 0, `${spec.name} writes nothing`);
  for (const { name, type } of written) {
    const where = `${spec.name}, ${name} of "${kernelCase.title}" ${JSON.stringify(formats)}`;
    if (type === 'u32') {
      assert.deepEqual(actual[name], expected[name], where);
    } else {
      const format = formats[name];
      const wanted = Float32Array.from(expected[name]!);
      const held =
        format === undefined ? expected[name]! : decoded(format, encodeTensor(format, wanted), wanted.length);
      const error = normalisedError(actual[name]!, held);
      const own = TOLERANCES[`${device.kind} ${spec.name}`] ?? DEFAULT_TOLERANCE;
      const tolerance = name in formats ? HALF_TOLERANCE : own;
      assert(error <= tolerance, `${where}: NMSE ${error} is over ${tolerance}`);
    }
  }
}

/** The reference in doubles. Outputs begin as garbage, so that one it forgets is seen. */
function runReference(spec: KernelSpec, { inputs, outputs, params }: KernelCase): ReferenceBindings {
  const bindings: Record<string, Float64Array | Uint32Array> = {};
  for (const { name, type, access } of spec.bindings) {
    if (access === 'write') {
      const length = required(outputs[name], name);
      bindings[name] =
        type === 'u32' ? new Uint32Array(length).fill(GARBAGE) : new Float64Array(length).fill(NaN);
    } else {
      const input = required(inputs[name], name);
      bindings[name] = type === 'u32' ? Uint32Array.from(input) : Float64Array.from(input);
    }
  }
  spec.reference(bindings, params);
  return bindings;
}

/**
 * Runs one case. Every tensor lies between guards, which must survive, and outputs begin as garbage. Buffers take at
 * least `bufferBytes`: more than half a bank puts every tensor into a bank of its own. What comes in a compact format is
 * encoded before and decoded after.
 */
export async function runOnDevice(
  device: Device,
  spec: KernelSpec,
  kernelCase: KernelCase,
  bufferBytes = 0,
  formats: Formats = {},
): Promise<Contents> {
  const guard = device.offsetAlignment;
  const bindings: Record<string, Tensor> = {};
  const given = new Map<string, Uint8Array>();
  for (const { name, type: element, access } of spec.bindings) {
    const input = access === 'write' ? null : required(kernelCase.inputs[name], name);
    const length = input ? input.length : required(kernelCase.outputs[name], name);
    const type = formats[name] ?? element;
    const size = tensorBytes(type, length);
    const words = new Uint32Array((guard + size + guard) / 4).fill(GARBAGE);
    if (input) {
      const bytes = encoded(formats[name], input);
      given.set(name, bytes);
      new Uint8Array(words.buffer).set(bytes, guard);
    }
    const buffer = device.allocate(Math.max(words.byteLength, bufferBytes), name);
    await device.write(buffer, 0, words);
    bindings[name] = { buffer, byteOffset: guard, shape: [length], type };
  }
  await device.submit([{ kernel: spec, bindings, params: kernelCase.params }]);
  const contents: Record<string, Float32Array | Uint32Array> = {};
  for (const { name, access } of spec.bindings) {
    const { buffer, shape, type } = bindings[name]!;
    const length = shape[0]!;
    const size = tensorBytes(type, length);
    const all = await device.read(buffer, 0, guard + size + guard);
    device.free(buffer);
    const where = `${spec.name}, ${name} of "${kernelCase.title}"`;
    const guards = [...new Uint32Array(all, 0, guard / 4), ...new Uint32Array(all, guard + size)];
    assert(
      guards.every((word) => word === GARBAGE),
      `${where}: written outside its tensor`,
    );
    const bytes = new Uint8Array(all, guard, size);
    if (type === 'u32') contents[name] = new Uint32Array(all, guard, length);
    else if (type === 'f32') contents[name] = new Float32Array(all, guard, length);
    else contents[name] = decoded(type, bytes, length);
    if (access === 'read') assert.deepEqual(bytes, given.get(name), `${where}: changed`);
  }
  return contents;
}

function encoded(format: CompactFormat | undefined, input: Float32Array | Uint32Array): Uint8Array {
  if (format !== undefined && input instanceof Float32Array) return encodeTensor(format, input);
  return new Uint8Array(input.buffer, input.byteOffset, input.byteLength);
}

function decoded(format: CompactFormat, bytes: Uint8Array, length: number): Float32Array {
  const values = new Float32Array(length);
  decodeTensor(format, bytes, values);
  return values;
}

/** Σ (actual − expected)² / Σ expected² over the finite elements; infinite where the non-finite ones differ. */
export function normalisedError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length || actual.length === 0) return Infinity;
  let difference = 0;
  let power = 0;
  for (let i = 0; i < expected.length; i++) {
    const wanted = Math.fround(expected[i]!);
    if (!Number.isFinite(wanted) || !Number.isFinite(actual[i]!)) {
      if (!Object.is(wanted, actual[i])) return Infinity;
    } else {
      difference += (actual[i]! - expected[i]!) ** 2;
      power += expected[i]! ** 2;
    }
  }
  return difference === 0 ? 0 : difference / power;
}

/** For bit-for-bit comparisons, where NaN equals NaN and 0 differs from −0. */
export function bits(array: Float32Array | Uint32Array): Uint32Array {
  return new Uint32Array(array.buffer, array.byteOffset, array.length);
}

function required<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw new Error(`the case lacks "${name}"`);
  return value;
}
