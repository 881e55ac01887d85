/**
 * Platt scaling: p = sigmoid(slope · score + offset), fitted for each label on scores of rows that the scoring model has
 * not seen. Platt 1999 with the target smoothing of Lin, Lin and Weng 2007, minimised by Newton's method.
 */

export interface Calibration {
  readonly slope: number;
  readonly offset: number;
}

const MAX_ITERATIONS = 50;
const GRADIENT_TOLERANCE = 1e-7;
/** Keeps the Hessian invertible where all scores are alike. */
const RIDGE = 1e-10;

export function fitCalibration(scores: Float64Array, positive: readonly boolean[]): Calibration {
  const positives = positive.filter(Boolean).length;
  const high = (positives + 1) / (positives + 2);
  const low = 1 / (positive.length - positives + 2);
  let fitted: Calibration = {
    slope: 1,
    offset: Math.log((positives + 1) / (positive.length - positives + 1)),
  };
  for (let iteration = 0; iteration < MAX_ITERATIONS; iteration++) {
    const step = newtonStep(scores, positive, high, low, fitted);
    fitted = descend(scores, positive, high, low, fitted, step);
    if (step.size < GRADIENT_TOLERANCE) break;
  }
  return fitted;
}

interface Step extends Calibration {
  /** Largest gradient, per row. */
  readonly size: number;
}

function newtonStep(
  scores: Float64Array,
  positive: readonly boolean[],
  high: number,
  low: number,
  at: Calibration,
): Step {
  let gradientSlope = 0;
  let gradientOffset = 0;
  let slopeSlope = RIDGE;
  let slopeOffset = 0;
  let offsetOffset = RIDGE;
  for (const [row, isPositive] of positive.entries()) {
    const score = scores[row] ?? 0;
    const probability = sigmoid(at.slope * score + at.offset);
    const error = probability - (isPositive ? high : low);
    const curvature = probability * (1 - probability);
    gradientSlope += error * score;
    gradientOffset += error;
    slopeSlope += curvature * score * score;
    slopeOffset += curvature * score;
    offsetOffset += curvature;
  }
  const determinant = slopeSlope * offsetOffset - slopeOffset * slopeOffset;
  return {
    slope: -(offsetOffset * gradientSlope - slopeOffset * gradientOffset) / determinant,
    offset: -(slopeSlope * gradientOffset - slopeOffset * gradientSlope) / determinant,
    size: Math.max(Math.abs(gradientSlope), Math.abs(gradientOffset)) / positive.length,
  };
}

/** Halves the step until the loss falls: a full Newton step can overshoot far from the optimum. */
function descend(
  scores: Float64Array,
  positive: readonly boolean[],
  high: number,
  low: number,
  from: Calibration,
  step: Step,
): Calibration {
  const before = loss(scores, positive, high, low, from);
  for (let size = 1; size > 1e-6; size /= 2) {
    const next = { slope: from.slope + size * step.slope, offset: from.offset + size * step.offset };
    if (loss(scores, positive, high, low, next) <= before) return next;
  }
  return from;
}

function loss(
  scores: Float64Array,
  positive: readonly boolean[],
  high: number,
  low: number,
  at: Calibration,
): number {
  let sum = 0;
  for (const [row, isPositive] of positive.entries()) {
    const logit = at.slope * (scores[row] ?? 0) + at.offset;
    sum += Math.max(logit, 0) - (isPositive ? high : low) * logit + Math.log1p(Math.exp(-Math.abs(logit)));
  }
  return sum;
}

export function sigmoid(logit: number): number {
  return 1 / (1 + Math.exp(-logit));
}
