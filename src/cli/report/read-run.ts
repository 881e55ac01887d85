/** What a run's folder says: metrics, and the experts' outputs at its end. Lines of no known form are counted. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { CallerError } from '../../base/errors.ts';

const stepSchema = z.looseObject({
  step: z.int().min(0),
  loss: z.number(),
  tokens: z.number().optional(),
  gradientNorm: z.number().optional(),
  learningRate: z.number().optional(),
  /** Wall-clock time of the step. */
  ms: z.number().positive().optional(),
  contrast: z.number().optional(),
  balance: z.number().optional(),
  zLoss: z.number().optional(),
});
export type StepMetrics = z.output<typeof stepSchema>;

const validationSchema = z.looseObject({
  step: z.int().min(0),
  validation: z.number(),
  bySpecialty: z.record(z.string(), z.number().nullable()).optional(),
});
export type ValidationMetrics = z.output<typeof validationSchema>;

/** A gate's place: a layer, and the half of it where that is not the FFN. */
const placeSchema = { layer: z.int().min(0), part: z.literal('attention').optional() };

const layerRoutingSchema = z.looseObject({
  ...placeSchema,
  entropy: z.number().nullish(),
  mutualInformation: z.number().nullish(),
  silhouette: z.number().nullish(),
  withinVariance: z.number().nullish(),
  /** Share of the chosen experts, by expert slot. */
  load: z.array(
    z
      .number()
      .nullable()
      .transform((share) => share ?? 0),
  ),
  loadBySpecialty: z
    .record(
      z.string(),
      z.array(
        z
          .number()
          .nullable()
          .transform((share) => share ?? 0),
      ),
    )
    .optional(),
});
export type LayerRouting = z.output<typeof layerRoutingSchema>;

const routingSchema = z.looseObject({ step: z.int().min(0), routing: z.array(layerRoutingSchema) });
export type RoutingMetrics = z.output<typeof routingSchema>;

const outputsSchema = z.array(
  z.looseObject({
    ...placeSchema,
    points: z.array(z.looseObject({ z: z.array(z.number()), expert: z.int().min(0), specialty: z.string() })),
  }),
);
export type LayerOutputs = z.output<typeof outputsSchema>[number];

/** What a gate is called in a report. */
export function placeName({ layer, part }: Pick<LayerRouting, 'layer' | 'part'>): string {
  return part ? `${layer}, ${part}` : String(layer);
}

export interface RunRecord {
  readonly steps: readonly StepMetrics[];
  readonly validations: readonly ValidationMetrics[];
  readonly routing: readonly RoutingMetrics[];
  readonly outputs: readonly LayerOutputs[];
  /** Lines that are none of these. */
  readonly unreadable: number;
  /** The run's own config, for people. */
  readonly config: unknown;
}

const MOST_BYTES = 512 * 2 ** 20;

/** Throws `CallerError('no_metrics')` where the folder is not one of a run. */
export async function readRun(folder: string): Promise<RunRecord> {
  const text = await readOptional(join(folder, 'metrics.jsonl'));
  const steps = new Map<number, StepMetrics>();
  const validations = new Map<number, ValidationMetrics>();
  const routing = new Map<number, RoutingMetrics>();
  let unreadable = 0;
  for (const line of (text ?? '').split('\n')) {
    if (line === '') continue;
    const json = parseJson(line);
    const step = stepSchema.safeParse(json).data;
    const validation = validationSchema.safeParse(json).data;
    const routed = routingSchema.safeParse(json).data;
    // A line that came twice, from a run of an older version, counts once.
    if (step) steps.set(step.step, step);
    if (validation) validations.set(validation.step, validation);
    if (routed) routing.set(routed.step, routed);
    if (!step && !validation && !routed) unreadable++;
  }
  if (steps.size === 0 && validations.size === 0) {
    const message = `${folder} has no metrics.jsonl of a training run: name the --folder that a run was given.`;
    throw new CallerError('no_metrics', message, { param: folder });
  }
  return {
    steps: byStep(steps),
    validations: byStep(validations),
    routing: byStep(routing),
    outputs: await readOutputs(join(folder, 'outputs.json')),
    unreadable,
    config: await readConfig(join(folder, 'run.json')),
  };
}

function byStep<T extends { readonly step: number }>(lines: ReadonlyMap<number, T>): T[] {
  return [...lines.values()].toSorted((a, b) => a.step - b.step);
}

async function readOutputs(path: string): Promise<readonly LayerOutputs[]> {
  const text = await readOptional(path);
  if (text === null) return [];
  const outputs = outputsSchema.safeParse(parseJson(text));
  if (outputs.success) return outputs.data;
  const message = `${path} is not what a run writes at its end: remove it, or let the run end again.`;
  throw new CallerError('bad_outputs', message, { param: path, cause: outputs.error });
}

async function readConfig(path: string): Promise<unknown> {
  const text = await readOptional(path);
  const identity = z.looseObject({ config: z.unknown() }).safeParse(text === null ? null : parseJson(text));
  return identity.data?.config ?? null;
}

async function readOptional(path: string): Promise<string | null> {
  try {
    const bytes = await readFile(path);
    if (bytes.length > MOST_BYTES) {
      const message = `${path} has ${bytes.length} bytes, more than a report reads (${MOST_BYTES}).`;
      throw new CallerError('too_large', message, { param: path });
    }
    return bytes.toString('utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
