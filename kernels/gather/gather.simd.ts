const NONE: u32 = 0xffffffff;

export function gather(x: usize, index: usize, y: usize, M: i32, start: i32, end: i32): void {
  const to = min(end * 4096, M);
  for (let m = start * 4096; m < to; m++) {
    const o = (<usize>m) << 2;
    const i = load<u32>(index + o);
    store<u32>(y + o, i == NONE ? NONE : load<u32>(x + ((<usize>i) << 2)));
  }
}
