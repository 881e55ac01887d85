/** Fields that chat and completions requests share, and the shape in which the rest of the code sees them. */
import { z } from 'zod';
import { CallerError } from '../base/errors.ts';
import { hostExtensionSchema } from './hosts.ts';
import { limits } from './limits.ts';
import type { ShardUse } from './shards.ts';

/** How the next token is chosen. Names and ranges are OpenAI's; `topK`, `minP`, `repetitionPenalty` are vLLM's. */
export interface SamplingFields {
  readonly temperature: number;
  readonly topP: number;
  readonly topK: number;
  readonly minP: number;
  readonly presencePenalty: number;
  readonly frequencyPenalty: number;
  readonly repetitionPenalty: number;
  readonly seed: number | undefined;
}

export interface CommonRequest {
  readonly model: string;
  readonly stream: boolean;
  readonly includeUsage: boolean;
  readonly sampling: SamplingFields;
  readonly stop: readonly string[];
  readonly ignoreEos: boolean;
  /** Undefined where the request says nothing of shards; an empty list asks for the base model. */
  readonly shards: readonly ShardUse[] | undefined;
}

/** Looser than what the edge sends, since clients' own bodies are validated with it too. */
const extensionSchema = z.looseObject({ shards: hostExtensionSchema.shape.shards.optional() });

const stopString = z.string().min(1, 'must not be empty').max(limits.stopCharacters);

export const commonFields = {
  model: z
    .string()
    .min(1)
    .max(2 * limits.identifierCharacters),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().gt(0).max(1).nullish(),
  top_k: z.int().min(-1).nullish(),
  min_p: z.number().min(0).max(1).nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  repetition_penalty: z.number().gt(0).max(10).nullish(),
  seed: z.int().nullish(),
  stop: z
    .union([stopString, z.array(stopString).max(limits.stopStrings)], {
      error: `must be a string or a list of at most ${limits.stopStrings} strings, none empty or longer than ${limits.stopCharacters} characters`,
    })
    .nullish(),
  n: z.int().nullish(),
  user: z.string().max(1024).nullish(),
  logit_bias: z.record(z.string(), z.number()).nullish(),
  ignore_eos: z.boolean().nullish(),
  sparsedoctor: extensionSchema.nullish(),
};

const commonSchema = z.looseObject(commonFields);
export type CommonFields = z.output<typeof commonSchema>;

/** `defaults`: the model's own way of sampling, where the request does not say. */
export function toCommonRequest(fields: CommonFields, defaults: Partial<SamplingFields> = {}): CommonRequest {
  rejectUnless(fields.n ?? 1, 1, 'n', 'Only one choice per request is supported: send n=1 or leave it out');
  if (Object.keys(fields.logit_bias ?? {}).length > 0) {
    throw new CallerError('unsupported_value', 'logit_bias is not supported: leave it out.', {
      param: 'logit_bias',
    });
  }
  rejectDuplicates(fields.sparsedoctor?.shards ?? []);
  const stop = fields.stop ?? [];
  return {
    model: fields.model,
    stream: fields.stream ?? false,
    includeUsage: fields.stream_options?.include_usage ?? false,
    sampling: {
      temperature: fields.temperature ?? defaults.temperature ?? 1,
      topP: fields.top_p ?? defaults.topP ?? 1,
      topK: Math.max(0, fields.top_k ?? defaults.topK ?? 0),
      minP: fields.min_p ?? defaults.minP ?? 0,
      presencePenalty: fields.presence_penalty ?? 0,
      frequencyPenalty: fields.frequency_penalty ?? 0,
      repetitionPenalty: fields.repetition_penalty ?? defaults.repetitionPenalty ?? 1,
      seed: fields.seed ?? undefined,
    },
    stop: typeof stop === 'string' ? [stop] : stop,
    ignoreEos: fields.ignore_eos ?? false,
    shards: fields.sparsedoctor?.shards,
  };
}

/** For fields of which one value is supported. */
export function rejectUnless(value: unknown, supported: unknown, param: string, advice: string): void {
  if (value !== supported) throw new CallerError('unsupported_value', `${advice}.`, { param });
}

function rejectDuplicates(shards: readonly ShardUse[]): void {
  if (new Set(shards.map((shard) => shard.name)).size < shards.length) {
    throw new CallerError('invalid_request', 'Each specialty may be named once in sparsedoctor.shards.', {
      param: 'sparsedoctor.shards',
    });
  }
}
