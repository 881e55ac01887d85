/**
 * Brings an admitted request to a host that answers it: slot, attempt, and on failure the next host, as long as nothing
 * was passed on to the client. Every attempt takes a slot of its own, so that the count of running requests stays true.
 * Consult mode (several hosts side by side) and a conversation's preferred host will hook in here.
 */
import type { InternalError } from '../../base/errors.ts';
import type { Exclusion, Outcome } from '../admission/types.ts';
import { admissionOf } from '../bindings.ts';
import { RefusedError } from '../http/errors.ts';
import type { Job, JobContext } from './job.ts';
import { enter, holdSlot, type Admitted, type HeldSlot } from './slot.ts';
import { askHost, HostFailure, type Reply } from './upstream.ts';

const MAX_ATTEMPTS = 4;

export interface Answered {
  readonly slot: HeldSlot;
  readonly reply: Reply;
  /** From arrival to the slot that answered. */
  readonly queueMs: number;
  readonly firstTokenMs: number;
}

/** `admitted` is the result of the first `enter`. Whoever gets the answer must release its slot. */
export async function dispatch(admitted: Admitted, job: Job, context: JobContext): Promise<Answered> {
  const exclude: Exclusion[] = [];
  let queueMs = 0;
  let entry = admitted;
  for (let attempt = 1; ; attempt++) {
    const waitedFrom = Date.now();
    const slot = await holdSlot(entry, job, context, exclude);
    // The first time in the queue began before this function did.
    queueMs +=
      attempt === 1 ? Math.max(slot.grant.queueMs, Date.now() - waitedFrom) : Date.now() - waitedFrom;
    try {
      const reply = await askHost(job, slot.grant, context.env, context.signal);
      return { slot, reply, queueMs, firstTokenMs: Date.now() - job.arrivedAt };
    } catch (error) {
      const failure = error instanceof HostFailure ? error : null;
      slot.release(endedAs(failure ? 'retry' : context.signal.aborted ? 'abort' : 'error', job));
      if (!failure) throw error;
      noteFailure(failure, slot, exclude, context);
      if (attempt >= MAX_ATTEMPTS) throw lastFailure(failure);
      entry = await enter(job, context, exclude).catch((refused: unknown) => {
        throw refused instanceof RefusedError && failure.kind !== 'busy' ? failure : refused;
      });
    }
  }
}

function noteFailure(failure: HostFailure, slot: HeldSlot, exclude: Exclusion[], context: JobContext): void {
  const { host, report } = slot.grant;
  exclude.push({ host, untilReport: failure.kind === 'busy' ? report : null });
  if (failure.kind === 'unreachable') {
    context.waitUntil(
      admissionOf(context.env)
        .hostFailed(host)
        .catch(() => undefined),
    );
  }
}

function lastFailure(failure: HostFailure): InternalError | RefusedError {
  if (failure.kind !== 'busy') return failure;
  return new RefusedError('overloaded', 'All hosts that can answer this are busy. Try again later.', 2);
}

export function endedAs(result: Outcome['result'], job: Job): Outcome {
  return {
    result,
    firstTokenMs: null,
    totalMs: Date.now() - job.arrivedAt,
    promptTokens: 0,
    completionTokens: 0,
  };
}
