/** POST /v1/completions. A single text prompt can be routed; token ids and lists need a model that names its shard. */
import type { Context } from 'hono';
import { parseCompletionRequest } from '../../protocol/completions.ts';
import type { EdgeEnv } from '../edge-env.ts';
import { readJson } from '../http/body.ts';
import { planRoute } from '../routing/plan.ts';
import { answer } from './answer.ts';
import { refuseOwnShards } from './chat.ts';

export async function completions(context: Context<EdgeEnv>): Promise<Response> {
  const arrivedAt = Date.now();
  const body = await readJson(context.req.raw);
  const request = parseCompletionRequest(body);
  refuseOwnShards(request);
  const [prompt, ...others] = request.prompts;
  const isText = typeof prompt === 'string' && others.length === 0;
  const messages = isText ? [{ role: 'user', content: prompt } as const] : null;
  const plan = await planRoute(request.model, messages, context.env);
  const { stream, includeUsage } = request;
  return answer(context, { path: '/v1/completions', body, stream, includeUsage }, plan, arrivedAt);
}
