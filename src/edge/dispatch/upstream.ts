/** One attempt at one host: sends the request, and says of a failure whether another attempt may help. */
import { CallerError, InternalError } from '../../base/errors.ts';
import { parseErrorBody, toErrorBody } from '../../protocol/errors.ts';
import { HOST_FULL, LEASE_HEADER, REQUEST_ID_HEADER, SHARD_NOT_RESIDENT } from '../../protocol/hosts.ts';
import { decodeEvents, doneData } from '../../protocol/sse.ts';
import type { Grant } from '../admission/types.ts';
import { hostSecret } from '../auth/auth.ts';
import { settingsOf, type Bindings } from '../bindings.ts';
import { isRecord, parseObject } from './json.ts';
import type { Job } from './job.ts';
import { within } from '../within.ts';

/** Largest answer that is not streamed, and largest error body that is read. */
const MAX_ANSWER_CHARACTERS = 16 * 1024 * 1024;

/**
 * Why an attempt failed. `busy`: full, or without the shards; worth asking again after its next report. `failed`: it
 * broke while answering. `unreachable`: it did not answer at all.
 */
export type FailureKind = 'busy' | 'failed' | 'unreachable';

export class HostFailure extends InternalError {
  readonly kind: FailureKind;

  constructor(kind: FailureKind, message: string, cause?: unknown) {
    super('upstream_failed', message, { cause });
    this.name = 'HostFailure';
    this.kind = kind;
  }
}

export type Reply =
  | { readonly kind: 'json'; readonly body: Record<string, unknown> }
  /** Events up to and with the first token are here already; nothing was passed on yet. */
  | { readonly kind: 'stream'; readonly first: readonly StreamEvent[]; readonly rest: EventSource };

export type StreamEvent = Record<string, unknown>;

interface EventSource {
  /** The next chunk; null after `[DONE]`. Throws HostFailure when the stream breaks off. */
  next(): Promise<StreamEvent | null>;
  /** Ends the request to the host. */
  close(): void;
}

export async function askHost(job: Job, grant: Grant, env: Bindings, signal: AbortSignal): Promise<Reply> {
  const settings = settingsOf(env);
  const upstream = new AbortController();
  const limitMs = job.stream ? settings.FIRST_TOKEN_MS : settings.ANSWER_MS;
  const timer = setTimeout(() => upstream.abort(), limitMs);
  try {
    const response = await send(job, grant, env, AbortSignal.any([signal, upstream.signal]));
    if (!response.ok) throw await failureOf(response);
    if (!job.stream) return { kind: 'json', body: await readAnswer(response) };
    return await firstEvents(openEvents(response, settings.STREAM_IDLE_MS, () => upstream.abort()));
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (upstream.signal.aborted) throw new HostFailure('failed', 'The host gave no answer in time.', error);
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

async function send(job: Job, grant: Grant, env: Bindings, signal: AbortSignal): Promise<Response> {
  const extension = { shards: grant.shards };
  // Usage is always asked for: the metrics need it; assembly takes it out again for clients that did not.
  const usage = job.stream ? { stream_options: { include_usage: true } } : {};
  try {
    return await fetch(new URL(job.path, grant.url), {
      method: 'POST',
      headers: {
        authorization: `Bearer ${hostSecret(env)}`,
        'content-type': 'application/json',
        [REQUEST_ID_HEADER]: job.requestId,
        [LEASE_HEADER]: grant.lease,
      },
      body: JSON.stringify({ ...job.body, ...usage, sparsedoctor: extension }),
      redirect: 'manual',
      signal,
    });
  } catch (error) {
    throw new HostFailure('unreachable', 'The host could not be reached.', error);
  }
}

/** What a status other than 200 means. A mistake of the client is passed on as the host worded it. */
async function failureOf(response: Response): Promise<Error> {
  const text = await readBounded(response).catch(() => '');
  const error = parseErrorBody(parseObject(text));
  if (error?.code === SHARD_NOT_RESIDENT || error?.code === HOST_FULL || response.status === 429) {
    return new HostFailure('busy', `The host answered ${response.status}.`);
  }
  const isCallers =
    response.status >= 400 && response.status < 500 && ![401, 403, 404, 405].includes(response.status);
  if (isCallers && error) return callerError(error);
  return new HostFailure(
    response.status === 503 ? 'busy' : 'failed',
    `The host answered ${response.status}.`,
  );
}

function callerError(error: { message: string; param: string | null; code: string }): CallerError {
  return new CallerError(error.code, error.message, error.param === null ? {} : { param: error.param });
}

async function readAnswer(response: Response): Promise<Record<string, unknown>> {
  const body = parseObject(
    await readBounded(response).catch((cause: unknown) => {
      throw new HostFailure('failed', 'The answer of the host broke off.', cause);
    }),
  );
  if (!body) throw new HostFailure('failed', 'The answer of the host is not a JSON object.');
  return body;
}

async function readBounded(response: Response): Promise<string> {
  if (!response.body) return '';
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const decoder = new TextDecoder();
  let text = '';
  for (;;) {
    const { done, value } = await reader.read();
    text += decoder.decode(value, { stream: !done });
    if (done) return text;
    if (text.length > MAX_ANSWER_CHARACTERS) {
      await reader.cancel().catch(() => undefined);
      throw new HostFailure('failed', 'The answer of the host is too long.');
    }
  }
}

function openEvents(response: Response, idleMs: number, close: () => void): EventSource {
  if (!response.body) throw new HostFailure('failed', 'The host answered without a body.');
  const events = decodeEvents(response.body);
  return {
    close,
    async next() {
      const { done, value } = await within(events.next(), idleMs).catch((cause: unknown) => {
        close();
        throw new HostFailure('failed', 'The stream of the host broke off.', cause);
      });
      if (done) throw new HostFailure('failed', 'The stream of the host ended without [DONE].');
      if (value === doneData) return null;
      const event = parseObject(value);
      if (!event) throw new HostFailure('failed', 'The host sent an event that is not a JSON object.');
      return event;
    },
  };
}

/** Reads up to the first token, so that everything before it can still be repeated on another host. */
async function firstEvents(rest: EventSource): Promise<Reply> {
  const first: StreamEvent[] = [];
  for (;;) {
    const event = await rest.next();
    if (event === null) throw new HostFailure('failed', 'The host sent no answer.');
    const error = parseErrorBody(event);
    if (error) throw isCallerType(error) ? callerError(error) : new HostFailure('failed', 'The host failed.');
    first.push(event);
    if (hasToken(event)) return { kind: 'stream', first, rest };
  }
}

/** Errors that the same request would meet anywhere. */
function isCallerType(error: { message: string; code: string }): boolean {
  const { status } = toErrorBody(new CallerError(error.code, error.message));
  return (
    error.code !== 'unknown' &&
    status >= 400 &&
    status < 500 &&
    status !== 409 &&
    status !== 429 &&
    status !== 499
  );
}

/** Whether a chunk says more than "here comes an answer". */
function hasToken(event: StreamEvent): boolean {
  const choices = Array.isArray(event['choices']) ? event['choices'] : [];
  if (choices.length === 0) return false;
  return choices.some((choice: unknown) => {
    if (!isRecord(choice)) return false;
    const delta = isRecord(choice['delta']) ? choice['delta'] : {};
    return (
      Boolean(delta['content']) || Boolean(choice['text']) || typeof choice['finish_reason'] === 'string'
    );
  });
}
