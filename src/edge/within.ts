/** A promise with a time limit; the work itself is not stopped. */
export async function within<T>(work: Promise<T>, ms: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | null = null;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new DOMException(`nothing within ${ms} ms`, 'TimeoutError')), ms);
  });
  return Promise.race([work, timeout]).finally(() => clearTimeout(timer));
}
