/** Sums of outer products of listed rows: gradients of an expert's matrices. */
import { listedX, listedY, X, Y } from './grouped.simd';
import { madd } from './lanes.simd';
import { scratch } from './scratch.simd';

/** Rows of a sum of outer products held in the first-level cache at a time. */
const NEAR: i32 = 96;

/** c[i, j] += Σ x[i] y[j] over the listed rows in their order; x and y begin `xAt` and `yAt` bytes on. */
export function addOuter(count: i32, c: usize, ldc: usize, I: i32, J: i32, xAt: usize, yAt: usize): void {
  const I4 = I & ~3;
  const J8 = J & ~7;
  for (let p: i32 = 0; p < count; p += NEAR) {
    const to = min(count, p + NEAR);
    for (let j: i32 = 0; j < J8; j += 8) {
      const column = <usize>j << 2;
      for (let i: i32 = 0; i < I4; i += 4) {
        outer4(p, to, c + <usize>i * ldc + column, ldc, xAt + (<usize>i << 2), yAt + column);
      }
    }
    for (let i: i32 = 0; i < I; i++) {
      for (let j = i < I4 ? J8 : 0; j < J; j++) {
        const at = c + <usize>i * ldc + (<usize>j << 2);
        let sum = load<f32>(at);
        for (let q = p; q < to; q++) {
          sum += load<f32>(listedX(q) + xAt + (<usize>i << 2)) * load<f32>(listedY(q) + yAt + (<usize>j << 2));
        }
        store<f32>(at, sum);
      }
    }
  }
}

function outer4(from: i32, to: i32, c: usize, ldc: usize, xAt: usize, yAt: usize): void {
  const r1 = c + ldc, r2 = r1 + ldc, r3 = r2 + ldc;
  let c00 = v128.load(c), c01 = v128.load(c, 16);
  let c10 = v128.load(r1), c11 = v128.load(r1, 16);
  let c20 = v128.load(r2), c21 = v128.load(r2, 16);
  let c30 = v128.load(r3), c31 = v128.load(r3, 16);
  let list = scratch() + (<usize>from << 2);
  const end = scratch() + (<usize>to << 2);
  for (; list < end; list += 4) {
    const x = <usize>load<u32>(list + X) + xAt;
    const y = <usize>load<u32>(list + Y) + yAt;
    const b0 = v128.load(y);
    const b1 = v128.load(y, 16);
    let a = v128.load32_splat(x);
    c00 = madd(a, b0, c00);
    c01 = madd(a, b1, c01);
    a = v128.load32_splat(x, 4);
    c10 = madd(a, b0, c10);
    c11 = madd(a, b1, c11);
    a = v128.load32_splat(x, 8);
    c20 = madd(a, b0, c20);
    c21 = madd(a, b1, c21);
    a = v128.load32_splat(x, 12);
    c30 = madd(a, b0, c30);
    c31 = madd(a, b1, c31);
  }
  v128.store(c, c00);
  v128.store(c, c01, 16);
  v128.store(r1, c10);
  v128.store(r1, c11, 16);
  v128.store(r2, c20);
  v128.store(r2, c21, 16);
  v128.store(r3, c30);
  v128.store(r3, c31, 16);
}
