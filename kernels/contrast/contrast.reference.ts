import { NONE, type Params, type ReferenceBindings } from '../kernel.ts';
import { pick } from '../pick.ts';
import { softmaxInPlace } from '../softmax.ts';

/**
 * loss[m] = logsumexp over the keys of s − mean of s over the positives, s = scores · inverse_temperature; scores [M, J]
 * become scale · weights[m] · inverse_temperature · (softmax − [positive] / |positives|). Keys: owner not NONE, and not m
 * itself with exclude_self; positives: owner anchor_owner[m]. Without an owner, a positive or a negative: zeros.
 */
export function contrastReference(bindings: ReferenceBindings, params: Params): void {
  const { scores, anchor_owner, key_owner, weights, loss } = pick(
    bindings,
    'scores',
    'anchor_owner',
    'key_owner',
    'weights',
    'loss',
  );
  const { M, J, inverse_temperature, scale, exclude_self } = pick(
    params,
    'M',
    'J',
    'inverse_temperature',
    'scale',
    'exclude_self',
  );
  for (let m = 0; m < M; m++) {
    const owner = anchor_owner[m]!;
    const keys = Array.from({ length: J }, (_, j) => j).filter(
      (j) => key_owner[j] !== NONE && !(exclude_self && j === m),
    );
    const isPositive = (j: number): boolean => key_owner[j] === owner;
    const positives = keys.filter(isPositive).length;
    const row = Float64Array.from(keys, (j) => scores[m * J + j]! * inverse_temperature);
    const pull = keys.reduce((sum, j, i) => sum + (isPositive(j) ? row[i]! / positives : 0), 0);
    scores.fill(0, m * J, (m + 1) * J);
    loss[m] = 0;
    if (owner === NONE || positives === 0 || positives === keys.length) continue;
    loss[m] = softmaxInPlace(row) - pull;
    const factor = scale * weights[m]! * inverse_temperature;
    for (const [i, j] of keys.entries()) {
      scores[m * J + j] = factor * (row[i]! - (isPositive(j) ? 1 / positives : 0));
    }
  }
}
