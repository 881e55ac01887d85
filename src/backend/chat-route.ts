/** POST /v1/chat/completions. */
import { CallerError } from '../base/errors.ts';
import type { ChatCompletion, ChatCompletionChunk, ChatLogprobs, ChatRequest } from '../protocol/chat.ts';
import { encodeEvent } from '../protocol/sse.ts';
import { usageOf } from '../protocol/usage.ts';
import type { AnswerEvent, AnswerToken } from './answer.ts';
import type { HostContext } from './context.ts';
import { startGeneration } from './generation.ts';
import { finiteLogprob, type TokenText } from './token-text.ts';

interface Head {
  readonly id: string;
  readonly created: number;
  readonly model: string;
}

/** Tokenizes and enqueues. Throws what is wrong with the request before anything is answered. */
export function startChat(
  context: HostContext,
  request: ChatRequest,
  signal: AbortSignal,
): AsyncGenerator<AnswerEvent, void, void> {
  const ids = context.chat.encodeChat(request.messages, {
    addGenerationPrompt: true,
    variables: context.templateVariables,
  });
  try {
    return startGeneration(context, {
      prompt: Uint32Array.from(ids),
      common: request,
      maxTokens: request.maxTokens ?? context.defaultMaxTokens,
      signal,
      ...(request.logprobs ? { logprobs: request.topLogprobs } : {}),
    });
  } catch (error) {
    if (error instanceof CallerError && error.param === 'prompt') {
      throw new CallerError(error.code, error.message, { param: 'messages', cause: error });
    }
    throw error;
  }
}

export async function collectChat(
  context: HostContext,
  request: ChatRequest,
  answer: AsyncIterable<AnswerEvent>,
  id: string,
): Promise<ChatCompletion> {
  const head = headOf(id, request);
  let content = '';
  const tokens: AnswerToken[] = [];
  for await (const event of answer) {
    if (event.kind === 'text') {
      content += event.text;
      tokens.push(...event.tokens);
    }
    if (event.kind !== 'finish') continue;
    return {
      ...head,
      object: 'chat.completion',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content, refusal: null },
          logprobs: request.logprobs ? chatLogprobs(tokens, context.tokenText) : null,
          finish_reason: event.reason,
        },
      ],
      usage: usageOf(event.promptTokens, event.completionTokens),
    };
  }
  throw new CallerError('cancelled', 'The request was cancelled.');
}

/** Encoded events, without the closing `[DONE]`. */
export async function* streamChat(
  context: HostContext,
  request: ChatRequest,
  answer: AsyncIterable<AnswerEvent>,
  id: string,
): AsyncGenerator<string, void, void> {
  const head = headOf(id, request);
  // OpenAI sends `usage: null` with every chunk when the last one carries usage.
  const noUsage = request.includeUsage ? { usage: null } : {};
  type Choice = ChatCompletionChunk['choices'][number];
  const chunk = (choice: Omit<Choice, 'index'>): string => {
    const value: ChatCompletionChunk = {
      ...head,
      object: 'chat.completion.chunk',
      choices: [{ index: 0, ...choice }],
      ...noUsage,
    };
    return encodeEvent(value);
  };
  let begun = false;
  for await (const event of answer) {
    if (event.kind === 'prompt') continue;
    if (!begun) yield chunk({ delta: { role: 'assistant', content: '' }, finish_reason: null });
    begun = true;
    if (event.kind === 'text') {
      yield chunk({
        delta: { content: event.text },
        ...(request.logprobs ? { logprobs: chatLogprobs(event.tokens, context.tokenText) } : {}),
        finish_reason: null,
      });
      continue;
    }
    yield chunk({ delta: {}, finish_reason: event.reason });
    if (request.includeUsage) {
      const usage = usageOf(event.promptTokens, event.completionTokens);
      yield encodeEvent({ ...head, object: 'chat.completion.chunk', choices: [], usage });
    }
  }
}

function headOf(id: string, request: ChatRequest): Head {
  return { id: `chatcmpl-${id}`, created: Math.floor(Date.now() / 1000), model: request.model };
}

function chatLogprobs(tokens: readonly AnswerToken[], tokenText: TokenText): ChatLogprobs {
  const content = tokens.flatMap(({ logprobs }) => {
    if (!logprobs) return [];
    const top = logprobs.top.map((entry) => tokenText.describe(entry.token, finiteLogprob(entry.logprob)));
    return [{ ...tokenText.describe(logprobs.token, logprobs.logprob), top_logprobs: top }];
  });
  return { content, refusal: null };
}
