export function queue_push(
  z: usize,
  owner: usize,
  queue: usize,
  key_owner: usize,
  heads: usize,
  M: i32,
  D: i32,
  S: i32,
  K: i32,
  start: i32,
  end: i32,
): void {
  const bytes = (<usize>D) << 2;
  for (let s = start; s < end; s++) {
    let head = <i32>load<u32>(heads + ((<usize>s) << 2));
    for (let m: i32 = 0; m < M; m++) {
      if (load<u32>(owner + ((<usize>m) << 2)) != <u32>s) continue;
      const place = <usize>s * <usize>K + <usize>head;
      memory.copy(queue + place * bytes, z + <usize>m * bytes, bytes);
      store<u32>(key_owner + (place << 2), <u32>s);
      head = head + 1 == K ? 0 : head + 1;
    }
    store<u32>(heads + ((<usize>s) << 2), <u32>head);
  }
}
