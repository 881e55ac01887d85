/** Answers an evaluation with an engine in this process. */
import { CallerError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { ShardLease } from '../backend/shard-store.ts';
import { ContinuationScorer } from '../engine/continuation-scorer.ts';
import { greedy } from '../engine/request.ts';
import type { Answerer, GenerateRequest } from '../eval/answerer.ts';
import { openModel, type ModelSettings, type OpenModel } from './open-model.ts';
import { createPromptEncoder } from './prompt-encoder.ts';
import type { ShardPath } from './shard-files.ts';
import type { ShardChoice } from './shard-choice.ts';

/** Requests of one call that are worked on together: what is done is told after each part. */
const PART = 64;

export interface EngineAnswerers {
  readonly specialties: readonly string[];
  readonly baseFingerprint: string;
  /** Answers with the shard that is chosen for each question. They share the model: one call at a time. */
  answerer(choice: ShardChoice): Answerer;
  close(): Promise<void>;
}

/** `files`: one version of each specialty. */
export async function openEngineAnswerers(
  settings: ModelSettings,
  files: readonly ShardPath[],
  logger: Logger,
): Promise<EngineAnswerers> {
  const model = await openModel(settings, files, logger);
  const leases = new Map<string | null, ShardLease>();
  // One route object a shard: the scorer batches by identity.
  const routeOf = (specialty: string | null): ShardLease['route'] => {
    let lease = leases.get(specialty);
    if (!lease) {
      const file = files.find((one) => one.specialty === specialty);
      lease = model.shards.acquire(file ? [{ name: file.specialty, version: file.version, prior: 1 }] : []);
      leases.set(specialty, lease);
    }
    return lease.route;
  };
  return {
    specialties: files.map(({ specialty }) => specialty),
    baseFingerprint: model.fingerprint,
    answerer: (choice) => createAnswerer(model, settings.maxConcurrent, choice, routeOf),
    async close() {
      for (const lease of leases.values()) lease.release();
      await model.close();
    },
  };
}

function createAnswerer(
  model: OpenModel,
  maxConcurrent: number,
  choice: ShardChoice,
  routeOf: (specialty: string | null) => ShardLease['route'],
): Answerer {
  const encoder = createPromptEncoder(model.tokenizer, model.chat);
  const scorer = new ContinuationScorer(model.runner);
  const route = (specialty: string | null): ShardLease['route'] => routeOf(choice.shardFor(specialty));
  return {
    description: `engine in this process, ${model.device.description}: ${choice.description}`,
    async scoreContinuations(requests, onProgress = () => {}) {
      const results: { logLikelihood: number; tokens: number }[][] = [];
      for (let from = 0; from < requests.length; from += PART) {
        const groups = requests.slice(from, from + PART).map((request) => ({
          id: request.id,
          route: route(request.specialty),
          sequences: request.continuations.map((one) => encoder.encodeWith(request.prompt, one)),
        }));
        refuseTooLong(groups, model.config.maxPositions);
        const sums = await scorer.score(groups, (done) => onProgress(from + done));
        for (const [at, { sequences }] of groups.entries()) {
          results.push(
            sequences.map((sequence, one) => ({
              logLikelihood: sums[at]?.[one] ?? 0,
              tokens: sequence.ids.length - sequence.from,
            })),
          );
        }
      }
      return results;
    },
    async generate(requests, onProgress = () => {}) {
      const texts: string[] = [];
      let [next, done] = [0, 0];
      const work = async (): Promise<void> => {
        for (let index = next++; index < requests.length; index = next++) {
          const request = requests[index]!;
          texts[index] = await answerOne(
            model,
            encoder.encode(request.prompt),
            request,
            route(request.specialty),
          );
          onProgress((done += 1));
        }
      };
      await Promise.all(Array.from({ length: maxConcurrent }, work));
      return texts;
    },
    close: () => Promise.resolve(),
  };
}

/** Greedy, as a host is with temperature 0. Ends with the first line: nothing behind it is read. */
async function answerOne(
  { engine, tokenizer, samplingDefaults }: OpenModel,
  prompt: readonly number[],
  { id, maxTokens }: GenerateRequest,
  route: ShardLease['route'],
): Promise<string> {
  const decoder = tokenizer.createStreamDecoder();
  let text = '';
  try {
    const request = { prompt: Uint32Array.from(prompt), maxTokens, stopTokens: tokenizer.endOfTextIds };
    const sampling = { ...greedy, repetitionPenalty: samplingDefaults.repetitionPenalty ?? 1 };
    for await (const event of engine.generate({ ...request, sampling, route })) {
      if (event.kind === 'token') text += decoder.push(event.token);
      if (event.kind === 'finish') text += decoder.end();
      if (/\S.*\n/u.test(text)) break;
    }
  } catch (error) {
    throw error instanceof CallerError ? named(error, id) : error;
  }
  return text;
}

function refuseTooLong(
  groups: readonly { id: string; sequences: readonly { ids: Uint32Array }[] }[],
  longest: number,
): void {
  for (const { id, sequences } of groups) {
    const tokens = Math.max(...sequences.map(({ ids }) => ids.length));
    if (tokens <= longest) continue;
    const message = `Question ${id} takes ${tokens} tokens with its prompt; the model reads ${longest}. Lower --few-shot.`;
    throw new CallerError('context_length_exceeded', message);
  }
}

function named(error: CallerError, id: string): CallerError {
  return new CallerError(error.code, `Question ${id}: ${error.message}`, { cause: error });
}
