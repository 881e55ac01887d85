/** POST /v1/completions: raw prompts, as text or token ids, with echo and logprobs of the prompt for evaluators. */
import { z } from 'zod';
import { CallerError } from '../base/errors.ts';
import type { FinishReason } from './chat.ts';
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

export interface CompletionRequest extends CommonRequest {
  /** Text, or token ids. One choice per prompt, in this order. */
  readonly prompts: readonly (string | Uint32Array)[];
  readonly maxTokens: number;
  readonly echo: boolean;
  /** Number of alternatives beside each token; undefined: no logprobs at all. */
  readonly logprobs: number | undefined;
}

export interface CompletionLogprobs {
  readonly tokens: string[];
  /** Null for the first token of an echoed prompt: nothing predicts it. */
  readonly token_logprobs: (number | null)[];
  readonly top_logprobs: (Record<string, number> | null)[] | null;
  readonly text_offset: number[];
}

export interface CompletionChoice {
  readonly index: number;
  readonly text: string;
  readonly logprobs: CompletionLogprobs | null;
  readonly finish_reason: FinishReason | null;
}

/** Whole answer and stream chunk have one shape here. */
export interface Completion {
  readonly id: string;
  readonly object: 'text_completion';
  readonly created: number;
  readonly model: string;
  readonly system_fingerprint?: string;
  readonly choices: CompletionChoice[];
  readonly usage?: Usage | null;
}

const defaultMaxTokens = 16;

const tokenIds = z.array(z.int().min(0).max(0xffffffff)).min(1).max(limits.promptTokens);
const text = z.string().min(1, 'must not be empty').max(limits.promptCharacters);

const completionRequestSchema = z.looseObject({
  ...commonFields,
  prompt: z.union(
    [text, tokenIds, z.array(text).min(1).max(limits.prompts), z.array(tokenIds).min(1).max(limits.prompts)],
    {
      error: `must be a text of at most ${limits.promptCharacters} characters, a list of token ids, or a list of at most ${limits.prompts} of either; none may be empty`,
    },
  ),
  max_tokens: z.int().min(0).max(limits.completionTokens).nullish(),
  max_completion_tokens: z.int().min(0).max(limits.completionTokens).nullish(),
  echo: z.boolean().nullish(),
  logprobs: z.int().min(0).max(limits.topLogprobs).nullish(),
  best_of: z.int().nullish(),
  suffix: z.string().nullish(),
});

/** Validates a parsed JSON body. Throws `CallerError` with `param`. */
export function parseCompletionRequest(body: unknown, defaults?: Partial<SamplingFields>): CompletionRequest {
  const fields = parseWith(completionRequestSchema, body, 'request body');
  const common = toCommonRequest(fields, defaults);
  rejectUnless(fields.best_of ?? 1, 1, 'best_of', 'best_of is not supported: leave it out');
  rejectUnless(fields.suffix ?? '', '', 'suffix', 'suffix is not supported: leave it out');
  const prompts = toPrompts(fields.prompt);
  if (common.stream && prompts.length > 1) {
    throw new CallerError(
      'unsupported_value',
      'Only one prompt can be streamed: send one request per prompt.',
      {
        param: 'prompt',
      },
    );
  }
  const maxTokens = fields.max_completion_tokens ?? fields.max_tokens ?? defaultMaxTokens;
  if (maxTokens === 0 && fields.echo !== true) {
    throw new CallerError('invalid_request', 'max_tokens may be 0 only together with echo: true.', {
      param: 'max_tokens',
    });
  }
  if (fields.echo === true && typeof fields.logprobs === 'number')
    boundEchoedLogprobs(prompts, fields.logprobs);
  return {
    ...common,
    prompts,
    maxTokens,
    echo: fields.echo ?? false,
    logprobs: fields.logprobs ?? undefined,
  };
}

/** Each token has its own logarithm and those of its alternatives, itself among them. A text's tokens are its characters. */
function boundEchoedLogprobs(prompts: readonly { readonly length: number }[], alternatives: number): void {
  const tokens = prompts.reduce((sum, prompt) => sum + prompt.length, 0);
  if (tokens * (2 + alternatives) <= limits.echoedLogprobs) return;
  const most = Math.floor(limits.echoedLogprobs / (2 + alternatives));
  throw new CallerError(
    'invalid_request',
    `With logprobs ${alternatives}, the echoed prompts of one request may have ${most} tokens together, these have ${tokens}: send fewer prompts at a time.`,
    { param: 'prompt' },
  );
}

function toPrompts(prompt: z.output<typeof completionRequestSchema>['prompt']): (string | Uint32Array)[] {
  if (typeof prompt === 'string') return [prompt];
  if (isNumbers(prompt)) return [Uint32Array.from(prompt)];
  return prompt.map((one) => (typeof one === 'string' ? one : Uint32Array.from(one)));
}

function isNumbers(prompt: readonly (string | number | number[])[]): prompt is number[] {
  return typeof prompt[0] === 'number';
}
