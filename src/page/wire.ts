/**
 * Reads what the edge sends, field by field, and passes over what it does not understand. By hand: the protocol's zod
 * schemas weigh fifty times the rest of this page. Types and header names are still the protocol's, held by the compiler.
 */
import type { FinishReason } from '../protocol/chat.ts';
import type { REQUEST_ID_HEADER } from '../protocol/hosts.ts';
import type { ROUTED_MODEL, BASE_MODEL, SpecialtyProbability } from '../protocol/route.ts';
import type { ShardUse } from '../protocol/shards.ts';
import type { RoutingTrace, TRACE_HEADERS } from '../protocol/trace.ts';
import type { Usage } from '../protocol/usage.ts';

export const routedModel: typeof ROUTED_MODEL = 'sparsedoctor';
export const baseModel: typeof BASE_MODEL = 'base';
export const requestIdHeader: typeof REQUEST_ID_HEADER = 'x-request-id';

const traceHeader: typeof TRACE_HEADERS = {
  specialties: 'x-sparsedoctor-specialties',
  shards: 'x-sparsedoctor-shards',
  host: 'x-sparsedoctor-host',
  queueMs: 'x-sparsedoctor-queue-ms',
  router: 'x-sparsedoctor-router',
};

/** More entries than any route has are not shown. */
const listLimit = 64;

export function readModelNames(body: unknown): string[] {
  return list(field(body, 'data')).flatMap((model) => {
    const id = field(model, 'id');
    return typeof id === 'string' ? [id] : [];
  });
}

/** The specialty of a pinned model's name; null for the routed model and the base. */
export function pinnedSpecialty(model: string): string | null {
  const prefix = `${routedModel}:`;
  return model.startsWith(prefix) ? model.slice(prefix.length) : null;
}

export function readTraceHeaders(headers: Headers): Partial<RoutingTrace> {
  const queueMs = headers.get(traceHeader.queueMs);
  return readTrace({
    specialties: parseJson(headers.get(traceHeader.specialties)),
    shards: parseJson(headers.get(traceHeader.shards)),
    host: headers.get(traceHeader.host),
    queue_ms: queueMs === null ? null : Number(queueMs),
    router: headers.get(traceHeader.router),
  });
}

/** The parts of a trace that are there and have the right form. */
function readTrace(value: unknown): Partial<RoutingTrace> {
  const specialties = field(value, 'specialties');
  const shards = field(value, 'shards');
  const host = field(value, 'host');
  const queueMs = field(value, 'queue_ms');
  const router = field(value, 'router');
  return {
    ...(Array.isArray(specialties) && { specialties: list(specialties).flatMap(readSpecialty) }),
    ...(Array.isArray(shards) && { shards: list(shards).flatMap(readShard) }),
    ...(typeof host === 'string' && { host }),
    ...(isCount(queueMs) && { queue_ms: queueMs }),
    ...(typeof router === 'string' && { router }),
  };
}

function readSpecialty(value: unknown): SpecialtyProbability[] {
  const specialty = field(value, 'specialty');
  const probability = field(value, 'probability');
  if (typeof specialty !== 'string' || !isCount(probability)) return [];
  return [{ specialty, probability: Math.min(1, probability) }];
}

function readShard(value: unknown): ShardUse[] {
  const name = field(value, 'name');
  const version = field(value, 'version');
  const prior = field(value, 'prior');
  if (typeof name !== 'string' || typeof version !== 'string' || !isCount(prior)) return [];
  return [{ name, version, prior: Math.min(1, prior) }];
}

export interface Chunk {
  readonly text: string;
  readonly finish: FinishReason | null;
  readonly usage: Usage | null;
  readonly trace: Partial<RoutingTrace> | null;
}

export function readChunk(value: unknown): Chunk {
  const choice = list(field(value, 'choices'))[0];
  const content = field(field(choice, 'delta'), 'content');
  const finish = field(choice, 'finish_reason');
  const trace = field(value, 'sparsedoctor');
  return {
    text: typeof content === 'string' ? content : '',
    finish: finish === 'stop' || finish === 'length' ? finish : null,
    usage: readUsage(field(value, 'usage')),
    trace: isRecord(trace) ? readTrace(trace) : null,
  };
}

function readUsage(value: unknown): Usage | null {
  const prompt = field(value, 'prompt_tokens');
  const completion = field(value, 'completion_tokens');
  if (!isCount(prompt) || !isCount(completion)) return null;
  return { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion };
}

export interface WireProblem {
  readonly code: string;
  readonly message: string;
}

/** The error in a body or an event; null where it holds none. */
export function readProblem(value: unknown): WireProblem | null {
  const error = field(value, 'error');
  const message = field(error, 'message');
  const code = field(error, 'code');
  if (typeof message !== 'string') return null;
  return { code: typeof code === 'string' ? code : '', message: message.slice(0, 500) };
}

export function parseJson(text: string | null): unknown {
  if (text === null) return null;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}

function field(value: unknown, name: string): unknown {
  return isRecord(value) ? value[name] : undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value.slice(0, listLimit) : [];
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}
