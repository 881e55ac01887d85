/** Request bodies: bounded before they are read to the end, and JSON only where JSON is expected. */
import { CallerError } from '../../base/errors.ts';
import { limits } from '../../protocol/limits.ts';
import { parseJson } from '../../protocol/parse.ts';
import { isRecord } from '../dispatch/json.ts';
import { drain } from './drain.ts';

export async function readJson(
  request: Request,
  maxBytes: number = limits.requestBodyBytes,
): Promise<Record<string, unknown>> {
  const type = request.headers.get('content-type') ?? '';
  if (!/^application\/([a-z0-9.+-]*\+)?json\s*(;|$)/i.test(type)) {
    throw new CallerError(
      'unsupported_media_type',
      'Send JSON with the header content-type: application/json.',
    );
  }
  const body = parseJson(await readText(request, maxBytes), 'request body');
  if (!isRecord(body)) throw new CallerError('invalid_request', 'The request body must be a JSON object.');
  return body;
}

async function readText(request: Request, maxBytes: number): Promise<string> {
  const tooLarge = new CallerError('body_too_large', `The request body may have at most ${maxBytes} bytes.`);
  if (Number(request.headers.get('content-length') ?? 0) > maxBytes) throw tooLarge;
  if (!request.body) return '';
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false });
  let text = '';
  let seen = 0;
  const reader = (request.body as ReadableStream<Uint8Array>).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (value) seen += value.length;
    if (seen > maxBytes) {
      await drain(reader, maxBytes);
      throw tooLarge;
    }
    text += decode(decoder, value);
    if (done) return text;
  }
}

function decode(decoder: TextDecoder, chunk: Uint8Array | undefined): string {
  try {
    return decoder.decode(chunk, { stream: chunk !== undefined });
  } catch (cause) {
    throw new CallerError('invalid_json', 'The request body is not valid UTF-8.', { cause });
  }
}

/** Content-Length of an upload; the bucket needs to know it beforehand. */
export function declaredLength(request: Request, maxBytes: number): number {
  const header = request.headers.get('content-length');
  const length = Number(header);
  if (header === null || !Number.isSafeInteger(length) || length <= 0) {
    throw new CallerError('length_required', 'Send the file with a Content-Length header.');
  }
  if (length > maxBytes) {
    throw new CallerError('body_too_large', `A shard file may have at most ${maxBytes} bytes.`);
  }
  return length;
}
