/**
 * Error codes on the wire. This is the only place that knows HTTP status codes of errors, in both directions: `toErrorBody`
 * says what a client sees of a thrown error, `parseErrorBody` reads what another server said.
 */
import { z } from 'zod';
import { CallerError, InternalError } from '../base/errors.ts';

export interface ErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string;
  };
}

export interface WireError {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: ErrorBody;
}

interface ErrorKind {
  readonly status: number;
  readonly type: string;
  /** Seconds for Retry-After where the thrower knows none. */
  readonly retryAfter?: number;
}

const invalid = 'invalid_request_error';

/** Codes of `CallerError`; one that is not listed is a plain 400. */
const callerKinds: Readonly<Record<string, ErrorKind>> = {
  invalid_request: { status: 400, type: invalid },
  invalid_json: { status: 400, type: invalid },
  unsupported_value: { status: 400, type: invalid },
  context_length_exceeded: { status: 400, type: invalid },
  shard_invalid: { status: 400, type: invalid },
  invalid_api_key: { status: 401, type: 'authentication_error' },
  forbidden: { status: 403, type: 'permission_error' },
  not_found: { status: 404, type: invalid },
  model_not_found: { status: 404, type: invalid },
  shard_not_found: { status: 404, type: invalid },
  method_not_allowed: { status: 405, type: invalid },
  shard_not_resident: { status: 409, type: 'conflict_error' },
  shard_conflict: { status: 409, type: 'conflict_error' },
  conflict: { status: 409, type: 'conflict_error' },
  length_required: { status: 411, type: invalid },
  body_too_large: { status: 413, type: invalid },
  unsupported_media_type: { status: 415, type: invalid },
  rate_limited: { status: 429, type: 'rate_limit_error', retryAfter: 1 },
  host_full: { status: 429, type: 'rate_limit_error', retryAfter: 1 },
  queue_full: { status: 429, type: 'rate_limit_error', retryAfter: 1 },
  cancelled: { status: 499, type: 'cancelled' },
  overloaded: { status: 503, type: 'overloaded_error', retryAfter: 1 },
  no_host: { status: 503, type: 'overloaded_error', retryAfter: 2 },
  shutting_down: { status: 503, type: 'overloaded_error', retryAfter: 2 },
  deadline_exceeded: { status: 504, type: 'timeout_error' },
};

/** Codes of `InternalError` whose status says more than 500; their message stays inside all the same. */
const internalKinds: Readonly<Record<string, ErrorKind>> = {
  upstream_failed: { status: 502, type: 'server_error' },
  device_lost: { status: 503, type: 'server_error', retryAfter: 5 },
  engine_stopped: { status: 503, type: 'server_error', retryAfter: 5 },
};

/** What a client gets to see of an error. An internal one shows its code and the request id, never its message. */
export function toErrorBody(
  error: unknown,
  context: { readonly requestId?: string; readonly retryAfterSeconds?: number } = {},
): WireError {
  if (error instanceof CallerError) {
    const kind = callerKinds[error.code] ?? { status: 400, type: invalid };
    return wireError(kind, error.code, error.message, error.param, context.retryAfterSeconds);
  }
  const code = error instanceof InternalError ? error.code : 'internal_error';
  const kind = internalKinds[code] ?? { status: 500, type: 'server_error' };
  const reference = context.requestId === undefined ? '' : ` The request id is ${context.requestId}.`;
  const message = `The server failed to answer this request (${code}).${reference}`;
  return wireError(kind, code, message, null, context.retryAfterSeconds);
}

const errorBodySchema = z.object({
  error: z.object({
    message: z.string(),
    type: z.string().nullish(),
    param: z.string().nullish(),
    code: z.union([z.string(), z.number()]).nullish(),
  }),
});

/** Reads the error body of any OpenAI-compatible server; undefined where it is none. */
export function parseErrorBody(json: unknown): ErrorBody['error'] | undefined {
  const parsed = errorBodySchema.safeParse(json);
  if (!parsed.success) return undefined;
  const { message, type, param, code } = parsed.data.error;
  return {
    message,
    type: type ?? 'server_error',
    param: param ?? null,
    code: code === null || code === undefined ? 'unknown' : String(code),
  };
}

function wireError(
  kind: ErrorKind,
  code: string,
  message: string,
  param: string | null,
  retryAfterSeconds: number | undefined,
): WireError {
  const wait = retryAfterSeconds ?? kind.retryAfter;
  const retryable = kind.status === 429 || kind.status === 503;
  const headers: Record<string, string> = {};
  if (retryable && wait !== undefined) headers['retry-after'] = String(Math.max(1, Math.ceil(wait)));
  if (kind.status === 401) headers['www-authenticate'] = 'Bearer';
  return { status: kind.status, headers, body: { error: { message, type: kind.type, param, code } } };
}
