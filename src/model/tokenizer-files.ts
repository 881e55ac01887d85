/** Reads and checks the text of tokenizer.json, tokenizer_config.json and generation_config.json. */
import * as z from 'zod';
import { CallerError } from '../base/errors.ts';

export interface TokenizerFiles {
  /** Text of tokenizer.json. */
  readonly tokenizer: string;
  /** Text of tokenizer_config.json. */
  readonly tokenizerConfig: string;
  /** Text of generation_config.json, which may name more end-of-text tokens. */
  readonly generationConfig?: string;
}

export interface AddedToken {
  readonly id: number;
  readonly content: string;
  /** Special tokens have no text; the others (such as the marks of thinking) do. */
  readonly special: boolean;
}

/** Qwen3's tokenizer.json has 11 MB; anything far beyond is not a tokenizer. */
const MAX_FILE_CHARACTERS = 64 * 2 ** 20;
const MAX_VOCABULARY = 2 ** 20;
const MAX_ADDED_TOKENS = 4096;

const tokenIdSchema = z.int().min(0).max(MAX_VOCABULARY);

const descriptionSchema = z.looseObject({
  added_tokens: z
    .array(
      z.looseObject({
        id: tokenIdSchema,
        content: z.string().min(1).max(256),
        special: z.boolean().default(false),
      }),
    )
    .max(MAX_ADDED_TOKENS)
    .default([]),
  normalizer: z.looseObject({}).nullable().default(null),
  pre_tokenizer: z.looseObject({}).nullable().default(null),
  post_processor: z.looseObject({}).nullable().default(null),
  decoder: z.looseObject({ type: z.string() }),
  model: z.looseObject({
    type: z.literal('BPE'),
    vocab: z.record(z.string(), tokenIdSchema),
    merges: z.array(z.union([z.string(), z.tuple([z.string(), z.string()])])),
  }),
});

const tokenNameSchema = z.union([
  z.string(),
  z.looseObject({ content: z.string() }).transform((token) => token.content),
]);

const configSchema = z.looseObject({
  eos_token: tokenNameSchema.nullish(),
  chat_template: z
    .union([
      z.string().max(2 ** 18),
      z.array(z.looseObject({ name: z.string(), template: z.string().max(2 ** 18) })).max(64),
    ])
    .nullish(),
});

const generationSchema = z.looseObject({
  eos_token_id: z.union([tokenIdSchema, z.array(tokenIdSchema).max(64)]).nullish(),
});

export interface TokenizerDescription {
  readonly description: z.output<typeof descriptionSchema>;
  readonly config: object;
  readonly addedTokens: readonly AddedToken[];
  readonly endOfTextTokens: readonly string[];
  readonly endOfTextIds: readonly number[];
  readonly chatTemplate: string | null;
}

export function readTokenizerFiles(files: TokenizerFiles): TokenizerDescription {
  const description = parse('tokenizer.json', files.tokenizer, descriptionSchema);
  if (description.decoder.type !== 'ByteLevel') {
    throw bad(
      'tokenizer.json',
      `has the decoder ${description.decoder.type}; only byte-level tokenizers are supported`,
    );
  }
  checkIds(description);
  const config = parse('tokenizer_config.json', files.tokenizerConfig, configSchema);
  const generation = parse('generation_config.json', files.generationConfig ?? '{}', generationSchema);
  const template = config.chat_template ?? null;
  return {
    description,
    config,
    addedTokens: description.added_tokens.map(({ id, content, special }) => ({ id, content, special })),
    endOfTextTokens: [config.eos_token ?? '', '<|endoftext|>'].filter((token) => token !== ''),
    endOfTextIds: [generation.eos_token_id ?? []].flat(),
    chatTemplate: Array.isArray(template)
      ? (template.find(({ name }) => name === 'default')?.template ?? null)
      : template,
  };
}

/** Two tokens with one id, or merges of tokens that do not exist, would decode to the wrong text without a word. */
function checkIds(description: z.output<typeof descriptionSchema>): void {
  const { vocab, merges } = description.model;
  const owners = new Map<number, string>();
  const claims = [
    ...Object.entries(vocab),
    ...description.added_tokens.map(({ content, id }): [string, number] => [content, id]),
  ];
  for (const [spelling, id] of claims) {
    const owner = owners.get(id);
    if (owner !== undefined && owner !== spelling)
      throw bad('tokenizer.json', `gives the id ${id} to two tokens`);
    owners.set(id, spelling);
  }
  for (const [index, merge] of merges.entries()) {
    const [left, right, ...rest] = typeof merge === 'string' ? merge.split(' ') : merge;
    const whole = `${left ?? ''}${right ?? ''}`;
    if (rest.length > 0 || left === undefined || right === undefined || !Object.hasOwn(vocab, whole)) {
      throw bad('tokenizer.json', `has a merge (number ${index}) that makes no token of the vocabulary`);
    }
  }
}

function parse<T>(name: string, text: string, schema: z.ZodType<T>): T {
  if (text.length > MAX_FILE_CHARACTERS) throw bad(name, `is larger than ${MAX_FILE_CHARACTERS} characters`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw bad(name, 'is not valid JSON', cause);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw bad(
    name,
    `is not as expected at ${issue?.path.join('.') || 'the top'}: ${issue?.message ?? 'wrong form'}`,
  );
}

function bad(name: string, what: string, cause?: unknown): CallerError {
  return new CallerError(
    'bad_tokenizer',
    `${name} ${what}. Copy the file again from the model it belongs to.`,
    {
      param: name,
      cause,
    },
  );
}
