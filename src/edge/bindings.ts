/** The Worker's bindings, and the settings parsed from its variables: the only configuration that the edge reads. */
import { z } from 'zod';
import { InternalError } from '../base/errors.ts';
import { fingerprintSchema } from '../protocol/shards.ts';
import type { AdmissionQueue } from './admission/admission-queue.ts';
import type { ShardRegistry } from './registry/shard-registry.ts';
import type { RouterEnv } from './router/client.ts';

export interface Bindings extends RouterEnv {
  readonly ADMISSION: DurableObjectNamespace<AdmissionQueue>;
  readonly REGISTRY: DurableObjectNamespace<ShardRegistry>;
  readonly SHARDS: R2Bucket;
  /** Absent where the edge serves only the API. */
  readonly ASSETS?: Fetcher;
  readonly API_KEY?: string;
  readonly ADMIN_KEY?: string;
  readonly HOST_SECRET?: string;
  readonly ALLOWED_HOSTS?: string;
  readonly ACTIVATION_QUORUM?: string;
  readonly BASE_FINGERPRINT?: string;
  readonly ACTIVATION_WAIT_MS?: string;
  readonly QUEUE_LENGTH?: string;
  readonly QUEUE_PER_KEY?: string;
  readonly QUEUE_WAIT_MS?: string;
  readonly LEASE_TTL_MS?: string;
  readonly HOST_TTL_MS?: string;
  readonly ANNOUNCE_EVERY_MS?: string;
  readonly EARLY_ANSWER_MS?: string;
  readonly FIRST_TOKEN_MS?: string;
  readonly STREAM_IDLE_MS?: string;
  readonly ANSWER_MS?: string;
}

const milliseconds = (fallback: number) => z.coerce.number().int().min(10).max(3_600_000).default(fallback);
const count = (fallback: number) => z.coerce.number().int().min(1).max(100_000).default(fallback);

/** Wrong variables fail all at once, with their names; values are not repeated, some of them are secrets. */
const settingsSchema = z.object({
  ALLOWED_HOSTS: z.string().default(''),
  /** Hosts that must hold a version before it becomes active. */
  ACTIVATION_QUORUM: count(1),
  /** The base that shards must be trained on; without it, the one that live hosts report. */
  BASE_FINGERPRINT: fingerprintSchema.optional(),
  /** How long `activate` waits for hosts before it answers 202. */
  ACTIVATION_WAIT_MS: milliseconds(25_000),
  QUEUE_LENGTH: count(256),
  QUEUE_PER_KEY: count(64),
  /** Longest time in the queue, unless the request names a shorter one. */
  QUEUE_WAIT_MS: milliseconds(60_000),
  LEASE_TTL_MS: milliseconds(30_000),
  /** A host is gone after this long without an announcement. */
  HOST_TTL_MS: milliseconds(10_000),
  ANNOUNCE_EVERY_MS: milliseconds(2_000),
  /** A stream that has no token yet is answered after this long, so that a client that leaves is noticed. */
  EARLY_ANSWER_MS: milliseconds(400),
  FIRST_TOKEN_MS: milliseconds(120_000),
  STREAM_IDLE_MS: milliseconds(60_000),
  /** Longest answer that is not streamed. */
  ANSWER_MS: milliseconds(600_000),
});

export type Settings = z.output<typeof settingsSchema>;

const parsed = new WeakMap<Bindings, Settings>();

export function settingsOf(env: Bindings): Settings {
  const known = parsed.get(env);
  if (known) return known;
  const result = settingsSchema.safeParse(env);
  if (!result.success) {
    const names = result.error.issues.map((issue) => issue.path.join('.'));
    throw new InternalError('bad_settings', `Variables of the Worker are not valid: ${names.join(', ')}.`);
  }
  parsed.set(env, result.data);
  return result.data;
}

/** All hosts form one group for now; a group has one queue, so that no two sell the same slot. */
const HOST_GROUP = 'default';

export function admissionOf(env: Bindings): DurableObjectStub<AdmissionQueue> {
  return env.ADMISSION.get(env.ADMISSION.idFromName(HOST_GROUP));
}

export function registryOf(env: Bindings): DurableObjectStub<ShardRegistry> {
  return env.REGISTRY.get(env.REGISTRY.idFromName('registry'));
}
