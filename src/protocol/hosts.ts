/**
 * What a GPU host and the edge say to each other.
 *
 * A host serves the OpenAI paths on its own port and takes only `Authorization: Bearer <host secret>`. Every
 * `announce_every_ms` it posts a HostAnnouncement to the edge's `POST /v1/hosts` with the same secret; the answer says
 * which shard versions to hold. It fetches the bytes of each from the edge, `GET /v1/shards/{specialty}/versions/{version}`
 * (same secret), checks the sha256, loads it while it computes, and lists it as `resident` in the next announcement. It
 * may announce out of turn, and should right after loading: activation waits for it. What is in `retire`, or in no
 * list, may be freed as soon as no request uses it; it stops being `resident` at that point and not earlier.
 *
 * Requests name exact versions in the body's `sparsedoctor` object (no shards: base model only). A host that does not
 * hold one of them answers 409 with code SHARD_NOT_RESIDENT, before it does any work; the edge retries elsewhere. A host
 * that is full answers 429 with code HOST_FULL and Retry-After.
 */
import { z } from 'zod';
import {
  fingerprintSchema,
  MAX_SHARDS_PER_REQUEST,
  sha256Schema,
  shardIdentitySchema,
  shardUseSchema,
  shardVersionSchema,
  specialtySchema,
} from './shards.ts';

/** Carries the edge's lease to the host, which lists running ones in `lease_ids`. */
export const LEASE_HEADER = 'x-sparsedoctor-lease';
/** Given by the client or made at the edge; the host repeats it in its answer and its log. */
export const REQUEST_ID_HEADER = 'x-request-id';

export const SHARD_NOT_RESIDENT = 'shard_not_resident';
export const HOST_FULL = 'host_full';

export const leaseIdSchema = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/);

/** The object `sparsedoctor` in a request from the edge to a host. */
export const hostExtensionSchema = z.strictObject({
  shards: z.array(shardUseSchema).max(MAX_SHARDS_PER_REQUEST),
});

/** Body of `POST /v1/hosts`. */
export const hostAnnouncementSchema = z.object({
  /** Where the edge reaches the host, without a path: scheme, name, port. Must be on the edge's allow-list. */
  url: z.url({ protocol: /^https?$/ }).max(256),
  /** Shown in traces; also the host's identity: a later announcement under it replaces the earlier one. */
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/),
  base_fingerprint: fingerprintSchema,
  /** Requests that may run at once; what is beyond waits at the edge. */
  capacity: z.number().int().min(1).max(4096),
  running: z.number().int().min(0).max(65_536),
  waiting: z.number().int().min(0).max(65_536),
  resident: z.array(shardIdentitySchema).max(1024),
  /** Leases (LEASE_HEADER) of the requests that run or wait on the host now. */
  lease_ids: z.array(leaseIdSchema).max(8192).optional(),
  /** Set while shutting down: nothing new is sent here. */
  draining: z.boolean().optional(),
  /** Longest prompt plus answer in tokens. */
  max_model_len: z.number().int().positive().optional(),
});
export type HostAnnouncement = z.infer<typeof hostAnnouncementSchema>;

/** Answer to an announcement. */
export const hostOrdersSchema = z.object({
  /** Every version that the host is to hold: active ones and those about to be. */
  stage: z.array(
    z.object({
      specialty: specialtySchema,
      version: shardVersionSchema,
      sha256: sha256Schema,
      bytes: z.number().int().positive(),
    }),
  ),
  /** Resident versions that no new request will name. */
  retire: z.array(z.object({ specialty: specialtySchema, version: shardVersionSchema })),
  /** Specialty to the version that new requests use. */
  active: z.record(specialtySchema, shardVersionSchema),
  announce_every_ms: z.number().int().positive(),
});
export type HostOrders = z.infer<typeof hostOrdersSchema>;
