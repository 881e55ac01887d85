/** Seeded contents for cases: the same bits on every machine. (`base` has its like; kernels import nothing outside.) */
import { NONE } from './kernel.ts';

export interface CaseRandom {
  /** Normal with deviation `scale`. */
  normals(length: number, scale?: number): Float32Array;
  /** Uniform in [low, high). */
  uniforms(length: number, low: number, high: number): Float32Array;
  /** Uniform integers in [0, below). */
  integers(length: number, below: number): Uint32Array;
  /** 0..length-1 in random order. */
  permutation(length: number): Uint32Array;
  /** [T, K] expert slots below `slots`, distinct within a token; about one place in four is NONE. */
  expertSlots(T: number, K: number, slots: number): Uint32Array;
}

export function createCaseRandom(seed: number): CaseRandom {
  let state = seed >>> 0;
  const uniform = (): number => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return ((z ^ (z >>> 15)) >>> 0) / 2 ** 32;
  };
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  const permutation = (length: number): Uint32Array => {
    const order = Uint32Array.from({ length }, (_, i) => i);
    for (let i = length - 1; i > 0; i--) {
      const j = Math.floor(uniform() * (i + 1));
      [order[i], order[j]] = [order[j]!, order[i]!];
    }
    return order;
  };
  return {
    normals: (length, scale = 1) => Float32Array.from({ length }, () => scale * normal()),
    uniforms: (length, low, high) => Float32Array.from({ length }, () => low + (high - low) * uniform()),
    integers: (length, below) => Uint32Array.from({ length }, () => Math.floor(uniform() * below)),
    permutation,
    expertSlots(T, K, slots) {
      const places = new Uint32Array(T * K).fill(NONE);
      for (let t = 0; t < T; t++) {
        const order = permutation(slots);
        for (let k = 0; k < Math.min(K, slots); k++) if (uniform() < 0.75) places[t * K + k] = order[k]!;
      }
      return places;
    },
  };
}
