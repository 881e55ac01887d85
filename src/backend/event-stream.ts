/**
 * The body of a streamed answer. It is pulled, so a slow client slows the reading and nothing piles up in the socket; while
 * nothing is there to send, comments show the client that the server lives, and the server whether the client does.
 */
import { encodeComment } from '../protocol/sse.ts';

export interface EventStreamOptions {
  readonly heartbeatMs: number;
  /** The client left before the end. */
  readonly onCancel: () => void;
}

/** `source` yields encoded events. It must not throw: how an error is shown is for the caller to say. */
export function createEventStream(
  source: AsyncIterator<string>,
  options: EventStreamOptions,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let pending: Promise<IteratorResult<string>> | undefined;
  let silent = true;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        pending ??= source.next();
        // The first comment goes out at once: it makes proxies pass on the headers.
        const result = await within(pending, silent ? 0 : options.heartbeatMs);
        silent = false;
        if (!result) {
          controller.enqueue(encoder.encode(encodeComment('waiting')));
          return;
        }
        pending = undefined;
        if (result.done === true) controller.close();
        else controller.enqueue(encoder.encode(result.value));
      },
      async cancel() {
        options.onCancel();
        // Without this a source that waits to be pulled would never run its clean-up.
        await source.return?.();
      },
    },
    { highWaterMark: 1 },
  );
}

async function within<Value>(promise: Promise<Value>, milliseconds: number): Promise<Value | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), milliseconds);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
