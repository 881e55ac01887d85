/**
 * Runs a case of a kernel on a device and holds it against the reference in doubles. It asserts by `node:assert`, since
 * a GPU needs a process of its own, where no test runner is.
 */
import assert from 'node:assert/strict';
import type { KernelCase, KernelSpec, ReferenceBindings } from '../../kernels/kernel.ts';
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

/** All bindings that the kernel writes must equal those of the reference: u32 exactly, f32 by NMSE. */
export async function checkKernel(
  device: Device,
  spec: KernelSpec,
  kernelCase: KernelCase,
  bufferBytes = 0,
): Promise<void> {
  const expected = runReference(spec, kernelCase);
  const actual = await runOnDevice(device, spec, kernelCase, bufferBytes);
  const written = spec.bindings.filter(({ access }) => access !== 'read');
  assert(written.length > 0, `${spec.name} writes nothing`);
  for (const { name, type } of written) {
    const where = `${spec.name}, ${name} of "${kernelCase.title}"`;
    if (type === 'u32') {
      assert.deepEqual(actual[name], expected[name], where);
    } else {
      const error = normalisedError(actual[name]!, expected[name]!);
      const tolerance = TOLERANCES[`${device.kind} ${spec.name}`] ?? DEFAULT_TOLERANCE;
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
 * least `bufferBytes`: more than half a bank puts every tensor into a bank of its own.
 */
export async function runOnDevice(
  device: Device,
  spec: KernelSpec,
  kernelCase: KernelCase,
  bufferBytes = 0,
): Promise<Contents> {
  const guard = device.offsetAlignment / 4;
  const bindings: Record<string, Tensor> = {};
  for (const { name, type, access } of spec.bindings) {
    const input = access === 'write' ? null : required(kernelCase.inputs[name], name);
    const length = input ? input.length : required(kernelCase.outputs[name], name);
    const words = new Uint32Array(guard + length + guard).fill(GARBAGE);
    if (input) words.set(new Uint32Array(input.buffer, input.byteOffset, length), guard);
    const buffer = device.allocate(Math.max(words.byteLength, bufferBytes), name);
    await device.write(buffer, 0, words);
    bindings[name] = { buffer, byteOffset: guard * 4, shape: [length], type };
  }
  await device.submit([{ kernel: spec, bindings, params: kernelCase.params }]);
  const contents: Record<string, Float32Array | Uint32Array> = {};
  for (const { name, type, access } of spec.bindings) {
    const { buffer, shape } = bindings[name]!;
    const length = shape[0]!;
    const bytes = await device.read(buffer, 0, (guard + length + guard) * 4);
    device.free(buffer);
    const words = new Uint32Array(bytes);
    const guards = [...words.subarray(0, guard), ...words.subarray(guard + length)];
    const where = `${spec.name}, ${name} of "${kernelCase.title}"`;
    assert(
      guards.every((word) => word === GARBAGE),
      `${where}: written outside its tensor`,
    );
    const first = guard * 4;
    contents[name] =
      type === 'u32' ? new Uint32Array(bytes, first, length) : new Float32Array(bytes, first, length);
    if (access === 'read') {
      assert.deepEqual(
        words.subarray(guard, guard + length),
        bits(kernelCase.inputs[name]!),
        `${where}: changed`,
      );
    }
  }
  return contents;
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
