/** Routing as the API shows it: `POST /v1/route` and the model names that decide how a request is routed. */
import { z } from 'zod';
import { shardUseSchema, specialtySchema } from './shards.ts';

/** Routed by the edge router. */
export const ROUTED_MODEL = 'sparsedoctor';
/** The frozen base without experts. */
export const BASE_MODEL = 'base';

export const specialtyProbabilitySchema = z.object({
  specialty: specialtySchema,
  probability: z.number().min(0).max(1),
});
export type SpecialtyProbability = z.infer<typeof specialtyProbabilitySchema>;

/** Answer of `POST /v1/route`: all specialties, best first, and the shards that a request would use now. */
const routeResponseSchema = z.object({
  specialties: z.array(specialtyProbabilitySchema),
  shards: z.array(shardUseSchema),
  /** Which implementation answered. */
  router: z.string(),
});
export type RouteResponse = z.infer<typeof routeResponseSchema>;

export type ModelChoice =
  | { readonly kind: 'routed' }
  | { readonly kind: 'pinned'; readonly specialty: string }
  | { readonly kind: 'base' };

/** What a model name asks for, or null when it is none of ours. Whether a specialty exists the registry knows. */
export function parseModelName(model: string): ModelChoice | null {
  if (model === ROUTED_MODEL) return { kind: 'routed' };
  if (model === BASE_MODEL) return { kind: 'base' };
  const prefix = `${ROUTED_MODEL}:`;
  if (!model.startsWith(prefix)) return null;
  const specialty = specialtySchema.safeParse(model.slice(prefix.length));
  return specialty.success ? { kind: 'pinned', specialty: specialty.data } : null;
}

export function pinnedModelName(specialty: string): string {
  return `${ROUTED_MODEL}:${specialty}`;
}
