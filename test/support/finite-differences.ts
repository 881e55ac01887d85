/** Kernels run in doubles, and central differences of them. */
import { expect } from 'vitest';
import { casesOf } from '../../kernels/cases.ts';
import type { KernelCase, KernelSpec, Params } from '../../kernels/kernel.ts';
import { createRandom } from '../../src/base/random.ts';

export type Bindings = Record<string, Float64Array | Uint32Array>;

/** Those that have a gradient at all, and are small enough to be run a hundred times. */
export function finiteCases(spec: KernelSpec): readonly KernelCase[] {
  const finite = casesOf(spec).filter(({ inputs }) =>
    spec.bindings.every(
      ({ name, access }) =>
        access !== 'read' ||
        (inputs[name]!.length < 20_000 && Array.from(inputs[name]!).every((x) => Number.isFinite(x))),
    ),
  );
  expect(finite.length, `finite cases of ${spec.name}`).toBeGreaterThan(0);
  return finite;
}

/** Runs a kernel in doubles on copies; outputs begin as NaN. Returns all bindings. */
export function runInDoubles(
  spec: KernelSpec,
  inputs: Readonly<Record<string, ArrayLike<number>>>,
  params: Params,
): Bindings {
  const lengths = outputLengths(spec, params);
  const bindings: Bindings = {};
  for (const { name, type, access } of spec.bindings) {
    const source = access === 'write' ? new Float64Array(lengths[name]!).fill(NaN) : inputs[name]!;
    bindings[name] = type === 'u32' ? Uint32Array.from(source) : Float64Array.from(source);
  }
  spec.reference(bindings, params);
  return bindings;
}

/** The lengths of all written bindings, from the case that has these params. */
export function outputLengths(spec: KernelSpec, params: Params): Readonly<Record<string, number>> {
  const own = casesOf(spec).find((candidate) =>
    spec.params.every((p) => candidate.params[p.name] === params[p.name]),
  );
  if (!own) return {};
  const lengths = Object.entries(own.inputs).map(([binding, { length }]) => [binding, length] as const);
  return { ...Object.fromEntries(lengths), ...own.outputs };
}

/** Central differences at up to 40 elements. Relative to the largest gradient there: 1e-7 is what the step leaves. */
export function expectGradient(
  actual: ArrayLike<number>,
  loss: (changed: Float64Array) => number,
  input: ArrayLike<number>,
  title: string,
): void {
  expect(actual.length, title).toBe(input.length);
  const random = createRandom(input.length);
  const order = random.shuffle(Array.from({ length: input.length }, (_, i) => i)).slice(0, 40);
  let worst = 0;
  let largest = 0;
  for (const i of order) {
    const step = 1e-5 * Math.max(1, Math.abs(input[i]!));
    const moved = (by: number): Float64Array => Float64Array.from(input, (x, j) => (j === i ? x + by : x));
    const numeric = (loss(moved(step)) - loss(moved(-step))) / (2 * step);
    worst = Math.max(worst, Math.abs(actual[i]! - numeric));
    largest = Math.max(largest, Math.abs(numeric), Math.abs(actual[i]!));
    expect(Number.isFinite(numeric) && Number.isFinite(actual[i]!), `${title}, element ${i}`).toBe(true);
  }
  expect(worst, `${title}: difference, largest gradient ${largest}`).toBeLessThanOrEqual(
    1e-6 * largest + 1e-8,
  );
}

export function normals(length: number, seed: number): Float64Array {
  const random = createRandom(seed * 1000 + length);
  return Float64Array.from({ length }, () => random.normal());
}

export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
