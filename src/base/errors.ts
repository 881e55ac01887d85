/** The one error family of the code base. `code` is literal and stable; HTTP status is decided in `protocol` only. */

/** The caller's fault: the message is safe to show and says what to do. */
export class CallerError extends Error {
  readonly code: string;
  /** Name of the offending request field or file, if there is one. */
  readonly param: string | null;

  constructor(code: string, message: string, options: { param?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'CallerError';
    this.code = code;
    this.param = options.param ?? null;
  }
}

/** Our fault, or the machine's: the client sees only `code` and a request id. */
export class InternalError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options: { cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'InternalError';
    this.code = code;
  }
}
