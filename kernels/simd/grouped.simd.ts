/**
 * Rows listed by pointer, so that the tokens of one expert, wherever they lie, are multiplied together: by columns
 * (`columns.simd`), by dot products (`dots.simd`) or into a sum of outer products (`outer.simd`). In each of them an
 * element is summed in an order that does not depend on which rows share a block: grouping never shows.
 *
 * The lists lie at the start of the thread's scratch; `GROUPED_SCRATCH` is where a kernel's own scratch begins.
 */
import { scratch } from './scratch.simd';

const NONE: u32 = 0xffffffff;

/** Rows listed at a time. */
export const ROWS: i32 = 256;
/** Offsets of the lists. */
export const X: usize = 0;
export const Y: usize = X + <usize>ROWS * 4;
const FACTOR: usize = Y + <usize>ROWS * 4;
const INDEX: usize = FACTOR + <usize>ROWS * 4;
const TAKEN: usize = INDEX + <usize>ROWS * 4;
/** Room for eight values that nobody reads. */
export const SPARE: usize = TAKEN + <usize>ROWS;
export const GROUPED_SCRATCH: usize = SPARE + 32;

export function startGroups(n: i32): void {
  memory.fill(scratch() + TAKEN, 0, <usize>n);
}

/** Lists the indices of the first expert that is still to be done among n ≤ ROWS slots; returns how many there are. */
export function nextGroup(slots: usize, stride: usize, n: i32): i32 {
  const taken = scratch() + TAKEN;
  let count: i32 = 0;
  let slot = NONE;
  for (let i: i32 = 0; i < n; i++) {
    if (load<u8>(taken + <usize>i)) continue;
    const other = load<u32>(slots + <usize>i * stride);
    if (other == NONE || (count > 0 && other != slot)) continue;
    slot = other;
    store<u8>(taken + <usize>i, 1);
    store<i32>(scratch() + INDEX + (<usize>count << 2), i);
    count++;
  }
  return count;
}

@inline
export function groupIndex(i: i32): i32 {
  return load<i32>(scratch() + INDEX + (<usize>i << 2));
}

@inline
export function listRow(i: i32, x: usize, y: usize, factor: f32): void {
  const at = scratch() + (<usize>i << 2);
  store<u32>(at + X, <u32>x);
  store<u32>(at + Y, <u32>y);
  store<f32>(at + FACTOR, factor);
}

@inline
export function listedX(i: i32): usize {
  return <usize>load<u32>(scratch() + X + (<usize>i << 2));
}

@inline
export function listedY(i: i32): usize {
  return <usize>load<u32>(scratch() + Y + (<usize>i << 2));
}

@inline
export function listedFactor(i: i32): usize {
  return scratch() + FACTOR + (<usize>i << 2);
}
