export function rms_norm_backward(
  x: usize,
  weight: usize,
  inverse_rms: usize,
  dy: usize,
  dx: usize,
  rows: i32,
  C: i32,
  start: i32,
  end: i32,
): void {
  const bytes = (<usize>C) << 2;
  for (let r = start; r < end; r++) {
    const xr = x + <usize>r * bytes;
    const dyr = dy + <usize>r * bytes;
    const dxr = dx + <usize>r * bytes;
    const scale = load<f32>(inverse_rms + ((<usize>r) << 2));
    let sum: f32 = 0;
    let c: i32 = 0;
    if (C >= 4) {
      let v = f32x4.splat(0);
      for (; c + 4 <= C; c += 4) {
        const o = (<usize>c) << 2;
        v = f32x4.add(v, f32x4.mul(f32x4.mul(v128.load(weight + o), v128.load(dyr + o)), v128.load(xr + o)));
      }
      sum =
        f32x4.extract_lane(v, 0) +
        f32x4.extract_lane(v, 1) +
        (f32x4.extract_lane(v, 2) + f32x4.extract_lane(v, 3));
    }
    for (; c < C; c++) {
      const o = (<usize>c) << 2;
      sum += load<f32>(weight + o) * load<f32>(dyr + o) * load<f32>(xr + o);
    }
    const back: f32 = (sum * scale * scale * scale) / <f32>C;
    const s = f32x4.splat(scale);
    const b = f32x4.splat(back);
    c = 0;
    for (; c + 4 <= C; c += 4) {
      const o = (<usize>c) << 2;
      const g = f32x4.mul(f32x4.mul(v128.load(weight + o), v128.load(dyr + o)), s);
      v128.store(dxr + o, f32x4.add(v128.load(dxr + o), f32x4.sub(g, f32x4.mul(v128.load(xr + o), b))));
    }
    for (; c < C; c++) {
      const o = (<usize>c) << 2;
      const g = load<f32>(weight + o) * load<f32>(dyr + o) * scale;
      store<f32>(dxr + o, load<f32>(dxr + o) + g - load<f32>(xr + o) * back);
    }
  }
}
