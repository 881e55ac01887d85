import { addExperts } from '../simd/experts.simd';

export function expert_expand(
  h: usize,
  b: usize,
  slots: usize,
  weights: usize,
  scales: usize,
  y: usize,
  T: i32,
  K: i32,
  R: i32,
  M: i32,
  start: i32,
  end: i32,
): void {
  const rank = (<usize>R) << 2;
  const row = (<usize>M) << 2;
  const place = <usize>(start * K);
  const at = place << 2;
  const to = y + <usize>start * row;
  addExperts(
    end - start,
    h + place * rank,
    rank,
    b,
    slots + at,
    weights + at,
    scales,
    to,
    row,
    K,
    R,
    M,
    0,
    M,
  );
}
