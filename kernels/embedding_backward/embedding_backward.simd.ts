export function embedding_backward(
  ids: usize,
  dy: usize,
  dtable: usize,
  T: i32,
  C: i32,
  V: i32,
  start: i32,
  end: i32,
): void {
  const bytes = (<usize>C) << 2;
  const c0 = start * 16;
  const c1 = min(end * 16, C);
  for (let t = 0; t < T; t++) {
    const from = dy + <usize>t * bytes;
    const to = dtable + <usize>load<u32>(ids + ((<usize>t) << 2)) * bytes;
    for (let c = c0; c < c1; c++) {
      const p = to + ((<usize>c) << 2);
      store<f32>(p, load<f32>(p) + load<f32>(from + ((<usize>c) << 2)));
    }
  }
}
