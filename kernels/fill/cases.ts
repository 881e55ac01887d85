/** Lengths around the vector width, and one that spreads over threads. */
import type { KernelCase } from '../kernel.ts';

export const cases: readonly KernelCase[] = [1, 3, 16, 37, 40_003].map((n) => ({
  title: `${n} elements`,
  params: { n, value: n % 2 ? -2.5 : 0 },
  inputs: {},
  outputs: { y: n },
}));
