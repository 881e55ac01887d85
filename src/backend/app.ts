/** The host's HTTP surface as a Hono app: paths, authentication, errors. Sockets are `host.ts`'s. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { Hono, type Context } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { CallerError, InternalError } from '../base/errors.ts';
import { parseChatRequest } from '../protocol/chat.ts';
import { parseCompletionRequest } from '../protocol/completions.ts';
import { toErrorBody } from '../protocol/errors.ts';
import { leaseIdSchema, LEASE_HEADER, REQUEST_ID_HEADER } from '../protocol/hosts.ts';
import { limits, requestIdPattern } from '../protocol/limits.ts';
import { modelList } from '../protocol/models.ts';
import { parseJson } from '../protocol/parse.ts';
import { BASE_MODEL, pinnedModelName } from '../protocol/route.ts';
import { doneEvent, encodeEvent, eventStreamHeaders } from '../protocol/sse.ts';
import type { Visit } from './admission.ts';
import { collectChat, startChat, streamChat } from './chat-route.ts';
import { collectCompletions, startCompletion, streamCompletion } from './completion-route.ts';
import type { HostContext, HostEnvironment } from './context.ts';
import { createEventStream } from './event-stream.ts';

type RequestContext = Context<HostEnvironment>;

export function createApp(context: HostContext, options: { secret?: string }): Hono<HostEnvironment> {
  const app = new Hono<HostEnvironment>();
  const startedAt = Math.floor(Date.now() / 1000);

  app.use(async (c, next) => {
    const given = c.req.header(REQUEST_ID_HEADER) ?? '';
    const requestId = requestIdPattern.test(given) ? given : crypto.randomUUID();
    c.set('requestId', requestId);
    c.header(REQUEST_ID_HEADER, requestId);
    await next();
  });
  app.onError((error, c) => errorResponse(context, error, c));
  app.notFound((c) =>
    errorResponse(
      context,
      new CallerError('not_found', `There is no ${c.req.method} ${c.req.path} here.`.slice(0, 200)),
      c,
    ),
  );

  // Open to everyone, so that a supervisor needs no key; it tells nothing but the state.
  app.get('/health', (c) => {
    const { alive } = context.engine.stats();
    const status = !alive ? 'dead' : context.admission.draining ? 'draining' : 'ok';
    return c.json({ status }, status === 'ok' ? 200 : 503);
  });

  if (options.secret !== undefined) app.use(authenticate(options.secret));
  app.use(
    bodyLimit({
      maxSize: limits.requestBodyBytes,
      onError: () => {
        throw new CallerError(
          'body_too_large',
          `A request body may have at most ${limits.requestBodyBytes} bytes.`,
        );
      },
    }),
  );
  app.get('/metrics', async (c) =>
    c.body(await context.metrics.render(), 200, { 'content-type': context.metrics.contentType }),
  );
  app.get('/v1/models', (c) => {
    const specialties = new Set(context.shards.resident().map((shard) => shard.specialty));
    return c.json(modelList([BASE_MODEL, ...[...specialties].sort().map(pinnedModelName)], startedAt));
  });
  app.post('/v1/chat/completions', async (c) => {
    const request = parseChatRequest(await readJson(c), context.samplingDefaults);
    return serve(context, c, request.stream, (visit) => {
      const id = crypto.randomUUID();
      const answer = startChat(context, request, visit.signal);
      return {
        whole: () => collectChat(context, request, answer, id),
        stream: () => streamChat(context, request, answer, id),
      };
    });
  });
  app.post('/v1/completions', async (c) => {
    const request = parseCompletionRequest(await readJson(c), context.samplingDefaults);
    return serve(context, c, request.stream, (visit) => {
      const id = crypto.randomUUID();
      const run = startCompletion(context, request, visit.signal, 0);
      return {
        whole: () => collectCompletions(context, request, run, { id, signal: visit.signal }),
        stream: () => streamCompletion(context, request, run, id),
      };
    });
  });
  return app;
}

interface Serving {
  whole(): Promise<object>;
  stream(): AsyncGenerator<string, void, void>;
}

/** One request from admission to its end, whole or streamed. What `start` throws is answered with its status. */
async function serve(
  context: HostContext,
  c: RequestContext,
  stream: boolean,
  start: (visit: Visit) => Serving,
): Promise<Response> {
  const lease = leaseIdSchema.safeParse(c.req.header(LEASE_HEADER));
  const visit = context.admission.begin(c.req.raw.signal, lease.data);
  try {
    const serving = start(visit);
    if (!stream) {
      const body = await serving.whole();
      visit.end();
      return c.json(body);
    }
    const events = guarded(context, c.get('requestId'), serving.stream(), visit);
    const body = createEventStream(events, {
      heartbeatMs: context.heartbeatMs,
      onCancel: () => visit.leave(),
    });
    return c.body(body, 200, eventStreamHeaders);
  } catch (error) {
    visit.end();
    throw error;
  }
}

/** Adds the end of a stream: `[DONE]`, or the error as an event, since the status is out already. */
async function* guarded(
  context: HostContext,
  requestId: string,
  events: AsyncIterable<string>,
  visit: Visit,
): AsyncGenerator<string, void, void> {
  try {
    yield* events;
    yield doneEvent;
  } catch (error) {
    logError(context, error, requestId);
    if (!visit.signal.aborted) yield encodeEvent(toErrorBody(error, { requestId }).body);
  } finally {
    visit.end();
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

async function readJson(c: RequestContext): Promise<unknown> {
  return parseJson(await c.req.text(), 'request body');
}

function authenticate(secret: string): (c: RequestContext, next: () => Promise<void>) => Promise<void> {
  const expected = digest(`Bearer ${secret}`);
  return async (c, next) => {
    if (!timingSafeEqual(digest(c.req.header('authorization') ?? ''), expected)) {
      throw new CallerError(
        'invalid_api_key',
        'This host needs its secret: send Authorization: Bearer <secret>.',
      );
    }
    await next();
  };
}

function errorResponse(context: HostContext, error: unknown, c: RequestContext): Response {
  const requestId = c.get('requestId');
  logError(context, error, requestId);
  const { status, headers, body } = toErrorBody(error, { requestId });
  return Response.json(body, { status, headers: { ...headers, [REQUEST_ID_HEADER]: requestId } });
}

/** Codes only: messages of caller errors may name what the caller sent. */
function logError(context: HostContext, error: unknown, requestId: string): void {
  if (error instanceof CallerError) {
    context.logger.debug({ requestId, code: error.code }, 'request refused');
    return;
  }
  const code = error instanceof InternalError ? error.code : 'internal_error';
  const detail = error instanceof Error ? error.message : 'unknown';
  context.logger.error({ requestId, code, detail }, 'request failed');
}
