/** A share of right answers with its interval. */

export interface Proportion {
  readonly right: number;
  readonly rows: number;
  readonly accuracy: number;
  /** Wilson score interval, 95 %. */
  readonly interval: readonly [number, number];
}

/** 97.5 % quantile of the standard normal distribution. */
export const NORMAL_95 = 1.959964;

export function proportion(outcomes: readonly boolean[]): Proportion {
  const rows = outcomes.length;
  const right = outcomes.filter(Boolean).length;
  if (rows === 0) return { right, rows, accuracy: 0, interval: [0, 1] };
  const share = right / rows;
  const z2 = NORMAL_95 ** 2;
  const centre = (share + z2 / (2 * rows)) / (1 + z2 / rows);
  const half =
    (NORMAL_95 / (1 + z2 / rows)) * Math.sqrt((share * (1 - share)) / rows + z2 / (4 * rows * rows));
  return { right, rows, accuracy: share, interval: [Math.max(0, centre - half), Math.min(1, centre + half)] };
}
