/** Both sides of a product, packed so that a block of it reads them in order. */

/** b[kc, nc] to panels [nc / 8][kc][8], zero beyond nc. */
export function packB(b: usize, sbk: usize, sbn: usize, kc: i32, nc: i32, panels: usize): void {
  for (let n: i32 = 0; n < nc; n += 8) {
    const to = panels + (<usize>(n * kc) << 2);
    const from = b + <usize>n * sbn;
    if (n + 8 <= nc && sbn == 4) copyPanel(from, sbk, to, kc);
    else if (n + 8 <= nc && sbk == 4) {
      transposePanel(from, sbn, to, kc);
      transposePanel(from + 4 * sbn, sbn, to + 16, kc);
    } else raggedPanel(from, sbk, sbn, to, kc, min(8, nc - n));
  }
}

function copyPanel(from: usize, sbk: usize, to: usize, kc: i32): void {
  for (let k: i32 = 0; k < kc; k++) {
    v128.store(to, v128.load(from));
    v128.store(to, v128.load(from, 16), 16);
    from += sbk;
    to += 32;
  }
}

/** Four rows of k-contiguous data to one half of a panel. */
function transposePanel(from: usize, sbn: usize, to: usize, kc: i32): void {
  let k: i32 = 0;
  for (; k + 4 <= kc; k += 4) {
    const p = from + (<usize>k << 2);
    const r0 = v128.load(p);
    const r1 = v128.load(p + sbn);
    const r2 = v128.load(p + 2 * sbn);
    const r3 = v128.load(p + 3 * sbn);
    const t0 = v128.shuffle<i32>(r0, r1, 0, 4, 1, 5);
    const t1 = v128.shuffle<i32>(r0, r1, 2, 6, 3, 7);
    const t2 = v128.shuffle<i32>(r2, r3, 0, 4, 1, 5);
    const t3 = v128.shuffle<i32>(r2, r3, 2, 6, 3, 7);
    const q = to + (<usize>k << 5);
    v128.store(q, v128.shuffle<i64>(t0, t2, 0, 2));
    v128.store(q, v128.shuffle<i64>(t0, t2, 1, 3), 32);
    v128.store(q, v128.shuffle<i64>(t1, t3, 0, 2), 64);
    v128.store(q, v128.shuffle<i64>(t1, t3, 1, 3), 96);
  }
  for (; k < kc; k++) {
    for (let j: i32 = 0; j < 4; j++) {
      store<f32>(to + (<usize>k << 5) + (<usize>j << 2), load<f32>(from + (<usize>k << 2) + <usize>j * sbn));
    }
  }
}

function raggedPanel(from: usize, sbk: usize, sbn: usize, to: usize, kc: i32, columns: i32): void {
  for (let k: i32 = 0; k < kc; k++) {
    for (let j: i32 = 0; j < 8; j++) {
      const v: f32 = j < columns ? load<f32>(from + <usize>k * sbk + <usize>j * sbn) : 0;
      store<f32>(to + (<usize>k << 5) + (<usize>j << 2), v);
    }
  }
}

/** a[mc, kc] to panels [mc / 6][kc][6]; the last mc % 6 rows stay where they are. */
export function packA(a: usize, sam: usize, sak: usize, mc: i32, kc: i32, panels: usize): void {
  for (let m: i32 = 0; m + 6 <= mc; m += 6) {
    let from = a + <usize>m * sam;
    let to = panels + (<usize>(m * kc) << 2);
    if (sam == 4) {
      for (let k: i32 = 0; k < kc; k++) {
        v128.store(to, v128.load(from));
        store<u64>(to, load<u64>(from, 16), 16);
        from += sak;
        to += 24;
      }
    } else {
      for (let k: i32 = 0; k < kc; k++) {
        for (let i: usize = 0; i < 6; i++) store<f32>(to + (i << 2), load<f32>(from + i * sam));
        from += sak;
        to += 24;
      }
    }
  }
}
