import { swigluRow } from '../simd/swiglu.simd';

export function swiglu(gate: usize, up: usize, y: usize, n: i32, start: i32, end: i32): void {
  const from = start * 4096;
  const at = (<usize>from) << 2;
  swigluRow(gate + at, up + at, y + at, min(end * 4096, n) - from);
}
