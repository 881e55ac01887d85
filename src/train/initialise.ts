/** Seeded initial values of a base model and of expert pools. */
import type { Random } from '../base/random.ts';
import type { ModelConfig } from '../model/config.ts';
import { elements } from '../tensor/tensors.ts';

const STANDARD_DEVIATION = 0.02;

/**
 * Values of one base tensor: norms are 1, matrices normal with deviation 0.02, the two that write into the residual
 * stream smaller by √(2 · layers) (GPT-2, Radford et al. 2019).
 */
export function initialBaseTensor(
  name: string,
  shape: readonly number[],
  config: ModelConfig,
  random: Random,
): Float32Array {
  const length = elements(shape);
  if (shape.length === 1) return new Float32Array(length).fill(1);
  const writesResidual = name.includes('o_proj') || name.includes('down_proj');
  const deviation = writesResidual ? STANDARD_DEVIATION / Math.sqrt(2 * config.layers) : STANDARD_DEVIATION;
  return normal(length, deviation, random);
}

/** Values of one expert tensor: B is 0 (an untrained expert changes nothing), A uniform as in LoRA, projectors too, the router small. */
export function initialExpertTensor(name: string, shape: readonly number[], random: Random): Float32Array {
  const length = elements(shape);
  if (name.endsWith('lora_B')) return new Float32Array(length);
  if (name.endsWith('lora_A') || name.startsWith('contrast.')) {
    const bound = 1 / Math.sqrt(shape.at(-1)!);
    return Float32Array.from({ length }, () => (2 * random.uniform() - 1) * bound);
  }
  return normal(length, STANDARD_DEVIATION, random);
}

function normal(length: number, deviation: number, random: Random): Float32Array {
  return Float32Array.from({ length }, () => random.normal() * deviation);
}
