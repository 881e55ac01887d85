import type { Params, ReferenceBindings } from '../kernel.ts';
import { pick } from '../pick.ts';

/** y[i] = (accumulate ? y[i] : 0) + x[i] · (1 + epsilon · u(seed, i)), u uniform in [−1, 1). x, y [n], seed [1]. */
export function jitterReference(bindings: ReferenceBindings, params: Params): void {
  const { x, seed, y } = pick(bindings, 'x', 'seed', 'y');
  const { n, epsilon, accumulate } = pick(params, 'n', 'epsilon', 'accumulate');
  const stream = mix(seed[0]!);
  for (let i = 0; i < n; i++) {
    const bits = mix(stream + Math.imul(i, 0x9e3779b9));
    const u = (bits >>> 8) / 2 ** 23 - 1;
    y[i] = (accumulate ? y[i]! : 0) + x[i]! * (1 + epsilon * u);
  }
}

/** The output function of splitmix32: every bit of the result depends on every bit of the word. */
function mix(word: number): number {
  let z = word | 0;
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  return (z ^ (z >>> 15)) >>> 0;
}
