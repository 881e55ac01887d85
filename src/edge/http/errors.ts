/** From anything thrown to an answer in OpenAI's error shape. Status codes come from protocol/errors.ts alone. */
import { CallerError } from '../../base/errors.ts';
import { toErrorBody, type WireError } from '../../protocol/errors.ts';

/** A refusal that knows when it is worth coming back. */
export class RefusedError extends CallerError {
  readonly retryAfterSeconds: number;

  constructor(code: string, message: string, retryAfterSeconds: number) {
    super(code, message);
    this.name = 'RefusedError';
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

export function wireErrorOf(error: unknown, requestId: string): WireError {
  const retry = error instanceof RefusedError ? { retryAfterSeconds: error.retryAfterSeconds } : {};
  if (!(error instanceof CallerError)) logFailure(error, requestId);
  return toErrorBody(error, { requestId, ...retry });
}

export function errorResponse(error: unknown, requestId: string): Response {
  const { status, headers, body } = wireErrorOf(error, requestId);
  return Response.json(body, { status, headers });
}

/** Names and our own codes only: the message of a foreign error may quote what a client sent. */
function logFailure(error: unknown, requestId: string): void {
  const name = error instanceof Error ? error.name : typeof error;
  const code = error instanceof Error && 'code' in error ? String(error.code) : undefined;
  const at = error instanceof Error ? error.stack?.split('\n')[1]?.trim() : undefined;
  console.error(JSON.stringify({ level: 'error', requestId, name, code, at }));
}
