import { NONE, type Params, type ReferenceBindings } from '../kernel.ts';
import { pick } from '../pick.ts';
import { softmaxInPlace } from '../softmax.ts';

/**
 * loss[t] = token_weights[t] · −log softmax(logits[t])[targets[t]], and the logits are replaced by the gradient of the sum of
 * the losses: token_weights[t] · (softmax − onehot). A target NONE or a weight 0 gives zeros. logits [T, V]; others [T].
 */
export function crossEntropyReference(bindings: ReferenceBindings, params: Params): void {
  const { logits, targets, token_weights, loss } = pick(
    bindings,
    'logits',
    'targets',
    'token_weights',
    'loss',
  );
  const { T, V } = pick(params, 'T', 'V');
  for (let t = 0; t < T; t++) {
    const target = targets[t]!;
    const weight = token_weights[t]!;
    if (target === NONE || weight === 0) {
      loss[t] = 0;
      logits.fill(0, t * V, (t + 1) * V);
      continue;
    }
    const row = Float64Array.from({ length: V }, (_, v) => logits[t * V + v]!);
    const targetLogit = row[target]!;
    loss[t] = weight * (softmaxInPlace(row) - targetLogit);
    for (let v = 0; v < V; v++) logits[t * V + v] = weight * (row[v]! - (v === target ? 1 : 0));
  }
}
