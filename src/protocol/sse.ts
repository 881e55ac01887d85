/**
 * Server-sent events, both ways. Decoding is eventsource-parser's; no web stream types are piped together here, because
 * workerd's and Node's declarations of them differ.
 */
import { createParser } from 'eventsource-parser';
import { InternalError } from '../base/errors.ts';
import { limits } from './limits.ts';

export const doneData = '[DONE]';

export const eventStreamHeaders = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache, no-transform',
  'x-accel-buffering': 'no',
} as const;

/** One event. JSON has no raw line breaks, so that one `data:` line is enough. */
export function encodeEvent(value: unknown): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}

export const doneEvent = `data: ${doneData}\n\n`;

/** A line that every parser skips: keeps the connection open and shows the server whether the client is still there. */
export function encodeComment(text: string): string {
  return `: ${text.replaceAll(/[\r\n]+/g, ' ')}\n\n`;
}

export interface ByteReader {
  read(): Promise<{ done: boolean; value?: Uint8Array | undefined }>;
  cancel(reason?: unknown): Promise<void>;
}

/** `data` of each event, `[DONE]` included, in order; leaving the loop early cancels the stream. */
export async function* decodeEvents(body: { getReader(): ByteReader }): AsyncGenerator<string, void, void> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const ready: string[] = [];
  const failures: Error[] = [];
  const parser = createParser({
    maxBufferSize: limits.eventCharacters,
    onEvent: (event) => ready.push(event.data),
    // Unknown fields are to be ignored by the standard; only an oversized event is an error.
    onError: (error) => error.type === 'max-buffer-size-exceeded' && failures.push(error),
  });
  let ended = false;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (value) parser.feed(decoder.decode(value, { stream: true }));
      yield* ready.splice(0);
      if (failures.length > 0) {
        throw new InternalError('upstream_failed', 'An event of the stream is too long.', {
          cause: failures[0],
        });
      }
      if (done) break;
    }
    ended = true;
  } finally {
    if (!ended) await reader.cancel().catch(() => undefined);
  }
}
