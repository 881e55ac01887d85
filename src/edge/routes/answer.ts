/** What chat and completions share: from a validated request and its plan to the answer, streamed or whole. */
import type { Context } from 'hono';
import { CallerError } from '../../base/errors.ts';
import { encodeEvent, eventStreamHeaders } from '../../protocol/sse.ts';
import { traceHeaders } from '../../protocol/trace.ts';
import { PRIORITIES, type Priority } from '../admission/types.ts';
import type { EdgeEnv } from '../edge-env.ts';
import { assembleJson, assembleStream, traceOf } from '../assembly/answer.ts';
import { ClientStream } from '../assembly/client-stream.ts';
import { settingsOf } from '../bindings.ts';
import { dispatch, endedAs, type Answered } from '../dispatch/dispatch.ts';
import type { Job, JobContext } from '../dispatch/job.ts';
import { enter } from '../dispatch/slot.ts';
import { wireErrorOf } from '../http/errors.ts';
import type { RoutePlan } from '../routing/plan.ts';

/** `high` needs the admin key, `batch` waits for all others. */
const PRIORITY_HEADER = 'x-sparsedoctor-priority';
/** Longest wait in the queue that still helps the client, in milliseconds. */
const MAX_WAIT_HEADER = 'x-sparsedoctor-max-wait-ms';

export interface AnswerRequest {
  readonly path: Job['path'];
  readonly body: Record<string, unknown>;
  readonly stream: boolean;
  readonly includeUsage: boolean;
}

export async function answer(
  context: Context<EdgeEnv>,
  request: AnswerRequest,
  plan: RoutePlan,
  arrivedAt: number,
): Promise<Response> {
  const job = toJob(context, request, plan, arrivedAt);
  const gone = new AbortController();
  context.req.raw.signal.addEventListener('abort', () => gone.abort(), { once: true });
  const jobContext: JobContext = {
    env: context.env,
    signal: gone.signal,
    waitUntil: (work) => context.executionCtx.waitUntil(work),
  };
  const admitted = await enter(job, jobContext, []);
  const answered = dispatch(admitted, job, jobContext);
  if (!job.stream) return answerWhole(await answered, job, plan);
  return answerStream(answered, { job, jobContext, plan, gone, includeUsage: request.includeUsage });
}

function answerWhole(answered: Answered, job: Job, plan: RoutePlan): Response {
  const trace = traceOf(plan, answered);
  if (answered.reply.kind !== 'json') throw new TypeError('a whole answer was asked for');
  const { body, outcome } = assembleJson(answered.reply.body, trace, job);
  answered.slot.release(outcome);
  return Response.json(body, { headers: traceHeaders(trace) });
}

interface Streaming {
  readonly job: Job;
  readonly jobContext: JobContext;
  readonly plan: RoutePlan;
  readonly gone: AbortController;
  readonly includeUsage: boolean;
}

/**
 * Waits a moment for the first token, so that an error of the host still gets its own status; after that it answers, so
 * that a client that leaves while its request waits is noticed.
 */
async function answerStream(answered: Promise<Answered>, streaming: Streaming): Promise<Response> {
  const { jobContext, plan, gone } = streaming;
  const settings = settingsOf(jobContext.env);
  const soon = await Promise.race([
    answered,
    new Promise<null>((resolve) => setTimeout(() => resolve(null), settings.EARLY_ANSWER_MS)),
  ]);
  const client = new ClientStream({ stallMs: settings.STREAM_IDLE_MS, onGone: () => gone.abort() });
  jobContext.waitUntil(pump(answered, client, streaming));
  const trace = soon ? traceOf(plan, soon) : { specialties: [...plan.specialties], router: plan.router };
  return new Response(client.readable, { headers: { ...eventStreamHeaders, ...traceHeaders(trace) } });
}

async function pump(answering: Promise<Answered>, client: ClientStream, streaming: Streaming): Promise<void> {
  const { job, plan, gone, includeUsage } = streaming;
  // A host that fails because its client left has not failed.
  const errorText = (error: unknown): string =>
    gone.signal.aborted ? '' : encodeEvent(wireErrorOf(error, job.requestId).body);
  let answered: Answered | null = null;
  try {
    answered = await answering;
    const outcome = await assembleStream(answered, {
      job,
      trace: traceOf(plan, answered),
      includeUsage,
      write: (text) => client.write(text),
      errorText,
    });
    answered.slot.release(gone.signal.aborted ? { ...outcome, result: 'abort' } : outcome);
  } catch (error) {
    answered?.slot.release(endedAs('error', job));
    await client.write(errorText(error));
  } finally {
    await client.close();
  }
}

function toJob(context: Context<EdgeEnv>, request: AnswerRequest, plan: RoutePlan, arrivedAt: number): Job {
  const settings = settingsOf(context.env);
  const caller = context.get('caller');
  return {
    path: request.path,
    body: request.body,
    stream: request.stream,
    requestId: context.get('requestId'),
    key: caller.keyId,
    priority: readPriority(context.req.header(PRIORITY_HEADER), caller.role === 'admin'),
    arrivedAt,
    queueDeadline: arrivedAt + readMaxWait(context.req.header(MAX_WAIT_HEADER), settings.QUEUE_WAIT_MS),
    wanted: plan.wanted,
  };
}

function readPriority(header: string | undefined, isAdmin: boolean): Priority {
  if (header === undefined) return 'normal';
  const priority = PRIORITIES.find((one) => one === header);
  if (!priority) {
    throw new CallerError('invalid_request', `${PRIORITY_HEADER} is one of ${PRIORITIES.join(', ')}.`);
  }
  if (priority === 'high' && !isAdmin) {
    throw new CallerError('forbidden', `${PRIORITY_HEADER}: high needs the admin key.`);
  }
  return priority;
}

function readMaxWait(header: string | undefined, longest: number): number {
  if (header === undefined) return longest;
  const ms = Number(header);
  if (!Number.isSafeInteger(ms) || ms < 1) {
    throw new CallerError('invalid_request', `${MAX_WAIT_HEADER} is a whole number of milliseconds above 0.`);
  }
  return Math.min(ms, longest);
}
