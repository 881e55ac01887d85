/** GET /metrics, for Prometheus; needs an API key, since load is nobody else's business. */
import type { Context } from 'hono';
import type { EdgeEnv } from '../edge-env.ts';
import { admissionOf } from '../bindings.ts';

export async function metrics(context: Context<EdgeEnv>): Promise<Response> {
  const text = await admissionOf(context.env).metrics();
  return context.body(text, 200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' });
}
