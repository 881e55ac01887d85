import { describe, expect, it } from 'vitest';
import { createEventStream } from '../../src/backend/event-stream.ts';

describe('createEventStream', () => {
  it('runs the source’s clean-up when the client leaves between two events', async () => {
    let cleaned = 0;
    let cancelled = 0;
    async function* source(): AsyncGenerator<string, void, void> {
      try {
        for (;;) yield 'data: x\n\n';
      } finally {
        cleaned += 1;
      }
    }
    const options = { heartbeatMs: 1000, onCancel: () => void (cancelled += 1) };
    const reader = createEventStream(source(), options).getReader();
    await reader.read();
    await reader.read();
    await reader.cancel();
    expect([cleaned, cancelled]).toEqual([1, 1]);
  });

  it('reads no further ahead than one event while the client is slow', async () => {
    let read = 0;
    async function* source(): AsyncGenerator<string, void, void> {
      for (; read < 100; read++) yield 'data: x\n\n';
    }
    const stream = createEventStream(source(), { heartbeatMs: 1000, onCancel: () => {} });
    const reader = stream.getReader();
    await reader.read();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(read).toBeLessThanOrEqual(2);
    let events = 1;
    while (!(await reader.read()).done) events += 1;
    expect(events).toBeGreaterThanOrEqual(100);
  });
});
