/** The registry over HTTP: list, upload, fetch, activate, roll back. */
import type { Context } from 'hono';
import { CallerError } from '../../base/errors.ts';
import { parseWith } from '../../protocol/parse.ts';
import {
  activateRequestSchema,
  MAX_SHARD_BYTES,
  shardVersionSchema,
  specialtySchema,
  type Activation,
} from '../../protocol/shards.ts';
import type { EdgeEnv } from '../edge-env.ts';
import { registryOf, settingsOf } from '../bindings.ts';
import { declaredLength, readJson } from '../http/body.ts';
import { receiveShard } from '../registry/receive-shard.ts';
import type { ActivationResult } from '../registry/shard-registry.ts';
import { activeDirectory, forgetDirectory } from '../routing/directory.ts';

const SHARD_SHA256_HEADER = 'x-sparsedoctor-sha256';

export async function listShards(context: Context<EdgeEnv>): Promise<Response> {
  return context.json(await registryOf(context.env).list());
}

export async function publishShard(context: Context<EdgeEnv>): Promise<Response> {
  const { env, req } = context;
  const { specialty, version } = shardPath(context);
  const bytes = declaredLength(req.raw, MAX_SHARD_BYTES);
  const body = req.raw.body as ReadableStream<Uint8Array> | null;
  if (!body)
    throw new CallerError('invalid_request', 'The request has no body: send the bytes of the shard file.');
  const baseFingerprint = await wantedBase(context);
  const objectKey = `shards/${specialty}/${version}/${crypto.randomUUID()}`;
  const received = await receiveShard(
    { body, bytes },
    { bucket: env.SHARDS, key: objectKey },
    { specialty, version, baseFingerprint },
  );
  const { sha256 } = received;
  const publishedAt = Math.floor(Date.now() / 1000);
  const stored = {
    specialty,
    version,
    state: 'published',
    sha256,
    bytes,
    baseFingerprint,
    publishedAt,
    objectKey,
  } as const;
  const result = await registryOf(env).publish(stored);
  if (result !== 'created') await env.SHARDS.delete(objectKey);
  if (result === 'conflict') {
    throw new CallerError(
      'shard_conflict',
      `${specialty} ${version} exists with other bytes: choose another version.`,
    );
  }
  if (result === 'full') {
    throw new CallerError('conflict', 'The registry holds as many specialties or versions as it can.');
  }
  return context.json(
    { specialty, version, state: 'published', sha256, bytes },
    result === 'created' ? 201 : 200,
  );
}

/** Clients get what is active, to run it on their own device; what is only published is for hosts. */
export async function fetchShard(context: Context<EdgeEnv>): Promise<Response> {
  const { specialty, version } = shardPath(context);
  if (context.get('caller').role === 'client') {
    const { versions } = await activeDirectory(context.env, Date.now());
    if (versions[specialty] !== version) throw shardNotFound(specialty, version);
  }
  const stored = await registryOf(context.env).find(specialty, version);
  const object = stored ? await context.env.SHARDS.get(stored.objectKey) : null;
  if (!stored || !object) throw shardNotFound(specialty, version);
  return new Response(object.body, {
    headers: {
      'content-type': 'application/octet-stream',
      'content-length': String(stored.bytes),
      [SHARD_SHA256_HEADER]: stored.sha256,
    },
  });
}

export async function activateShard(context: Context<EdgeEnv>): Promise<Response> {
  const specialty = parseWith(specialtySchema, context.req.param('specialty'), 'specialty');
  const { version } = parseWith(activateRequestSchema, await readJson(context.req.raw), 'request body');
  const result = await registryOf(context.env).activate(specialty, version);
  return activated(context, specialty, known(result, specialty, version));
}

export async function rollbackShard(context: Context<EdgeEnv>): Promise<Response> {
  const specialty = parseWith(specialtySchema, context.req.param('specialty'), 'specialty');
  const result = await registryOf(context.env).rollback(specialty);
  return activated(context, specialty, known(result, specialty, null));
}

/** Waits a while for hosts to load the version: 200 once it is active, 202 while it is not. */
async function activated(context: Context<EdgeEnv>, specialty: string, first: Activation): Promise<Response> {
  const { env } = context;
  let activation = first;
  if (activation.state !== 'active') {
    const waitMs = settingsOf(env).ACTIVATION_WAIT_MS;
    const result = await registryOf(env).awaitActivation(specialty, activation.version, waitMs);
    activation = known(result, specialty, activation.version);
  }
  forgetDirectory(env);
  return context.json(activation, activation.state === 'active' ? 200 : 202);
}

function known(result: ActivationResult, specialty: string, version: string | null): Activation {
  if (result.kind === 'known') return result.activation;
  if (result.kind === 'nothing_before') {
    throw new CallerError('conflict', `${specialty} has no earlier active version to go back to.`);
  }
  throw shardNotFound(specialty, version ?? '');
}

/** The base that a shard must be for. Hosts say it; with several kinds of host only BASE_FINGERPRINT can. */
async function wantedBase({ env }: Context<EdgeEnv>): Promise<string> {
  const { BASE_FINGERPRINT } = settingsOf(env);
  if (BASE_FINGERPRINT !== undefined) return BASE_FINGERPRINT;
  const [fingerprint, ...others] = await registryOf(env).fingerprints();
  if (fingerprint !== undefined && others.length === 0) return fingerprint;
  throw new CallerError(
    'no_host',
    fingerprint === undefined
      ? 'Which base model this edge serves is not known before a host is connected: start one, or set BASE_FINGERPRINT.'
      : 'The connected hosts run different base models: set BASE_FINGERPRINT.',
  );
}

function shardPath(context: Context<EdgeEnv>): { specialty: string; version: string } {
  return {
    specialty: parseWith(specialtySchema, context.req.param('specialty'), 'specialty'),
    version: parseWith(shardVersionSchema, context.req.param('version'), 'version'),
  };
}

function shardNotFound(specialty: string, version: string): CallerError {
  return new CallerError(
    'shard_not_found',
    `There is no version ${version} of ${specialty}. GET /v1/shards lists all.`,
  );
}
