/** POST /v1/completions: one choice per prompt, with the prompt echoed and scored where that is asked for. */
import { CallerError } from '../base/errors.ts';
import type {
  Completion,
  CompletionChoice,
  CompletionLogprobs,
  CompletionRequest,
} from '../protocol/completions.ts';
import type { TokenLogprobs } from '../engine/request.ts';
import { encodeEvent } from '../protocol/sse.ts';
import { usageOf } from '../protocol/usage.ts';
import type { AnswerEvent } from './answer.ts';
import type { HostContext } from './context.ts';
import { startGeneration } from './generation.ts';
import { finiteLogprob, type TokenText } from './token-text.ts';

/** Prompts of one request that are in the engine at one time, so that one client cannot fill the queue. */
const promptsAtOnce = 8;

interface ScoredToken {
  readonly token: number;
  readonly logprobs: TokenLogprobs | null;
  readonly offset: number;
}

export interface CompletionRun {
  readonly prompt: Uint32Array;
  readonly answer: AsyncGenerator<AnswerEvent, void, void>;
  cancel(): void;
}

/** Enqueues one prompt. Throws what is wrong with it before anything is answered. */
export function startCompletion(
  context: HostContext,
  request: CompletionRequest,
  signal: AbortSignal,
  index: number,
): CompletionRun {
  const given = request.prompts[index] ?? '';
  const prompt = typeof given === 'string' ? Uint32Array.from(context.tokenizer.encode(given)) : given;
  const cancelled = new AbortController();
  const answer = startGeneration(context, {
    prompt,
    common: request,
    maxTokens: request.maxTokens,
    signal: AbortSignal.any([signal, cancelled.signal]),
    ...(request.logprobs === undefined ? {} : { logprobs: request.logprobs }),
    ...(request.echo && request.logprobs !== undefined ? { promptLogprobs: request.logprobs } : {}),
  });
  return { prompt, answer, cancel: () => cancelled.abort() };
}

/** All prompts; `first` is started already. */
export async function collectCompletions(
  context: HostContext,
  request: CompletionRequest,
  first: CompletionRun,
  options: { id: string; signal: AbortSignal },
): Promise<Completion> {
  const results: { choice: CompletionChoice; promptTokens: number; completionTokens: number }[] = [];
  const running = new Set<CompletionRun>();
  const failures: unknown[] = [];
  let next = 1;
  const work = async (begun?: CompletionRun): Promise<void> => {
    for (let index = begun ? 0 : next++; index < request.prompts.length; index = next++) {
      const run = index === 0 && begun ? begun : startCompletion(context, request, options.signal, index);
      running.add(run);
      results[index] = await collectOne(context, request, run, index);
      running.delete(run);
    }
  };
  const workers = Array.from({ length: Math.min(promptsAtOnce, request.prompts.length) }, (_, worker) =>
    work(worker === 0 ? first : undefined).catch((error: unknown) => {
      failures.push(error);
      next = request.prompts.length;
      for (const run of running) run.cancel();
    }),
  );
  // All have ended before the answer, or its failure, is out: none computes on behind the client's back.
  await Promise.all(workers);
  // The first is the cause, the others were cancelled for it.
  if (failures.length > 0) throw failures[0];
  const sum = (pick: (result: (typeof results)[number]) => number): number =>
    results.reduce((total, result) => total + pick(result), 0);
  return {
    ...headOf(options.id, request),
    choices: results.map((result) => result.choice),
    usage: usageOf(
      sum((result) => result.promptTokens),
      sum((result) => result.completionTokens),
    ),
  };
}

/** Encoded events of the only prompt, without the closing `[DONE]`. */
export async function* streamCompletion(
  context: HostContext,
  request: CompletionRequest,
  run: CompletionRun,
  id: string,
): AsyncGenerator<string, void, void> {
  const head = headOf(id, request);
  const noUsage = request.includeUsage ? { usage: null } : {};
  for await (const part of partsOf(context, request, run)) {
    const choice: CompletionChoice = {
      index: 0,
      text: part.text,
      logprobs: describe(part.tokens, request.logprobs, context.tokenText),
      finish_reason: part.finish?.reason ?? null,
    };
    yield encodeEvent({ ...head, choices: [choice], ...noUsage });
    if (part.finish && request.includeUsage) {
      const usage = usageOf(part.finish.promptTokens, part.finish.completionTokens);
      yield encodeEvent({ ...head, choices: [], usage });
    }
  }
}

async function collectOne(
  context: HostContext,
  request: CompletionRequest,
  run: CompletionRun,
  index: number,
): Promise<{ choice: CompletionChoice; promptTokens: number; completionTokens: number }> {
  let text = '';
  const tokens: ScoredToken[] = [];
  for await (const part of partsOf(context, request, run)) {
    text += part.text;
    tokens.push(...part.tokens);
    if (!part.finish) continue;
    const logprobs = describe(tokens, request.logprobs, context.tokenText);
    const { reason, promptTokens, completionTokens } = part.finish;
    return { choice: { index, text, logprobs, finish_reason: reason }, promptTokens, completionTokens };
  }
  throw new CallerError('cancelled', 'The request was cancelled.');
}

interface Part {
  readonly text: string;
  readonly tokens: readonly ScoredToken[];
  readonly finish?: AnswerEvent & { kind: 'finish' };
}

/** The echo, if asked for, then the answer's pieces, offsets counted from the beginning of the whole text. */
async function* partsOf(
  context: HostContext,
  request: CompletionRequest,
  { prompt, answer }: CompletionRun,
): AsyncGenerator<Part, void, void> {
  let [base, shown] = [0, 0];
  const echo = (logprobs: readonly (TokenLogprobs | null)[]): Part => {
    const decoder = context.tokenizer.createStreamDecoder();
    let text = '';
    const tokens = Array.from(prompt, (token, index) => {
      const offset = text.length;
      text += decoder.push(token);
      return { token, offset, logprobs: logprobs[index] ?? null };
    });
    text += decoder.end();
    base = text.length;
    return { text, tokens };
  };
  if (request.echo && request.logprobs === undefined) yield echo([]);
  for await (const event of answer) {
    if (event.kind === 'prompt') yield echo(event.logprobs);
    if (event.kind === 'finish') yield { text: '', tokens: lastToken(event, base + shown), finish: event };
    if (event.kind === 'text') {
      const tokens = event.tokens.map((token) => ({ ...token, offset: base + token.offset }));
      shown += event.text.length;
      yield { text: event.text, tokens };
    }
  }
}

/**
 * The stop token is listed too, though it has no text: evaluators drop the last entry as the token that was generated, and
 * would drop the end of their own prompt otherwise.
 */
function lastToken({ stopToken }: AnswerEvent & { kind: 'finish' }, offset: number): ScoredToken[] {
  return stopToken ? [{ token: stopToken.token, logprobs: stopToken, offset }] : [];
}

function describe(
  tokens: readonly ScoredToken[],
  count: number | undefined,
  tokenText: TokenText,
): CompletionLogprobs | null {
  if (count === undefined) return null;
  return {
    tokens: tokens.map(({ token }) => tokenText.text(token)),
    token_logprobs: tokens.map(({ logprobs }) => (logprobs ? finiteLogprob(logprobs.logprob) : null)),
    top_logprobs:
      count === 0 ? null : tokens.map(({ logprobs }) => logprobs && alternatives(logprobs, tokenText)),
    text_offset: tokens.map(({ offset }) => offset),
  };
}

/** The likeliest tokens and the token itself, as OpenAI lists them. */
function alternatives(logprobs: TokenLogprobs, tokenText: TokenText): Record<string, number> {
  return Object.fromEntries(
    [...logprobs.top, logprobs].map(({ token, logprob }) => [tokenText.text(token), finiteLogprob(logprob)]),
  );
}

function headOf(
  id: string,
  request: CompletionRequest,
): { id: string; object: 'text_completion'; created: number; model: string } {
  return {
    id: `cmpl-${id}`,
    object: 'text_completion',
    created: Math.floor(Date.now() / 1000),
    model: request.model,
  };
}
