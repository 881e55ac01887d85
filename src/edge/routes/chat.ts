/** POST /v1/chat/completions. */
import type { Context } from 'hono';
import { CallerError } from '../../base/errors.ts';
import { parseChatRequest } from '../../protocol/chat.ts';
import type { CommonRequest } from '../../protocol/request-fields.ts';
import type { EdgeEnv } from '../edge-env.ts';
import { readJson } from '../http/body.ts';
import { planRoute } from '../routing/plan.ts';
import { answer } from './answer.ts';

export async function chat(context: Context<EdgeEnv>): Promise<Response> {
  const arrivedAt = Date.now();
  const body = await readJson(context.req.raw);
  const request = parseChatRequest(body);
  refuseOwnShards(request);
  const plan = await planRoute(request.model, request.messages, context.env);
  const { stream, includeUsage } = request;
  return answer(context, { path: '/v1/chat/completions', body, stream, includeUsage }, plan, arrivedAt);
}

/** Between edge and host the body names the shards; from a client that would go past the registry. */
export function refuseOwnShards(request: CommonRequest): void {
  if (request.shards === undefined) return;
  throw new CallerError(
    'unsupported_value',
    'The edge chooses the shards: leave sparsedoctor.shards out and name a model, e.g. "sparsedoctor:<specialty>".',
    { param: 'sparsedoctor.shards' },
  );
}
