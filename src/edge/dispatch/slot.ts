/** Gets a request its slot: into the queue, through it, and holding the lease while the request runs. */
import { InternalError } from '../../base/errors.ts';
import type { Exclusion, Grant, Outcome, RefusalReason, Verdict } from '../admission/types.ts';
import { admissionOf, settingsOf } from '../bindings.ts';
import { RefusedError } from '../http/errors.ts';
import type { Job, JobContext } from './job.ts';

/** One poll of the queue; a client that leaves is out of it after this long plus the queue's own patience. */
const POLL_MS = 2_000;
/** How often a request enters the queue anew when the queue restarts under it. */
const MAX_REENTRIES = 5;
const REENTRY_PAUSE_MS = 100;

/** A slot that is held until `release`, which may be called any number of times; the first call counts. */
export interface HeldSlot {
  readonly grant: Grant;
  release(outcome: Outcome): void;
}

export type Admitted = Extract<Verdict, { kind: 'granted' | 'queued' }>;

/** First step of every request. Throws the refusal, while the status can still be set. */
export async function enter(job: Job, context: JobContext, exclude: readonly Exclusion[]): Promise<Admitted> {
  for (let tries = 0; ; tries++) {
    const verdict = await tryEnter(job, context, exclude);
    if (verdict.kind === 'refused') throw refusal(verdict.reason, verdict.retryAfterSeconds);
    if (verdict.kind !== 'lost') return verdict;
    if (tries >= MAX_REENTRIES)
      throw new InternalError('queue_unavailable', 'The admission queue does not answer.');
    await new Promise((resolve) => setTimeout(resolve, REENTRY_PAUSE_MS * 2 ** tries));
  }
}

/** Waits for the slot of an admitted request. */
export async function holdSlot(
  admitted: Admitted,
  job: Job,
  context: JobContext,
  exclude: readonly Exclusion[],
): Promise<HeldSlot> {
  let verdict: Verdict = admitted;
  for (;;) {
    if (context.signal.aborted) {
      giveUp(verdict, context);
      throw context.signal.reason;
    }
    if (verdict.kind === 'granted') return hold(verdict.grant, context);
    if (verdict.kind === 'refused') throw refusal(verdict.reason, verdict.retryAfterSeconds);
    if (verdict.kind === 'lost') verdict = await enter(job, context, exclude);
    else verdict = await poll(verdict.ticket, context);
  }
}

async function tryEnter(job: Job, { env }: JobContext, exclude: readonly Exclusion[]): Promise<Verdict> {
  const waitMs = job.queueDeadline - Date.now();
  if (waitMs <= 0) return { kind: 'refused', reason: 'deadline', retryAfterSeconds: 1 };
  const { key, priority, wanted } = job;
  const request = { key, priority, waitMs, specialties: wanted, exclude };
  // The object is reset when its code changes or it fails: a call that was under way is lost with it.
  return admissionOf(env)
    .enqueue(request)
    .catch(() => ({ kind: 'lost' }) as const);
}

async function poll(ticket: string, { env, signal, waitUntil }: JobContext): Promise<Verdict> {
  const answer = admissionOf(env)
    .wait(ticket, POLL_MS)
    .catch(() => ({ kind: 'lost' }) as const);
  const gone = new Promise<Verdict>((resolve) => {
    signal.addEventListener('abort', () => resolve({ kind: 'queued', ticket, position: 0 }), { once: true });
  });
  // The open call may still come back with a grant: then it is given back here.
  waitUntil(answer.then((late) => signal.aborted && giveUp(late, { env, signal, waitUntil })));
  return Promise.race([answer, gone]);
}

function giveUp(verdict: Verdict, { env, waitUntil }: JobContext): void {
  if (verdict.kind === 'queued') waitUntil(admissionOf(env).cancel(verdict.ticket));
  if (verdict.kind === 'granted') waitUntil(admissionOf(env).release(verdict.grant.lease, ABANDONED));
}

const ABANDONED: Outcome = {
  result: 'abort',
  firstTokenMs: null,
  totalMs: 0,
  promptTokens: 0,
  completionTokens: 0,
};

function hold(grant: Grant, { env, waitUntil }: JobContext): HeldSlot {
  const renewal = setInterval(
    () => {
      // A lease that could not be renewed is not lost for the request: the host reports it as running.
      waitUntil(
        admissionOf(env)
          .renew(grant.lease)
          .catch(() => false),
      );
    },
    settingsOf(env).LEASE_TTL_MS / 3,
  );
  let held = true;
  return {
    grant,
    release(outcome) {
      if (!held) return;
      held = false;
      clearInterval(renewal);
      waitUntil(releaseSurely(env, grant.lease, outcome));
    },
  };
}

/** One repetition; after that the lease runs out by itself. */
async function releaseSurely(env: JobContext['env'], lease: string, outcome: Outcome): Promise<void> {
  await admissionOf(env)
    .release(lease, outcome)
    .catch(() => admissionOf(env).release(lease, outcome))
    .catch(() => undefined);
}

const REFUSALS: Record<RefusalReason, readonly [code: string, message: string]> = {
  queue_full: ['overloaded', 'The queue is full. Try again later.'],
  key_queue_full: ['rate_limited', 'Too many requests with this key are waiting. Try again later.'],
  too_slow: ['overloaded', 'The queue is too long for this request to be answered in time. Try again later.'],
  deadline: ['overloaded', 'No slot became free in time. Try again later.'],
  no_hosts: ['no_host', 'No host is connected at the moment. Start one, or try again later.'],
  no_host_left: ['no_host', 'No other host can answer this request. Try again later.'],
  not_active: [
    'no_host',
    'A specialty of this request has no active version at the moment. Try again later.',
  ],
};

function refusal(reason: RefusalReason, retryAfterSeconds: number): RefusedError {
  const [code, message] = REFUSALS[reason];
  return new RefusedError(code, message, retryAfterSeconds);
}
