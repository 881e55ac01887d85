export function rms_norm_backward_weight(
  x: usize,
  inverse_rms: usize,
  dy: usize,
  dweight: usize,
  rows: i32,
  C: i32,
  start: i32,
  end: i32,
): void {
  const bytes = (<usize>C) << 2;
  const c0 = start * 16;
  const c1 = min(end * 16, C);
  for (let r: i32 = 0; r < rows; r++) {
    const scale = load<f32>(inverse_rms + ((<usize>r) << 2));
    const xr = x + <usize>r * bytes;
    const dyr = dy + <usize>r * bytes;
    let c = c0;
    const s = f32x4.splat(scale);
    for (; c + 4 <= c1; c += 4) {
      const o = (<usize>c) << 2;
      const g = f32x4.mul(f32x4.mul(v128.load(xr + o), s), v128.load(dyr + o));
      v128.store(dweight + o, f32x4.add(v128.load(dweight + o), g));
    }
    for (; c < c1; c++) {
      const o = (<usize>c) << 2;
      store<f32>(dweight + o, load<f32>(dweight + o) + load<f32>(xr + o) * scale * load<f32>(dyr + o));
    }
  }
}
