/**
 * The routing trace: object `sparsedoctor` in a response body and in a stream's last chunk, and the same in headers.
 * `queue_ms` is known when the headers go out except for a stream that still waits: its headers omit host and queue time.
 */
import { z } from 'zod';
import { specialtyProbabilitySchema } from './route.ts';
import { shardUseSchema } from './shards.ts';

export const routingTraceSchema = z.object({
  /** Best first; empty when the request named its model itself. */
  specialties: z.array(specialtyProbabilitySchema),
  shards: z.array(shardUseSchema),
  host: z.string(),
  queue_ms: z.number().nonnegative(),
  /** `onnx` or `fallback` when the router ran; `pinned` or `base` when the model name decided; `none` if it failed. */
  router: z.string(),
});
export type RoutingTrace = z.infer<typeof routingTraceSchema>;

export const TRACE_HEADERS = {
  specialties: 'x-sparsedoctor-specialties',
  shards: 'x-sparsedoctor-shards',
  host: 'x-sparsedoctor-host',
  queueMs: 'x-sparsedoctor-queue-ms',
  router: 'x-sparsedoctor-router',
} as const;

/** Proxies bound headers to a few kilobytes; the body has all of them. */
const SPECIALTIES_IN_HEADER = 8;

/** Headers for the parts of a trace that are known so far. */
export function traceHeaders(trace: Partial<RoutingTrace>): Record<string, string> {
  const headers: Record<string, string> = {};
  if (trace.specialties) {
    headers[TRACE_HEADERS.specialties] = asciiJson(trace.specialties.slice(0, SPECIALTIES_IN_HEADER));
  }
  if (trace.shards) headers[TRACE_HEADERS.shards] = asciiJson(trace.shards);
  if (trace.host !== undefined) headers[TRACE_HEADERS.host] = trace.host;
  if (trace.queue_ms !== undefined) headers[TRACE_HEADERS.queueMs] = String(trace.queue_ms);
  if (trace.router !== undefined) headers[TRACE_HEADERS.router] = trace.router;
  return headers;
}

/** JSON with everything outside printable ASCII escaped: header values carry nothing else safely. */
function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
