/** What a training run is, as one JSON file: with the data it names, it says everything that decides the result. */
import { z } from 'zod';
import { CallerError } from '../base/errors.ts';

const optimiserSchema = z.strictObject({
  peakLearningRate: z.number().positive(),
  floor: z.number().min(0).max(1),
  warmupSteps: z.int().min(1),
  steps: z.int().min(1),
  beta1: z.number().min(0).max(1),
  beta2: z.number().min(0).max(1),
  epsilon: z.number().positive(),
  weightDecay: z.number().min(0),
  maxGradientNorm: z.number().min(0),
});

const commonSchema = {
  seed: z.int().min(0),
  rowLength: z.int().min(8).max(8192),
  rows: z.int().min(1).max(1024),
  optimiser: optimiserSchema,
  saveEvery: z.int().min(1),
  validateEvery: z.int().min(1),
};

export const baseRunSchema = z.strictObject({
  kind: z.literal('base'),
  ...commonSchema,
  parts: z.array(z.enum(['pretrain', 'sft', 'mcq'])).min(1),
  model: z.strictObject({
    hiddenSize: z.int().min(8),
    layers: z.int().min(1),
    heads: z.int().min(1),
    keyValueHeads: z.int().min(1),
    headSize: z.int().min(2),
    intermediateSize: z.int().min(8),
    rmsNormEpsilon: z.number().positive(),
    ropeTheta: z.number().positive(),
    maxPositions: z.int().min(8),
  }),
});
export type BaseRunConfig = z.output<typeof baseRunSchema>;

export const shardsRunSchema = z.strictObject({
  kind: z.literal('shards'),
  ...commonSchema,
  /** Specialties trained together, each in its own shard. */
  specialties: z.array(z.string().regex(/^[a-z][a-z0-9_]*$/)).min(1),
  version: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/),
  experts: z.int().min(1).max(256),
  rank: z.int().min(1).max(256),
  alpha: z.number().positive(),
  topK: z.int().min(1).max(4),
  /** Chances that one, two or three shards are active in a row. */
  activeShards: z.tuple([z.number().min(0), z.number().min(0), z.number().min(0)]),
});
export type ShardsRunConfig = z.output<typeof shardsRunSchema>;

/** Parses a run's JSON; all problems are reported together. */
export function parseRunConfig<T>(text: string, schema: z.ZodType<T>, name: string): T {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new CallerError('invalid_run_config', `${name} is not JSON.`, { param: name, cause });
  }
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  throw new CallerError('invalid_run_config', `${name} cannot be used: ${problems.join('; ')}.`, {
    param: name,
  });
}
