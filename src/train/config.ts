/** What a training run is, as one JSON file: with the data it names, it says everything that decides the result. */
import { z } from 'zod';
import { CallerError } from '../base/errors.ts';
import type { AdamWOptions, Schedule } from './optimizer.ts';

const optimiserSchema = z.strictObject({
  peakLearningRate: z.number().positive(),
  floor: z.number().min(0).max(1),
  warmupSteps: z.int().min(1),
  steps: z.int().min(1),
  beta1: z.number().min(0).lt(1),
  beta2: z.number().min(0).lt(1),
  epsilon: z.number().positive(),
  weightDecay: z.number().min(0),
  maxGradientNorm: z.number().min(0),
});

/** The same fields under the names that optimizer and schedule give them. */
export function optimizerOptions(config: z.output<typeof optimiserSchema>): {
  adamw: AdamWOptions;
  schedule: Schedule;
} {
  const { beta1, beta2, epsilon, weightDecay, maxGradientNorm: maxNorm } = config;
  const { peakLearningRate: peak, warmupSteps, steps: totalSteps, floor } = config;
  return {
    adamw: { beta1, beta2, epsilon, weightDecay, maxNorm },
    schedule: { peak, warmupSteps, totalSteps, floor },
  };
}

/** Fields of every run that trains a network. */
export const commonSchema = {
  seed: z.int().min(0),
  rowLength: z.int().min(8).max(8192),
  rows: z.int().min(1).max(1024),
  optimiser: optimiserSchema,
  saveEvery: z.int().min(1),
  validateEvery: z.int().min(1),
  /** Ends the run after `patience` validations in a row that are no better than the best by more than `minDelta` nats. */
  stop: z.strictObject({ patience: z.int().min(1), minDelta: z.number().min(0) }).optional(),
};

export const baseRunSchema = z.strictObject({
  kind: z.literal('base'),
  /** The run whose resume file this one goes on from: the same model for more steps. */
  continues: z
    .string()
    .regex(/^[0-9a-f]{64}$/, 'must be the SHA-256 that names a run')
    .optional(),
  ...commonSchema,
  parts: z.array(z.enum(['pretrain', 'sft', 'mcq'])).min(1),
  model: z
    .strictObject({
      hiddenSize: z.int().min(8),
      layers: z.int().min(1),
      heads: z.int().min(1),
      keyValueHeads: z.int().min(1),
      headSize: z.int().min(4).multipleOf(4),
      intermediateSize: z.int().min(8),
      rmsNormEpsilon: z.number().positive(),
      ropeTheta: z.number().positive(),
      maxPositions: z.int().min(8),
    })
    .refine(({ heads, keyValueHeads }) => heads % keyValueHeads === 0, {
      error: 'must divide heads',
      path: ['keyValueHeads'],
    }),
});
export type BaseRunConfig = z.output<typeof baseRunSchema>;

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
  const problems = result.error.issues.map(
    ({ path, message }) => `${path.join('.') || 'the run'}: ${message}`,
  );
  throw new CallerError('invalid_run_config', `${name} cannot be used: ${problems.join('; ')}.`, {
    param: name,
  });
}
