/**
 * A fine-tuning run: what is trained (the whole base, or LoRA experts on a frozen base), with which auxiliary losses, on
 * which specialties. Every method shares data, loop, validation, resume and export, so that they can be compared.
 */
import { z } from 'zod';
import { MAX_TOP_K, shardVersionSchema, specialtySchema } from '../base/shard-metadata.ts';
import { ADAPTED_LINEARS } from '../base/shard-tensors.ts';
import { commonSchema } from './config.ts';

/** Contrastive supervision of routing; what the fields mean in equations: `contrast/layer-contrast.ts`. */
export const contrastSchema = z.strictObject({
  /**
   * `batch`: keys are the step's own anchors; `queue`: the expert memory queue; `full`: as `queue`, on the experts' whole
   * outputs after `warmupSteps`; `routing`: routing distributions, positives are tokens of the same specialty; `constant`:
   * the control whose embeddings do not depend on the token.
   */
  variant: z.enum(['batch', 'queue', 'full', 'routing', 'constant']),
  temperature: z.number().positive().max(10),
  weight: z.number().min(0).max(100),
  /** Entries that the queue keeps of each expert, K. */
  queueSize: z.int().min(1).max(4096),
  /** Size of an embedding, d_q. */
  dimensions: z.int().min(4).max(256).multipleOf(4),
  /** Tokens sampled as anchors in each step. */
  anchors: z.int().min(1).max(4096),
  /** Steps before `full` embeds whole outputs, which say nothing while B is zero. */
  warmupSteps: z.int().min(0),
});
export type ContrastConfig = z.output<typeof contrastSchema>;

const expertsSchema = {
  kind: z.literal('experts'),
  /** Of a pool; a shard's where each specialty has its own. */
  experts: z.int().min(1).max(256),
  rank: z.int().min(1).max(256),
  alpha: z.number().positive().max(65_536),
  topK: z.int().min(1).max(MAX_TOP_K),
  /**
   * Linears that experts adapt, by default the three of the FFN. Those of attention have a gate of their own in each layer,
   * which reads the attention norm; hosts do not serve them.
   */
  adapted: z
    .array(z.enum(ADAPTED_LINEARS))
    .min(1)
    .refine((linears) => new Set(linears).size === linears.length, { error: 'must differ' })
    .optional(),
  contrast: contrastSchema.optional(),
  /** Weight of the load balance loss (Switch Transformer, eq. 4); 0: none. */
  balance: z.number().min(0).max(100),
  /** Weight of the router z-loss (ST-MoE, eq. 5); 0: none. */
  zLoss: z.number().min(0).max(100),
  /** The gate's input is multiplied by 1 + jitter · u, u uniform in [−1, 1), in training alone (Switch, §2.2). */
  jitter: z.number().min(0).max(0.5),
};

const bySpecialtySchema = z.strictObject({
  ...expertsSchema,
  /** Each specialty has a shard of its own. */
  pool: z.literal('by-specialty'),
  /** Chances that one, two or three shards are active in a row. */
  activeShards: z
    .tuple([z.number().min(0), z.number().min(0), z.number().min(0)])
    .refine((chances) => chances.some((chance) => chance > 0), { error: 'must not all be 0' }),
});

const sharedSchema = z.strictObject({
  ...expertsSchema,
  /** All specialties share one pool of experts; one expert of it is plain LoRA. */
  pool: z.literal('shared'),
  /**
   * Expert e leans to specialty e mod n: in training, its log prior is raised by this for rows of that specialty. Scoring,
   * validation and serving go without it.
   */
  prior: z.strictObject({ strength: z.number().positive().max(20) }).optional(),
});

const methodSchema = z.discriminatedUnion('kind', [
  /** Every tensor of the base is trained, from the checkpoint. */
  z.strictObject({ kind: z.literal('full') }),
  z
    .discriminatedUnion('pool', [bySpecialtySchema, sharedSchema])
    .refine(({ experts, topK, pool }) => pool === 'by-specialty' || topK <= experts, {
      error: 'must not be above experts',
      path: ['topK'],
    })
    .refine(({ contrast, pool }) => contrast?.variant !== 'routing' || pool === 'shared', {
      error: 'routing compares specialties that share a pool',
      path: ['contrast', 'variant'],
    }),
]);
export type TuneMethod = z.output<typeof methodSchema>;
export type ExpertsMethod = Extract<TuneMethod, { kind: 'experts' }>;

const specialtiesSchema = z
  .array(specialtySchema)
  .refine((names) => new Set(names).size === names.length, { error: 'must differ' });

export const tuneRunSchema = z
  .strictObject({
    kind: z.literal('tune'),
    ...commonSchema,
    method: methodSchema,
    /** Trained; rows of a batch take turns among them. */
    specialties: specialtiesSchema.min(1),
    /** Specialties whose finished shards stand beside the trained ones and stay as they are. */
    frozen: specialtiesSchema.optional(),
    version: shardVersionSchema,
    /** Steps between two looks at the routing; see `routing-metrics.ts`. */
    routingEvery: z.int().min(1),
  })
  .refine(({ frozen = [], specialties }) => frozen.every((name) => !specialties.includes(name)), {
    error: 'must not be trained too',
    path: ['frozen'],
  })
  .refine(
    ({ frozen = [], method }) =>
      frozen.length === 0 || (method.kind === 'experts' && method.pool === 'by-specialty'),
    { error: 'needs a pool by specialty', path: ['frozen'] },
  );
export type TuneRunConfig = z.output<typeof tuneRunSchema>;
