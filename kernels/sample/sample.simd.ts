import { exp1, exp4, log1, sum4 } from '../simd/lanes.simd';
import { scratch } from '../simd/scratch.simd';

const NONE: u32 = 0xffffffff;
const BINS: i32 = 2048;

/** −Infinity alone, or anything that is not finite beside it. */
const BROKEN: i32 = -1;

export function sample(
  logits: usize,
  settings: usize,
  limits: usize,
  seen: usize,
  raw: usize,
  tokens: usize,
  sampled: usize,
  rows: i32,
  V: i32,
  carried: i32,
  start: i32,
  end: i32,
): void {
  for (let r = start; r < end; r++) {
    const row = logits + ((<usize>r * <usize>V) << 2);
    const setting = settings + <usize>r * 20;
    const limit = limits + <usize>r * 20;
    const from = load<u32>(limit, 12);
    const to = load<u32>(limit, 16);
    let best = argmax(row, V);
    let logNormaliser: f32 = 0;
    if (best != BROKEN) {
      const top = load<f32>(row + ((<usize>best) << 2));
      logNormaliser = top + log1(<f32>sumOfExponentials(row, V, top));
    }
    const latest = carried && to > from ? load<u32>(tokens + ((<usize>r) << 2)) : NONE;
    const latestLogit: f32 = latest < <u32>V ? load<f32>(row + ((<usize>latest) << 2)) : 0;
    penalise(row, setting, seen, raw, from, to, latest);
    if (best != BROKEN && to > from) best = argmax(row, V);
    const token = best == BROKEN ? BROKEN : choose(row, V, best, setting, limit);
    let own = load<f32>(row + ((<usize>max(token, 0)) << 2));
    if (<u32>token == latest) own = latestLogit;
    for (let entry = from; entry < to; entry++) {
      if (load<u32>(seen + ((<usize>entry) << 3)) == <u32>token) own = load<f32>(raw + ((<usize>entry) << 2));
    }
    const result = sampled + ((<usize>r) << 3);
    store<u32>(tokens + ((<usize>r) << 2), token == BROKEN ? NONE : <u32>token);
    store<f32>(result, <f32>token);
    store<f32>(result, token == BROKEN ? 0 : own - logNormaliser, 4);
  }
}

/** The lowest id of the largest, or BROKEN. */
function argmax(row: usize, V: i32): i32 {
  let best = load<f32>(row);
  let v: i32 = 1;
  if (V >= 4) {
    // Unlike `pmax`, it keeps NaN.
    let lanes = v128.load(row);
    for (v = 4; v + 4 <= V; v += 4) lanes = f32x4.max(lanes, v128.load(row + ((<usize>v) << 2)));
    best = max(
      max(f32x4.extract_lane(lanes, 0), f32x4.extract_lane(lanes, 1)),
      max(f32x4.extract_lane(lanes, 2), f32x4.extract_lane(lanes, 3)),
    );
  }
  for (; v < V; v++) best = max(best, load<f32>(row + ((<usize>v) << 2)));
  if (!(best < Infinity) || best == -Infinity) return BROKEN;
  const wanted = f32x4.splat(best);
  v = 0;
  while (v + 4 <= V && !v128.any_true(f32x4.eq(v128.load(row + ((<usize>v) << 2)), wanted))) v += 4;
  while (load<f32>(row + ((<usize>v) << 2)) != best) v++;
  return v;
}

/** Σ e^(x − top), 256 at a time in single precision. */
function sumOfExponentials(row: usize, V: i32, top: f32): f64 {
  const m = f32x4.splat(top);
  let total: f64 = 0;
  let v: i32 = 0;
  while (v + 4 <= V) {
    let sum = f32x4.splat(0);
    const to = min(v + 256, V);
    for (; v + 4 <= to; v += 4) {
      sum = f32x4.add(sum, exp4(f32x4.sub(v128.load(row + ((<usize>v) << 2)), m)));
    }
    total += <f64>sum4(sum);
  }
  for (; v < V; v++) total += <f64>exp1(load<f32>(row + ((<usize>v) << 2)) - top);
  return total;
}

/** `latest`: the token that counts once more, or NONE. */
function penalise(
  row: usize,
  setting: usize,
  seen: usize,
  raw: usize,
  from: u32,
  to: u32,
  latest: u32,
): void {
  for (let entry = from; entry < to; entry++) {
    const token = load<u32>(seen + ((<usize>entry) << 3));
    let count = load<u32>(seen + ((<usize>entry) << 3), 4);
    if (token == latest) {
      count++;
      latest = NONE;
    }
    const place = row + ((<usize>token) << 2);
    store<f32>(raw + ((<usize>entry) << 2), load<f32>(place));
    lower(place, setting, <f32>count);
  }
  if (latest != NONE) lower(row + ((<usize>latest) << 2), setting, 1);
}

function lower(place: usize, setting: usize, count: f32): void {
  const repetition = load<f32>(setting, 8);
  const presence = load<f32>(setting, 12);
  const frequency = load<f32>(setting, 16);
  let logit = load<f32>(place);
  logit = logit > 0 ? logit / repetition : logit * repetition;
  if (count > 0) logit -= presence + frequency * count;
  store<f32>(place, logit);
}

/** `best` is the likeliest. */
function choose(row: usize, V: i32, best: i32, setting: usize, limit: usize): i32 {
  const inverseTemperature = load<f32>(setting);
  if (inverseTemperature == 0) return best;
  const weights = scratch();
  weigh(row, weights, V, load<f32>(row + ((<usize>best) << 2)), inverseTemperature, load<f32>(setting, 4));
  const topK = load<u32>(limit);
  if (topK > 0 && topK < <u32>V) cut(row, weights, V, <f64>topK, true);
  const topP = load<u32>(limit, 4);
  if (topP > 0) cut(row, weights, V, (<f64>topP / 4294967296.0) * sumOf(weights, V), false);
  let rest = (<f64>load<u32>(limit, 8) / 4294967296.0) * sumOf(weights, V);
  let last = best;
  for (let v = nextKept(weights, 0, V); v < V; v = nextKept(weights, v + 1, V)) {
    last = v;
    rest -= <f64>load<f32>(weights + ((<usize>v) << 2));
    if (rest < 0) break;
  }
  return last;
}

/** The first token from v on that has a weight; V for none. */
function nextKept(weights: usize, v: i32, V: i32): i32 {
  while (v + 4 <= V && !v128.any_true(v128.load(weights + ((<usize>v) << 2)))) v += 4;
  while (v < V && load<f32>(weights + ((<usize>v) << 2)) == 0) v++;
  return v;
}

/** Unnormalised probabilities; the likeliest has 1, what is below min-p or masked has 0. */
function weigh(row: usize, weights: usize, V: i32, top: f32, inverseTemperature: f32, minP: f32): void {
  const m = f32x4.splat(top);
  const s = f32x4.splat(inverseTemperature);
  const floor = f32x4.splat(minP);
  let v: i32 = 0;
  for (; v + 4 <= V; v += 4) {
    const at = (<usize>v) << 2;
    const weight = exp4(f32x4.mul(f32x4.sub(v128.load(row + at), m), s));
    v128.store(weights + at, v128.and(weight, f32x4.ge(weight, floor)));
  }
  for (; v < V; v++) {
    const at = (<usize>v) << 2;
    const weight = exp1((load<f32>(row + at) - top) * inverseTemperature);
    store<f32>(weights + at, weight >= minP ? weight : 0);
  }
}

function sumOf(weights: usize, V: i32): f64 {
  let total: f64 = 0;
  for (let v = nextKept(weights, 0, V); v < V; v = nextKept(weights, v + 1, V)) {
    total += <f64>load<f32>(weights + ((<usize>v) << 2));
  }
  return total;
}

/** Smaller for larger logits, in their order; both zeros are one. */
function keyOf(place: usize): u32 {
  const bits = load<u32>(place);
  if (bits == 0x80000000) return 0x7fffffff;
  return bits >> 31 ? bits : bits ^ 0x7fffffff;
}

/**
 * Keeps the likeliest tokens until they are `needed` many, or weigh that much, and gives all others weight 0. The last one
 * is found digit by digit of its key.
 */
function cut(row: usize, weights: usize, V: i32, needed: f64, counting: bool): void {
  const bins = weights + (((<usize>V + 3) & ~3) << 2);
  let key: u32 = 0;
  let rest = needed;
  for (let level = 0; level < 3; level++) {
    const shift: u32 = level == 0 ? 21 : level == 1 ? 10 : 0;
    const width: u32 = level == 2 ? 10 : 11;
    memory.fill(bins, 0, BINS << 3);
    for (let v = nextKept(weights, 0, V); v < V; v = nextKept(weights, v + 1, V)) {
      const place = weights + ((<usize>v) << 2);
      const own = keyOf(row + ((<usize>v) << 2));
      const digits: u32 = level == 0 ? 0 : own >> (shift + width);
      if (digits == key) {
        const bin = bins + ((<usize>((own >> shift) & ((1 << width) - 1))) << 3);
        store<f64>(bin, load<f64>(bin) + (counting ? 1 : <f64>load<f32>(place)));
      } else if (digits > key) {
        store<f32>(place, 0);
      }
    }
    let digit: u32 = 0;
    let before: f64 = 0;
    let reached: f64 = 0;
    for (let bin: i32 = 0; bin < BINS && reached < rest; bin++) {
      const own = load<f64>(bins + ((<usize>bin) << 3));
      if (own == 0) continue;
      digit = <u32>bin;
      before = reached;
      reached += own;
    }
    key = (key << width) | digit;
    rest -= before;
  }
  for (let v = nextKept(weights, 0, V); v < V; v = nextKept(weights, v + 1, V)) {
    const place = weights + ((<usize>v) << 2);
    const own = keyOf(row + ((<usize>v) << 2));
    if (own < key) continue;
    if (own == key && rest > 0) rest -= counting ? 1 : <f64>load<f32>(place);
    else store<f32>(place, 0);
  }
}
