/** Answers an evaluation with any OpenAI-compatible server: /v1/completions with echo and logprobs. */
import { z } from 'zod';
import { CallerError } from '../base/errors.ts';
import type { Answerer, ContinuationScore, ExamPrompt, ScoreRequest } from '../eval/answerer.ts';
import { parseErrorBody } from '../protocol/errors.ts';
import { limits } from '../protocol/limits.ts';
import { ROUTED_MODEL } from '../protocol/route.ts';
import type { PromptEncoder } from './prompt-encoder.ts';
import { openaiAddress } from './server-address.ts';
import type { ShardChoice } from './shard-choice.ts';

export interface ServerAnswererOptions {
  /** With or without /v1 at its end. */
  readonly url: string;
  readonly key: string | undefined;
  readonly choice: ShardChoice;
  /**
   * The server's own tokenizer: prompts are then sent as token ids, chats too. Without it they are sent as text, and the
   * server's `text_offset` shows where a continuation begins.
   */
  readonly encoder: PromptEncoder | null;
  /** Requests at one time. Default 2. */
  readonly concurrency?: number;
}

const TIMEOUT_MS = 600_000;
/** A server that is full is asked again, after what it says in Retry-After. */
const ATTEMPTS = 6;
const MAX_WAIT_S = 30;

export function createServerAnswerer(options: ServerAnswererOptions): Answerer {
  const { choice, encoder, concurrency = 2 } = options;
  const ask = async (body: object): Promise<z.output<typeof completionSchema>> =>
    parseCompletion(await send(options, '/completions', body));
  return {
    description: `${choice.description} at ${new URL(options.url).origin}`,
    async scoreContinuations(requests, onProgress = () => {}) {
      let done = 0;
      return eachOf(requests, concurrency, async (request) => {
        const scores = await scoreOne(request, { choice, encoder, ask });
        onProgress((done += 1));
        return scores;
      });
    },
    async generate(requests, onProgress = () => {}) {
      let done = 0;
      return eachOf(requests, concurrency, async ({ id, prompt, maxTokens, specialty }) => {
        const { choices } = await withId(id, () =>
          ask({
            model: choice.modelFor(specialty),
            prompt: encoder ? encoder.encode(prompt) : textOf(prompt),
            max_tokens: maxTokens,
            temperature: 0,
          }),
        );
        onProgress((done += 1));
        return choices[0]?.text ?? '';
      });
    },
    close: () => Promise.resolve(),
  };
}

interface Asking {
  readonly choice: ShardChoice;
  readonly encoder: PromptEncoder | null;
  readonly ask: (body: object) => Promise<z.output<typeof completionSchema>>;
}

async function scoreOne(request: ScoreRequest, asking: Asking): Promise<ContinuationScore[]> {
  const { choice, encoder, ask } = asking;
  const model = choice.modelFor(request.specialty);
  const pieces = request.continuations.map((one) => toPiece(request.prompt, one, encoder));
  // A router routes single texts.
  const most = model === ROUTED_MODEL ? 1 : limits.prompts;
  const scores: ContinuationScore[] = [];
  for (let from = 0; from < pieces.length; from += most) {
    const part = pieces.slice(from, from + most);
    const prompts = part.map(({ prompt }) => prompt);
    const { choices } = await withId(request.id, () =>
      ask({
        model,
        prompt: prompts.length === 1 && typeof prompts[0] === 'string' ? prompts[0] : prompts,
        // Not 0: not every server takes it. The token that is made shows how the server counts offsets.
        max_tokens: 1,
        temperature: 0,
        echo: true,
        logprobs: 1,
      }),
    );
    if (choices.length !== part.length) {
      throw incomplete(request.id, `${choices.length} answers to ${part.length} prompts`);
    }
    const ordered = choices.toSorted((left, right) => left.index - right.index);
    for (const [at, piece] of part.entries()) scores.push(readScore(request.id, piece, ordered[at]!));
  }
  return scores;
}

interface Piece {
  readonly prompt: string | number[];
  /** Of ids: index of the first token to score. */
  readonly fromToken: number | null;
  /** Of a text: where the continuation begins, in characters as JavaScript and as Python count them. */
  readonly begins: { readonly units: number; readonly points: number };
  readonly ends: { readonly units: number; readonly points: number };
}

function toPiece(prompt: ExamPrompt, continuation: string, encoder: PromptEncoder | null): Piece {
  const none = { units: 0, points: 0 };
  if (encoder) {
    const { ids, from } = encoder.encodeWith(prompt, continuation);
    return { prompt: [...ids], fromToken: from, begins: none, ends: none };
  }
  const text = textOf(prompt);
  const whole = text + continuation;
  return { prompt: whole, fromToken: null, begins: lengthOf(text), ends: lengthOf(whole) };
}

function textOf(prompt: ExamPrompt): string {
  if (prompt.kind === 'text') return prompt.text;
  throw new CallerError(
    'no_tokenizer',
    'Chat prompts go to a server as token ids: give --tokenizer with the folder of its tokenizer, or --prompt official.',
  );
}

function lengthOf(text: string): Piece['begins'] {
  return { units: text.length, points: Array.from(text).length };
}

const logprobsSchema = z.object({
  token_logprobs: z.array(z.number().nullable()),
  text_offset: z.array(z.number()).nullish(),
});
const completionSchema = z.object({
  choices: z.array(
    z.object({ index: z.int().default(0), text: z.string(), logprobs: logprobsSchema.nullish() }),
  ),
});

/** Refuses what is not whole: a missing logarithm would count as certainty. */
function readScore(
  id: string,
  piece: Piece,
  { text, logprobs }: z.output<typeof completionSchema>['choices'][number],
): ContinuationScore {
  if (!logprobs) throw incomplete(id, 'no logprobs');
  const all = logprobs.token_logprobs;
  let [from, end] = [piece.fromToken ?? 0, piece.prompt.length];
  if (piece.fromToken === null) {
    const offsets = [...(logprobs.text_offset ?? [])];
    // Behind the prompt comes the one token that was made, unless it ended the text and the server does not list it.
    if (text === piece.prompt && offsets.length === all.length) offsets.push(piece.ends.units);
    ({ from, end } = placeByOffsets(id, piece, offsets));
  }
  const scored = all.slice(from, end);
  const known = scored.filter((value) => value !== null);
  if (end > all.length || known.length !== end - from || known.length === 0) {
    throw incomplete(id, `${all.length} logprobs, of which ${known.length} of ${end - from} can be used`);
  }
  return { logLikelihood: known.reduce((sum, value) => sum + value, 0), tokens: known.length };
}

/** The tokens of a text's continuation: the first that reaches beyond the prompt to the last of the echo. */
function placeByOffsets(id: string, piece: Piece, offsets: readonly number[]): { from: number; end: number } {
  const { begins, ends } = piece;
  for (const unit of ['units', 'points'] as const) {
    const end = offsets.indexOf(ends[unit]);
    if (end < 1) continue;
    // Token i reaches to where the next one begins.
    const from = offsets.findIndex((_, at) => (offsets[at + 1] ?? ends[unit]) > begins[unit]);
    if (from >= 0 && from < end) return { from, end };
  }
  throw incomplete(id, 'text_offset does not fit the text; give --tokenizer, so that token ids can be sent');
}

function incomplete(id: string, what: string): CallerError {
  return new CallerError(
    'incomplete_answer',
    `Question ${id}: the server's answer is not complete (${what}). Scores of the whole prompt are needed: echo with logprobs.`,
  );
}

async function send({ url, key }: ServerAnswererOptions, path: string, body: object): Promise<unknown> {
  const address = openaiAddress(url, path);
  for (let attempt = 1; ; attempt++) {
    const response = await fetch(address, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
      },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    }).catch((cause: unknown) => {
      throw new CallerError('server_unreachable', `No server answers at ${url}. Is it running?`, { cause });
    });
    const json: unknown = await response.json().catch(() => null);
    if (response.ok) return json;
    const isBusy = response.status === 429 || response.status === 503;
    if (!isBusy || attempt === ATTEMPTS) {
      const error = parseErrorBody(json);
      const message = error?.message ?? `The server answered ${response.status}.`;
      throw new CallerError(error?.code ?? 'server_refused', message);
    }
    const wait = Number(response.headers.get('retry-after') ?? attempt);
    await new Promise((resolve) =>
      setTimeout(resolve, 1000 * Math.min(MAX_WAIT_S, Number.isFinite(wait) ? wait : attempt)),
    );
  }
}

function parseCompletion(json: unknown): z.output<typeof completionSchema> {
  const parsed = completionSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new CallerError('server_refused', 'The server’s answer is not a completion as OpenAI defines it.');
}

/** Names the question in whatever goes wrong with it. */
async function withId<Value>(id: string, work: () => Promise<Value>): Promise<Value> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof CallerError)) throw error;
    throw new CallerError(error.code, `Question ${id}: ${error.message}`, { cause: error });
  }
}

/** In order, `concurrency` at a time; the first failure ends it. */
async function eachOf<Item, Value>(
  items: readonly Item[],
  concurrency: number,
  work: (item: Item) => Promise<Value>,
): Promise<Value[]> {
  const values: Value[] = [];
  let next = 0;
  const run = async (): Promise<void> => {
    for (let index = next++; index < items.length; index = next++) {
      try {
        values[index] = await work(items[index]!);
      } catch (error) {
        next = items.length;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: concurrency }, run));
  return values;
}
