import { axpy, dot } from '../simd/lanes.simd';
import { scratch } from '../simd/scratch.simd';

const NONE: u32 = 0xffffffff;

export function expert_expand_backward(
  h: usize,
  b: usize,
  slots: usize,
  weights: usize,
  scales: usize,
  dy: usize,
  dh: usize,
  dweights: usize,
  T: i32,
  K: i32,
  R: i32,
  M: i32,
  start: i32,
  end: i32,
): void {
  const rank = (<usize>R) << 2;
  const u = scratch();
  for (let t = start; t < end; t++) {
    const gradient = dy + ((<usize>(t * M)) << 2);
    for (let k: i32 = 0; k < K; k++) {
      const i = <usize>(t * K + k);
      const out = dh + i * rank;
      const slot = load<u32>(slots + (i << 2));
      memory.fill(out, 0, rank);
      if (slot == NONE) continue;
      const scale = load<f32>(scales + ((<usize>slot) << 2));
      transposed(b + <usize>slot * <usize>M * rank, gradient, u, M, R);
      axpy(load<f32>(weights + (i << 2)) * scale, u, out, R);
      const d = dweights + (i << 2);
      store<f32>(d, load<f32>(d) + scale * dot(h + i * rank, u, R));
    }
  }
}

/** u = Bᵀ dy. */
function transposed(b: usize, dy: usize, u: usize, M: i32, R: i32): void {
  const rank = (<usize>R) << 2;
  if (R == 8) {
    let u0 = f32x4.splat(0);
    let u1 = f32x4.splat(0);
    for (let m: i32 = 0; m < M; m++) {
      const g = v128.load32_splat(dy);
      u0 = f32x4.add(u0, f32x4.mul(g, v128.load(b)));
      u1 = f32x4.add(u1, f32x4.mul(g, v128.load(b, 16)));
      b += 32;
      dy += 4;
    }
    v128.store(u, u0);
    v128.store(u, u1, 16);
    return;
  }
  memory.fill(u, 0, rank);
  for (let m: i32 = 0; m < M; m++) {
    axpy(load<f32>(dy), b, u, R);
    b += rank;
    dy += 4;
  }
}
