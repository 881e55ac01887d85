/** One prompt through the engine: takes the shards, starts the work, reads the answer, keeps the books. */
import { CallerError } from '../base/errors.ts';
import type { GenerateRequest, TokenEvent } from '../engine/request.ts';
import { HOST_FULL } from '../protocol/hosts.ts';
import type { CommonRequest } from '../protocol/request-fields.ts';
import { readAnswer, type AnswerEvent } from './answer.ts';
import type { HostContext } from './context.ts';
import type { RequestMeter } from './metrics.ts';
import { selectShards } from './select-route.ts';

export interface GenerationRequest {
  readonly prompt: Uint32Array;
  readonly common: CommonRequest;
  readonly maxTokens: number;
  readonly logprobs?: number;
  readonly promptLogprobs?: number;
  readonly signal: AbortSignal;
}

/** Enqueues now, so that what is wrong with the request is thrown before an answer begins. */
export function startGeneration(
  context: HostContext,
  request: GenerationRequest,
): AsyncGenerator<AnswerEvent, void, void> {
  const { common } = request;
  const meter = context.metrics.begin();
  const lease = selectShards(common, context.shards);
  const engineRequest: GenerateRequest = {
    prompt: request.prompt,
    maxTokens: request.maxTokens,
    sampling: common.sampling,
    stopTokens: common.ignoreEos ? [] : context.tokenizer.endOfTextIds,
    route: lease.route,
    onReleased: () => lease.release(),
    ...(request.logprobs === undefined ? {} : { logprobs: request.logprobs }),
    ...(request.promptLogprobs === undefined ? {} : { promptLogprobs: request.promptLogprobs }),
  };
  let events: AsyncIterable<TokenEvent>;
  try {
    events = context.engine.generate(engineRequest, request.signal);
  } catch (error) {
    lease.release();
    if (error instanceof CallerError && error.code === 'overloaded') {
      throw new CallerError(HOST_FULL, error.message);
    }
    throw error;
  }
  const answer = readAnswer(events, {
    decoder: context.tokenizer.createStreamDecoder(),
    stop: common.stop,
    promptTokens: request.prompt.length,
  });
  return metered(answer, meter, request.signal);
}

async function* metered(
  answer: AsyncIterable<AnswerEvent>,
  meter: RequestMeter,
  signal: AbortSignal,
): AsyncGenerator<AnswerEvent, void, void> {
  try {
    for await (const event of answer) {
      if (event.kind === 'text') meter.tokens(event.tokens.length);
      if (event.kind === 'finish') meter.finish(event.reason, event);
      yield event;
    }
  } catch (error) {
    meter.fail(signal.aborted ? 'abort' : 'error');
    throw error;
  } finally {
    // Only counts where the reader left before the end.
    meter.fail('abort');
  }
}
