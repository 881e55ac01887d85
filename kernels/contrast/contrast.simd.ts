import { log1, madd, sum4 } from '../simd/lanes.simd';
import { scratch } from '../simd/scratch.simd';

const NONE: u32 = 0xffffffff;
const LOWEST: f32 = -Infinity;

/** What the first pass over a row found, beside the scores that it left in scratch. */
let top: f32 = 0;
let pull: f32 = 0;
let keys: i32 = 0;
let positives: i32 = 0;

export function contrast(
  scores: usize,
  anchor_owner: usize,
  key_owner: usize,
  weights: usize,
  loss: usize,
  M: i32,
  J: i32,
  inverse_temperature: f32,
  scale: f32,
  exclude_self: i32,
  start: i32,
  end: i32,
): void {
  const e = scratch();
  for (let m = start; m < end; m++) {
    const x = scores + ((<usize>m * <usize>J) << 2);
    const at = (<usize>m) << 2;
    const owner = load<u32>(anchor_owner + at);
    keys = 0;
    positives = 0;
    if (owner != NONE) collect(x, key_owner, e, J, owner, exclude_self ? m : -1);
    if (positives == 0 || positives == keys) {
      memory.fill(x, 0, (<usize>J) << 2);
      store<f32>(loss + at, 0);
      continue;
    }
    const total = exponentiate(e, (J + 7) & ~7, top, inverse_temperature);
    const share: f32 = 1 / <f32>positives;
    // In differences from the largest score, which lose nothing to cancellation.
    store<f32>(loss + at, log1(total) - pull * share * inverse_temperature);
    const factor: f32 = scale * load<f32>(weights + at) * inverse_temperature;
    gradient(x, key_owner, e, J, owner, factor / total, factor * share);
    if (exclude_self && m < J) store<f32>(x + at, 0);
  }
}

/** Copies the scores of the row's keys, and −∞ for all else up to a multiple of 8; counts keys and positives. */
function collect(x: usize, owners: usize, e: usize, J: i32, owner: u32, self: i32): void {
  const none = i32x4.splat(-1);
  const own = i32x4.splat(<i32>owner);
  const lowest = f32x4.splat(LOWEST);
  const selves = i32x4.splat(self);
  let index = i32x4(0, 1, 2, 3);
  let largest = lowest;
  let sum = f32x4.splat(0);
  let found = i32x4.splat(0);
  let alike = i32x4.splat(0);
  let j: i32 = 0;
  for (; j + 4 <= J; j += 4) {
    const o = (<usize>j) << 2;
    const owned = v128.load(owners + o);
    const valid = v128.and(i32x4.ne(owned, none), i32x4.ne(index, selves));
    const positive = v128.and(i32x4.eq(owned, own), valid);
    const v = v128.load(x + o);
    const kept = v128.bitselect(v, lowest, valid);
    v128.store(e + o, kept);
    largest = f32x4.pmax(largest, kept);
    sum = f32x4.add(sum, v128.and(v, positive));
    // A mask is −1 where it holds.
    found = i32x4.sub(found, valid);
    alike = i32x4.sub(alike, positive);
    index = i32x4.add(index, i32x4.splat(4));
  }
  keys = total4(found);
  positives = total4(alike);
  let sumOfPositives = sum4(sum);
  top = max(
    max(f32x4.extract_lane(largest, 0), f32x4.extract_lane(largest, 1)),
    max(f32x4.extract_lane(largest, 2), f32x4.extract_lane(largest, 3)),
  );
  for (; j < J; j++) {
    const o = (<usize>j) << 2;
    const owned = load<u32>(owners + o);
    const v = load<f32>(x + o);
    if (owned == NONE || j == self) {
      store<f32>(e + o, LOWEST);
      continue;
    }
    store<f32>(e + o, v);
    top = max(top, v);
    keys++;
    if (owned != owner) continue;
    positives++;
    sumOfPositives += v;
  }
  for (; j & 7; j++) store<f32>(e + ((<usize>j) << 2), LOWEST);
  pull = sumOfPositives - <f32>positives * top;
}

@inline
function total4(v: v128): i32 {
  return (
    i32x4.extract_lane(v, 0) + i32x4.extract_lane(v, 1) + i32x4.extract_lane(v, 2) + i32x4.extract_lane(v, 3)
  );
}

/** e = exp((e − largest) · inverse_temperature); returns the sum. n is a multiple of 8. */
function exponentiate(e: usize, n: i32, largest: f32, inverse_temperature: f32): f32 {
  const m = f32x4.splat(largest);
  const r = f32x4.splat(inverse_temperature * <f32>1.44269504088896341);
  let s0 = f32x4.splat(0);
  let s1 = f32x4.splat(0);
  for (let i: i32 = 0; i < n; i += 8) {
    const p = e + ((<usize>i) << 2);
    const a = powerOf2(f32x4.mul(f32x4.sub(v128.load(p), m), r));
    const b = powerOf2(f32x4.mul(f32x4.sub(v128.load(p, 16), m), r));
    v128.store(p, a);
    v128.store(p, b, 16);
    s0 = f32x4.add(s0, a);
    s1 = f32x4.add(s1, b);
  }
  return sum4(f32x4.add(s0, s1));
}

/**
 * 2^x for x ≤ 0, 0 below −125; relative error below 3e-7 (a polynomial of degree 5 fitted to [−½, ½]). Shorter than exp4,
 * since no argument is positive and the temperature takes the factor log2 e along. Adding 1.5 · 2^23 rounds x to the
 * integer that is then in the low bits, from where it moves into the exponent.
 */
@inline
function powerOf2(x: v128): v128 {
  const some = f32x4.ge(x, f32x4.splat(-125));
  const magic = f32x4.splat(12582912);
  const rounded = f32x4.add(f32x4.pmax(x, f32x4.splat(-125)), magic);
  const f = f32x4.sub(x, f32x4.sub(rounded, magic));
  let p = f32x4.splat(1.3266970636323094e-3);
  p = madd(p, f, f32x4.splat(9.675459936261177e-3));
  p = madd(p, f, f32x4.splat(5.550742521882057e-2));
  p = madd(p, f, f32x4.splat(2.4022121727466583e-1));
  p = madd(p, f, f32x4.splat(6.931469440460205e-1));
  p = madd(p, f, f32x4.splat(1.0000001192092896));
  return v128.and(i32x4.add(p, i32x4.shl(rounded, 23)), some);
}

/** x = e · push − (share where the key is the anchor's own). An excluded self is the caller's. */
function gradient(x: usize, owners: usize, e: usize, J: i32, owner: u32, push: f32, share: f32): void {
  const own = i32x4.splat(<i32>owner);
  const pushes = f32x4.splat(push);
  const shares = f32x4.splat(share);
  let j: i32 = 0;
  for (; j + 4 <= J; j += 4) {
    const o = (<usize>j) << 2;
    const part = v128.and(shares, i32x4.eq(v128.load(owners + o), own));
    v128.store(x + o, f32x4.sub(f32x4.mul(v128.load(e + o), pushes), part));
  }
  for (; j < J; j++) {
    const o = (<usize>j) << 2;
    const part: f32 = load<u32>(owners + o) == owner ? share : 0;
    store<f32>(x + o, load<f32>(e + o) * push - part);
  }
}
