/** Puts together what the client gets: a host's chunks or JSON, the usage if asked for, and the routing trace. */
import type { RoutingTrace } from '../../protocol/trace.ts';
import { doneEvent, encodeEvent } from '../../protocol/sse.ts';
import { parseErrorBody } from '../../protocol/errors.ts';
import type { Outcome } from '../admission/types.ts';
import type { Answered } from '../dispatch/dispatch.ts';
import { isRecord } from '../dispatch/json.ts';
import type { Job } from '../dispatch/job.ts';
import { HostFailure, type StreamEvent } from '../dispatch/upstream.ts';
import type { RoutePlan } from '../routing/plan.ts';

export function traceOf(plan: RoutePlan, answered: Answered): RoutingTrace {
  return {
    specialties: [...plan.specialties],
    shards: [...answered.slot.grant.shards],
    host: answered.slot.grant.host,
    queue_ms: answered.queueMs,
    router: plan.router,
  };
}

export function assembleJson(
  body: Record<string, unknown>,
  trace: RoutingTrace,
  job: Job,
): { body: Record<string, unknown>; outcome: Outcome } {
  const tally = new Tally(job, null);
  tally.see(body);
  return { body: { ...body, sparsedoctor: trace }, outcome: tally.outcome() };
}

/**
 * Passes a stream on, chunk by chunk. The trace belongs into the last chunk, so a chunk that may be the last (it ends the
 * answer, or has no choices) is kept back until the next event shows whether it is. Returns how it ended; a break of the
 * host's stream is told to the client as an error event, since the status is out.
 */
export async function assembleStream(
  answered: Answered,
  options: {
    readonly job: Job;
    readonly trace: RoutingTrace;
    readonly includeUsage: boolean;
    readonly write: (text: string) => Promise<void>;
    readonly errorText: (error: unknown) => string;
  },
): Promise<Outcome> {
  const { reply, firstTokenMs } = answered;
  const tally = new Tally(options.job, firstTokenMs);
  if (reply.kind !== 'stream') return tally.outcome('error');
  let held: StreamEvent | null = null;
  const pass = async (event: StreamEvent): Promise<void> => {
    tally.see(event);
    const shown = options.includeUsage ? event : withoutUsage(event);
    if (!shown) return;
    if (held) await options.write(encodeEvent(held));
    held = mayBeLast(shown) ? shown : null;
    if (!held) await options.write(encodeEvent(shown));
  };
  try {
    for (const event of reply.first) await pass(event);
    for (let event = await reply.rest.next(); event; event = await reply.rest.next()) {
      if (parseErrorBody(event)) throw new HostFailure('failed', 'The host failed while answering.');
      await pass(event);
    }
  } catch (error) {
    reply.rest.close();
    await options.write(options.errorText(error));
    return tally.outcome('error');
  }
  // The assignments are in a closure, which the compiler does not follow.
  const last = held as StreamEvent | null;
  await options.write(encodeEvent({ ...(last ?? emptyChunk(reply.first[0])), sparsedoctor: options.trace }));
  await options.write(doneEvent);
  return tally.outcome();
}

/** Reads from passing answers what the metrics want to know. */
class Tally {
  readonly #job: Job;
  readonly #firstTokenMs: number | null;
  #finish: Outcome['result'] = 'stop';
  #promptTokens = 0;
  #completionTokens = 0;

  constructor(job: Job, firstTokenMs: number | null) {
    this.#job = job;
    this.#firstTokenMs = firstTokenMs;
  }

  see(event: Record<string, unknown>): void {
    for (const choice of choicesOf(event)) {
      if (isRecord(choice) && choice['finish_reason'] === 'length') this.#finish = 'length';
    }
    const usage = event['usage'];
    if (!isRecord(usage)) return;
    this.#promptTokens = tokens(usage['prompt_tokens']);
    this.#completionTokens = tokens(usage['completion_tokens']);
  }

  outcome(result: Outcome['result'] = this.#finish): Outcome {
    return {
      result,
      firstTokenMs: this.#firstTokenMs,
      totalMs: Date.now() - this.#job.arrivedAt,
      promptTokens: this.#promptTokens,
      completionTokens: this.#completionTokens,
    };
  }
}

function tokens(value: unknown): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : 0;
}

function choicesOf(event: StreamEvent): readonly unknown[] {
  return Array.isArray(event['choices']) ? event['choices'] : [];
}

function mayBeLast(event: StreamEvent): boolean {
  const choices = choicesOf(event);
  return (
    choices.length === 0 || choices.some((choice) => isRecord(choice) && Boolean(choice['finish_reason']))
  );
}

/** For clients that did not ask for usage: the chunk without it, or nothing where it was a usage chunk. */
function withoutUsage(event: StreamEvent): StreamEvent | null {
  if (!('usage' in event)) return event;
  if (choicesOf(event).length === 0) return null;
  const { usage: _, ...rest } = event;
  return rest;
}

/** Carries the trace where a host ends its stream without a chunk that ends the answer. */
function emptyChunk(first: StreamEvent | undefined): StreamEvent {
  return { ...first, choices: [] };
}
