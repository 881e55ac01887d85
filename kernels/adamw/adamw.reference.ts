import type { Params, ReferenceBindings } from '../kernel.ts';
import { pick } from '../pick.ts';

/**
 * One AdamW step (Loshchilov & Hutter 2019, algorithm 2) with the gradient scaled by min(1, max_norm / (norm + 1e-6)), where
 * norm = sqrt(Σ partial) is that of all gradients together; max_norm ≤ 0 switches clipping off.
 * correction1 = 1 − beta1^t, correction2 = 1 − beta2^t. param, grad, m, v [n]; partial [parts].
 */
export function adamwReference(bindings: ReferenceBindings, params: Params): void {
  const { param, grad, m, v, partial } = pick(bindings, 'param', 'grad', 'm', 'v', 'partial');
  const { n, parts, learning_rate, beta1, beta2, epsilon, weight_decay, correction1, correction2, max_norm } =
    pick(
      params,
      'n',
      'parts',
      'learning_rate',
      'beta1',
      'beta2',
      'epsilon',
      'weight_decay',
      'correction1',
      'correction2',
      'max_norm',
    );
  let squares = 0;
  for (let i = 0; i < parts; i++) squares += partial[i]!;
  const clip = max_norm > 0 ? Math.min(1, max_norm / (Math.sqrt(squares) + 1e-6)) : 1;
  for (let i = 0; i < n; i++) {
    const g = grad[i]! * clip;
    const first = beta1 * m[i]! + (1 - beta1) * g;
    const second = beta2 * v[i]! + (1 - beta2) * g * g;
    m[i] = first;
    v[i] = second;
    const step = first / correction1 / (Math.sqrt(second / correction2) + epsilon);
    param[i]! -= learning_rate * (step + weight_decay * param[i]!);
  }
}
