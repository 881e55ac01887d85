/**
 * Expert shards as edge, hosts and the command line name them: specialties, exact versions, priors, and the registry's
 * listing. Specialties are data, not code: any name of the right form may appear.
 */
import { z } from 'zod';
import { shardVersionSchema, specialtySchema } from '../base/shard-metadata.ts';

export { shardVersionSchema, specialtySchema };

export const sha256Schema = z.string().regex(/^[0-9a-f]{64}$/, '64 lower-case hexadecimal digits');

/** Names the frozen base model that a shard was trained on; written by the model part, only compared here. */
export const fingerprintSchema = z.string().regex(/^[0-9a-f]{64}$/, 'the fingerprint of a base model');

/** Priors are eighths, so that equal routes are equal cache keys. */
const PRIOR_STEPS = 8;
/** Most shards that one request may combine. */
export const MAX_SHARDS_PER_REQUEST = 3;
/** Largest shard file that the registry takes. */
export const MAX_SHARD_BYTES = 512 * 1024 * 1024;

/** One exact shard version in a request to a host. */
export const shardUseSchema = z.object({
  name: specialtySchema,
  version: shardVersionSchema,
  prior: z
    .number()
    .gt(0)
    .max(1)
    .refine((prior) => Number.isInteger(prior * PRIOR_STEPS), 'priors are multiples of 1/8'),
});
export type ShardUse = z.infer<typeof shardUseSchema>;

/** One exact version and the SHA-256 of its whole file. */
export const shardIdentitySchema = z.object({
  specialty: specialtySchema,
  version: shardVersionSchema,
  sha256: sha256Schema,
});
export type ShardIdentity = z.infer<typeof shardIdentitySchema>;

/** published: bytes checked · staged: being put on hosts · active: new requests use it · retired: frees when unused. */
export const shardStateSchema = z.enum(['published', 'staged', 'active', 'retired']);
export type ShardState = z.infer<typeof shardStateSchema>;

const shardVersionInfoSchema = z.object({
  version: shardVersionSchema,
  state: shardStateSchema,
  sha256: sha256Schema,
  bytes: z.number().int().positive(),
  base_fingerprint: fingerprintSchema,
  /** Unix seconds. */
  published_at: z.number().int(),
  /** Live hosts that hold this version. */
  hosts: z.number().int().nonnegative(),
});

/** Answer of `GET /v1/shards`. */
export const shardListSchema = z.object({
  object: z.literal('list'),
  data: z.array(
    z.object({
      specialty: specialtySchema,
      active: shardVersionSchema.nullable(),
      versions: z.array(shardVersionInfoSchema),
    }),
  ),
});
export type ShardList = z.infer<typeof shardListSchema>;

/** Body of `POST /v1/shards/{specialty}/activate`. */
export const activateRequestSchema = z.strictObject({ version: shardVersionSchema });

/** Answer of activate (200 once active, 202 while hosts still stage it) and of rollback. */
export const activationSchema = z.object({
  specialty: specialtySchema,
  version: shardVersionSchema,
  state: z.enum(['active', 'staged']),
  /** What was active before, or still is while the new version is only staged. */
  previous: shardVersionSchema.nullable(),
  /** Live hosts that hold the version, and how many are needed. */
  holders: z.number().int().nonnegative(),
  quorum: z.number().int().positive(),
});
export type Activation = z.infer<typeof activationSchema>;
