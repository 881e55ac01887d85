/** How a checkpoint's authors want it sampled, from `generation_config.json`: used where a request does not say. */
import { z } from 'zod';
import { CallerError } from '../base/errors.ts';

const schema = z.object({
  do_sample: z.boolean().nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().gt(0).max(1).nullish(),
  top_k: z.int().min(0).nullish(),
  min_p: z.number().min(0).max(1).nullish(),
  repetition_penalty: z.number().gt(0).max(10).nullish(),
});

export interface SamplingDefaults {
  readonly temperature?: number;
  readonly topP?: number;
  readonly topK?: number;
  readonly minP?: number;
  readonly repetitionPenalty?: number;
}

/** Parses the text of generation_config.json; without one there are no defaults. */
export function parseSamplingDefaults(text: string | undefined): SamplingDefaults {
  const result = schema.safeParse(parseJson(text ?? '{}'));
  if (!result.success) {
    const problems = result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
    throw bad(problems.join('; '));
  }
  const { do_sample: sample, temperature, top_p, top_k, min_p, repetition_penalty } = result.data;
  const chosen = sample === false ? 0 : temperature;
  return {
    ...(chosen == null ? {} : { temperature: chosen }),
    ...(top_p == null ? {} : { topP: top_p }),
    ...(top_k == null ? {} : { topK: top_k }),
    ...(min_p == null ? {} : { minP: min_p }),
    ...(repetition_penalty == null ? {} : { repetitionPenalty: repetition_penalty }),
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw bad('it is not JSON');
  }
}

function bad(problem: string): CallerError {
  return new CallerError('invalid_generation_config', `generation_config.json cannot be used: ${problem}.`, {
    param: 'generation_config.json',
  });
}
