/**
 * Reads, and forgets, what a refused client still sends. A connection that is closed while its client writes shows that
 * client nothing but the closing, and one that it would use again is gone; so it may finish, within bounds.
 */
const DRAIN_MS = 5_000;
/** For bodies of which nothing was read: no more than this for strangers. */
const UNREAD_BYTES = 4 * 1024 * 1024;

export interface BodyReader {
  read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>;
  cancel(): Promise<void>;
}

export async function drain(reader: BodyReader, maxBytes: number): Promise<void> {
  const late = Promise.withResolvers<null>();
  const timer = setTimeout(() => late.resolve(null), DRAIN_MS);
  try {
    for (let seen = 0; seen <= maxBytes;) {
      const part = await Promise.race([reader.read(), late.promise]);
      if (part === null || part.done) break;
      seen += part.value?.length ?? 0;
    }
  } catch {
    // The client is gone: nothing is left to read.
  }
  clearTimeout(timer);
  await reader.cancel().catch(() => undefined);
}

/** Drains the body of a request that was refused before anybody read it. */
export async function drainUnread(request: Request): Promise<void> {
  if (request.body === null || request.bodyUsed || request.body.locked) return;
  await drain((request.body as ReadableStream<Uint8Array>).getReader(), UNREAD_BYTES);
}
