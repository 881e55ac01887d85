/** Tokens without target or weight, logits far apart and far from zero, vocabularies beside the vector width. */
import { NONE, type KernelCase } from '../kernel.ts';
import { createCaseRandom } from '../random-case.ts';

export const cases: readonly KernelCase[] = [
  { T: 1, V: 1, scale: 1, shift: 0 },
  { T: 3, V: 7, scale: 1, shift: 0 },
  { T: 12, V: 50, scale: 4, shift: 30 },
  { T: 9, V: 30, scale: 60, shift: -200 },
  { T: 5, V: 1025, scale: 3, shift: 0 },
].map(({ T, V, scale, shift }) => {
  const random = createCaseRandom(T * V);
  const targets = random.integers(T, V);
  const token_weights = random.uniforms(T, 0.1, 2);
  targets[0] = V - 1;
  if (T > 2) targets[1] = NONE;
  if (T > 2) token_weights[2] = 0;
  return {
    title: `${T} tokens over ${V}, deviation ${scale} about ${shift}`,
    params: { T, V },
    inputs: { logits: random.normals(T * V, scale).map((logit) => logit + shift), targets, token_weights },
    outputs: { loss: T },
  };
});
