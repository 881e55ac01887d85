/** The edge answers: POST /v1/chat/completions as a stream, and every way in which that can fail. */
import { decodeEvents, doneData } from '../protocol/sse.ts';
import {
  ResponderError,
  type FailureKind,
  type Question,
  type Responder,
  type ResponderEvent,
} from './responder.ts';
import { sampling } from './sampling.ts';
import {
  parseJson,
  readChunk,
  readModelNames,
  readProblem,
  readTraceHeaders,
  requestIdHeader,
} from './wire.ts';

const kinds: Readonly<Record<number, FailureKind>> = {
  401: 'key',
  403: 'forbidden',
  404: 'model',
  413: 'too_long',
  429: 'busy',
  503: 'unavailable',
  504: 'timeout',
};

/** Errors within a stream have no status any more. */
const kindsByCode: Readonly<Record<string, FailureKind>> = {
  context_length_exceeded: 'too_long',
  rate_limited: 'busy',
  host_full: 'busy',
  queue_full: 'busy',
  overloaded: 'unavailable',
  no_host: 'unavailable',
  shutting_down: 'unavailable',
  engine_stopped: 'unavailable',
  device_lost: 'unavailable',
  deadline_exceeded: 'timeout',
};

export class EdgeResponder implements Responder {
  readonly name = 'edge';
  readonly #readKey: () => string | null;

  constructor(readKey: () => string | null) {
    this.#readKey = readKey;
  }

  async models(signal?: AbortSignal): Promise<string[]> {
    const response = await this.#fetch('/v1/models', signal ? { signal } : {});
    return readModelNames(await response.json().catch(() => null));
  }

  async *respond(question: Question, signal: AbortSignal): AsyncGenerator<ResponderEvent, void, void> {
    const response = await this.#fetch('/v1/chat/completions', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        ...question,
        ...sampling,
        stream: true,
        stream_options: { include_usage: true },
      }),
      signal,
    });
    const requestId = response.headers.get(requestIdHeader);
    const interrupted = new ResponderError('interrupted', '', { requestId });
    if (!response.body) throw interrupted;
    yield { kind: 'route', trace: readTraceHeaders(response.headers) };
    let end: Extract<ResponderEvent, { kind: 'end' }> = { kind: 'end', finish: null, usage: null };
    try {
      for await (const data of decodeEvents(response.body)) {
        if (data === doneData) {
          yield end;
          return;
        }
        const event = parseJson(data);
        const problem = readProblem(event);
        if (problem) {
          throw new ResponderError(kindsByCode[problem.code] ?? 'server', problem.message, { requestId });
        }
        const chunk = readChunk(event);
        if (chunk.trace) yield { kind: 'route', trace: chunk.trace };
        if (chunk.text !== '') yield { kind: 'text', text: chunk.text };
        end = { kind: 'end', finish: chunk.finish ?? end.finish, usage: chunk.usage ?? end.usage };
      }
    } catch (error) {
      throw error instanceof ResponderError ? error : interrupted;
    }
    throw interrupted;
  }

  async #fetch(path: string, init: RequestInit): Promise<Response> {
    const headers = new Headers(init.headers);
    const key = this.#readKey();
    if (key !== null) headers.set('authorization', `Bearer ${key}`);
    let response: Response;
    try {
      response = await fetch(path, { ...init, headers, cache: 'no-store', credentials: 'omit' });
    } catch {
      throw new ResponderError('unreachable', '');
    }
    if (response.ok) return response;
    const problem = readProblem(parseJson(await response.text().catch(() => null)));
    const kind = kindsByCode[problem?.code ?? ''] ?? kinds[response.status];
    throw new ResponderError(kind ?? (response.status < 500 ? 'invalid' : 'server'), problem?.message ?? '', {
      retryAfterSeconds: readRetryAfter(response.headers.get('retry-after')),
      requestId: response.headers.get(requestIdHeader),
    });
  }
}

/** Our servers send seconds; a date, which a proxy may send, is not worth the code. */
function readRetryAfter(header: string | null): number | null {
  const seconds = Number(header ?? Number.NaN);
  return Number.isFinite(seconds) && seconds > 0 ? Math.min(Math.ceil(seconds), 3600) : null;
}
