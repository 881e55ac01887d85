/** POST /v1/chat/completions: the request as OpenAI clients send it, and the answer as they expect it. */
import { z } from 'zod';
import { CallerError } from '../base/errors.ts';
import { limits } from './limits.ts';
import { parseWith } from './parse.ts';
import {
  commonFields,
  rejectUnless,
  toCommonRequest,
  type CommonRequest,
  type SamplingFields,
} from './request-fields.ts';
import type { Usage } from './usage.ts';

type Role = 'system' | 'user' | 'assistant';

/** A message with its text parts joined; `developer` is read as `system`, which is what chat templates know. */
export interface ChatMessage {
  readonly role: Role;
  readonly content: string;
}

export interface ChatRequest extends CommonRequest {
  readonly messages: readonly ChatMessage[];
  /** Undefined: as much as the context has room for, within the server's default. */
  readonly maxTokens: number | undefined;
  readonly logprobs: boolean;
  readonly topLogprobs: number;
}

export interface TokenLogprob {
  readonly token: string;
  readonly logprob: number;
  readonly bytes: number[] | null;
}

export interface ChatLogprobs {
  readonly content: (TokenLogprob & { readonly top_logprobs: TokenLogprob[] })[] | null;
  readonly refusal: null;
}

export type FinishReason = 'stop' | 'length';

export interface ChatCompletion {
  readonly id: string;
  readonly object: 'chat.completion';
  readonly created: number;
  readonly model: string;
  readonly system_fingerprint?: string;
  readonly choices: {
    readonly index: number;
    readonly message: { readonly role: 'assistant'; readonly content: string; readonly refusal: null };
    readonly logprobs: ChatLogprobs | null;
    readonly finish_reason: FinishReason;
  }[];
  readonly usage: Usage;
}

export interface ChatCompletionChunk {
  readonly id: string;
  readonly object: 'chat.completion.chunk';
  readonly created: number;
  readonly model: string;
  readonly system_fingerprint?: string;
  readonly choices: {
    readonly index: number;
    readonly delta: { readonly role?: 'assistant'; readonly content?: string };
    readonly logprobs?: ChatLogprobs | null;
    readonly finish_reason: FinishReason | null;
  }[];
  /** Null on every chunk but the last where the request asks for usage, else absent. */
  readonly usage?: Usage | null;
}

const partSchema = z.discriminatedUnion('type', [
  z.looseObject({ type: z.literal('text'), text: z.string() }),
  z.looseObject({ type: z.literal('refusal'), refusal: z.string() }),
]);

const contentSchema = z.union([z.string(), z.array(partSchema)], {
  error: 'must be a string or a list of {"type":"text","text":…} parts; this model reads text only',
});

const messageSchema = z.looseObject({
  role: z.enum(['system', 'developer', 'user', 'assistant'], {
    error: 'must be system, developer, user or assistant; this model calls no tools',
  }),
  content: contentSchema.nullish(),
});

/** Loose: fields of OpenAI's API that mean nothing here (user, store, metadata, …) are let through unread. */
const chatRequestSchema = z.looseObject({
  ...commonFields,
  messages: z.array(messageSchema).min(1, 'must hold at least one message').max(limits.messages),
  max_tokens: z.int().min(1).max(limits.completionTokens).nullish(),
  max_completion_tokens: z.int().min(1).max(limits.completionTokens).nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(limits.topLogprobs).nullish(),
  response_format: z.looseObject({ type: z.string() }).nullish(),
  tool_choice: z.union([z.string(), z.looseObject({})]).nullish(),
});

/** Validates a parsed JSON body. Throws `CallerError` with `param`. */
export function parseChatRequest(body: unknown, defaults?: Partial<SamplingFields>): ChatRequest {
  const fields = parseWith(chatRequestSchema, body, 'request body');
  const common = toCommonRequest(fields, defaults);
  rejectUnless(
    fields.response_format?.type ?? 'text',
    'text',
    'response_format',
    'Only plain text answers are supported: leave response_format out',
  );
  if (
    fields.tool_choice === 'required' ||
    (typeof fields.tool_choice === 'object' && fields.tool_choice !== null)
  ) {
    throw new CallerError(
      'unsupported_value',
      'This model calls no tools: send tool_choice "auto" or "none".',
      {
        param: 'tool_choice',
      },
    );
  }
  if ((fields.top_logprobs ?? 0) > 0 && fields.logprobs !== true) {
    throw new CallerError('invalid_request', 'top_logprobs needs logprobs: true.', { param: 'top_logprobs' });
  }
  const messages = fields.messages.map(toMessage);
  const characters = messages.reduce((sum, message) => sum + message.content.length, 0);
  if (characters > limits.promptCharacters) {
    throw new CallerError(
      'context_length_exceeded',
      `The messages hold ${characters} characters; at most ${limits.promptCharacters} are allowed. Shorten the conversation.`,
      { param: 'messages' },
    );
  }
  if (!messages.some((message) => message.content.trim() !== '')) {
    throw new CallerError('invalid_request', 'All messages are empty: put a question into the last one.', {
      param: 'messages',
    });
  }
  return {
    ...common,
    messages,
    maxTokens: fields.max_completion_tokens ?? fields.max_tokens ?? undefined,
    logprobs: fields.logprobs ?? false,
    topLogprobs: fields.top_logprobs ?? 0,
  };
}

function toMessage(message: z.output<typeof messageSchema>, index: number): ChatMessage {
  const { role, content } = message;
  if ((content === null || content === undefined) && role !== 'assistant') {
    throw new CallerError('invalid_request', `messages[${index}].content is missing.`, {
      param: `messages[${index}].content`,
    });
  }
  const text =
    typeof content === 'string'
      ? content
      : (content ?? []).map((part) => (part.type === 'text' ? part.text : part.refusal)).join('');
  return { role: role === 'developer' ? 'system' : role, content: text };
}
