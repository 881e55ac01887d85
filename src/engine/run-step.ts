/** One step of a model with its tokens: chosen by the model where it can, else here, from logits. */
import { InternalError } from '../base/errors.ts';
import { invariant } from '../base/invariant.ts';
import { NO_TOKEN, type ModelRunner, type StepBatch, type StepResult } from '../model/runner.ts';
import { logprobsOf, sampleToken } from './sampler.ts';

export async function runStep(runner: ModelRunner, batch: StepBatch): Promise<StepResult> {
  const result = runner.step ? await runner.step(batch) : await stepByLogits(runner, batch);
  const { logits, tokens, logprobs } = result;
  const draws = batch.draws.length;
  if (
    logits.length !== batch.logitRows.length * runner.vocabularySize ||
    tokens.length !== draws ||
    logprobs.length !== draws
  ) {
    throw new InternalError('model_failed', 'The model returned results of the wrong size.');
  }
  return result;
}

async function stepByLogits(runner: ModelRunner, batch: StepBatch): Promise<StepResult> {
  const { draws, carried: _, ...rest } = batch;
  const wanted = new Set([...batch.logitRows, ...draws.map(({ after }) => after)]);
  const logitRows = Uint32Array.from(wanted).sort();
  const all = await runner.forward({ ...rest, logitRows });
  const width = runner.vocabularySize;
  const rows = new Map(Array.from(logitRows, (token, row) => [token, row]));
  const rowOf = (token: number): Float32Array => {
    const row = rows.get(token);
    invariant(row !== undefined, 'every row was asked for');
    return all.subarray(row * width, (row + 1) * width);
  };
  const logits = new Float32Array(batch.logitRows.length * width);
  for (const [row, token] of batch.logitRows.entries()) logits.set(rowOf(token), row * width);
  const tokens = new Uint32Array(draws.length);
  const logprobs = new Float32Array(draws.length);
  for (const [index, draw] of draws.entries()) {
    const row = rowOf(draw.after);
    tokens[index] = tokenOrNone(row, draw);
    if (tokens[index] !== NO_TOKEN) logprobs[index] = logprobsOf(row, tokens[index], 0).logprob;
  }
  return { logits, tokens, logprobs };
}

/** One request's broken numbers must not fail the others. */
function tokenOrNone(row: Float32Array, draw: Parameters<typeof sampleToken>[1]): number {
  try {
    return sampleToken(row, draw);
  } catch (error) {
    if (error instanceof InternalError && error.code === 'not_finite') return NO_TOKEN;
    throw error;
  }
}
