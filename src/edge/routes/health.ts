/** GET /health: 200 when a host could answer, 503 otherwise. Open, so it says nothing but counts. */
import type { Context } from 'hono';
import type { EdgeEnv } from '../edge-env.ts';
import { admissionOf } from '../bindings.ts';

export async function health(context: Context<EdgeEnv>): Promise<Response> {
  const { hosts, capacity } = await admissionOf(context.env).status();
  const isReady = hosts > 0;
  return context.json({ status: isReady ? 'ok' : 'no_host', hosts, capacity }, isReady ? 200 : 503);
}
