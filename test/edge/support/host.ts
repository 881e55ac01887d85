/**
 * Scripted GPU hosts behind a spied fetch, for what a real host cannot be made to show on demand: errors, stalls, broken
 * streams. The real host meets the real edge in the end-to-end tests.
 */
import { getResponse, http, HttpResponse } from 'msw';
import { vi } from 'vitest';
import { z } from 'zod';

export interface HostRequest {
  readonly host: string;
  readonly path: string;
  readonly headers: Headers;
  readonly body: Record<string, unknown>;
}

type Script = (request: HostRequest) => Response | Promise<Response>;

export class ScriptedHosts {
  readonly requests: HostRequest[] = [];
  /** Hosts whose stream the edge has cancelled. */
  readonly cancelled: string[] = [];
  readonly #scripts = new Map<string, Script>();

  constructor() {
    vi.spyOn(globalThis, 'fetch').mockImplementation((input, init) => this.#answer(input, init));
  }

  /** `origin`: as announced, e.g. http://127.0.0.1:9001. */
  on(origin: string, script: Script): this {
    this.#scripts.set(origin, script);
    return this;
  }

  async #answer(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
    const request = new Request(input, init);
    const handlers = [...this.#scripts].map(([origin, script]) =>
      http.post(`${origin}/v1/*`, async ({ request: received }) => {
        const { pathname } = new URL(received.url);
        const body = z.record(z.string(), z.unknown()).parse(await received.json());
        const seen = { host: origin, path: pathname, headers: received.headers, body };
        this.requests.push(seen);
        return script(seen);
      }),
    );
    const response = await getResponse(handlers, request);
    // What a closed port does.
    if (!response) throw new TypeError('Network connection lost.');
    return this.#abortable(response, new URL(request.url).origin, init?.signal ?? null);
  }

  /** A spied fetch has to heed the signal itself, as the real one does. */
  #abortable(response: Response, origin: string, signal: AbortSignal | null): Response {
    if (!response.body || !signal) return response;
    const reader = response.body.getReader();
    const body = new ReadableStream({
      start: (controller) => {
        signal.addEventListener('abort', () => {
          this.cancelled.push(origin);
          controller.error(new DOMException('aborted', 'AbortError'));
          reader.cancel().catch(() => undefined);
        });
      },
      async pull(controller) {
        const { done, value } = await reader.read();
        if (done) controller.close();
        else controller.enqueue(value);
      },
    });
    return new Response(body, response);
  }
}

const head = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'base' };

export function chunk(content: string, finish: string | null = null): Record<string, unknown> {
  return { ...head, choices: [{ index: 0, delta: { content }, finish_reason: finish }], usage: null };
}

export const roleChunk = {
  ...head,
  choices: [{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }],
  usage: null,
};

export const usage = { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 };
export const usageChunk = { ...head, choices: [], usage };

/** What a host streams for a two-token answer. */
export const goodEvents = [roleChunk, chunk('多'), chunk('喝'), chunk('', 'stop'), usageChunk];

export interface StreamOptions {
  /** Resolves before the event of that index is sent. */
  readonly before?: (index: number) => Promise<void>;
  /** Ends the connection without [DONE]. */
  readonly breakOff?: boolean;
  readonly endless?: boolean;
}

export function sse(events: readonly unknown[], options: StreamOptions = {}): Response {
  const encoder = new TextEncoder();
  let index = 0;
  const body = new ReadableStream({
    async pull(controller) {
      await options.before?.(index);
      const event = events[index];
      index += 1;
      if (event !== undefined) controller.enqueue(encoder.encode(`data: ${JSON.stringify(event)}\n\n`));
      else if (options.endless) controller.enqueue(encoder.encode(`data: ${JSON.stringify(chunk('x'))}\n\n`));
      else if (options.breakOff) controller.error(new Error('connection reset'));
      else {
        controller.enqueue(encoder.encode('data: [DONE]\n\n'));
        controller.close();
      }
    },
  });
  return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
}

export function completion(content = '多喝水'): Response {
  const choices = [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }];
  return HttpResponse.json({
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 1,
    model: 'base',
    choices,
    usage,
  });
}

export function hostError(status: number, code: string, message = 'no'): Response {
  return HttpResponse.json({ error: { message, type: 'x', param: null, code } }, { status });
}
