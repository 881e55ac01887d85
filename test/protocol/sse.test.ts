import { describe, expect, it } from 'vitest';
import { limits } from '../../src/protocol/limits.ts';
import { decodeEvents, doneData, doneEvent, encodeComment, encodeEvent } from '../../src/protocol/sse.ts';

function streamOf(text: string, size: number): ReadableStream<Uint8Array> & { cancelled: () => boolean } {
  const bytes = new TextEncoder().encode(text);
  let at = 0;
  let cancelled = false;
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      controller.enqueue(bytes.slice(at, (at += size)));
    },
    cancel: () => {
      cancelled = true;
    },
  });
  return Object.assign(stream, { cancelled: () => cancelled });
}

async function collect(events: AsyncIterable<string>): Promise<string[]> {
  const all: string[] = [];
  for await (const event of events) all.push(event);
  return all;
}

describe('server-sent events', () => {
  const values = [{ text: '你好\n\ndata: x' }, { emoji: '🙂' }, { end: null }];
  const text = encodeComment('waiting\ndata: forged') + values.map(encodeEvent).join('') + doneEvent;

  it.each([1, 2, 3, 7, 1000])('come back whole from chunks of %i bytes, comments skipped', async (size) => {
    const decoded = await collect(decodeEvents(streamOf(text, size)));
    expect(decoded.slice(0, -1).map((data) => JSON.parse(data) as unknown)).toEqual(values);
    expect(decoded.at(-1)).toBe(doneData);
  });

  it('cancels the stream when the reader leaves early', async () => {
    const stream = streamOf(text, 20);
    for await (const event of decodeEvents(stream)) if (event) break;
    expect(stream.cancelled()).toBe(true);
  });

  it('refuses an event without end', async () => {
    const endless = streamOf(`data: ${'x'.repeat(2 * limits.eventCharacters)}`, 65_536);
    await expect(collect(decodeEvents(endless))).rejects.toThrow('too long');
    expect(endless.cancelled()).toBe(true);
  });
});
