/** POST /v1/route: what the router says of a conversation, and which shards it would get now. Nothing is generated. */
import type { Context } from 'hono';
import { InternalError } from '../../base/errors.ts';
import { parseChatRequest } from '../../protocol/chat.ts';
import { ROUTED_MODEL, type RouteResponse } from '../../protocol/route.ts';
import { traceHeaders } from '../../protocol/trace.ts';
import type { EdgeEnv } from '../edge-env.ts';
import { readJson } from '../http/body.ts';
import { activeDirectory } from '../routing/directory.ts';
import { routeMessages } from '../routing/plan.ts';

export async function showRoute(context: Context<EdgeEnv>): Promise<Response> {
  const body = await readJson(context.req.raw);
  // The messages of a chat request, so the chat schema checks them; a model need not be named.
  const { messages } = parseChatRequest({ ...body, model: ROUTED_MODEL });
  const { specialties, wanted, router } = await routeMessages(messages, context.env);
  if (router === 'none') throw new InternalError('router_failed', 'The router did not answer.');
  const { versions } = await activeDirectory(context.env);
  const shards = wanted.flatMap(({ specialty, prior }) => {
    const version = versions[specialty];
    return version === undefined ? [] : [{ name: specialty, version, prior }];
  });
  const response: RouteResponse = { specialties: [...specialties], shards, router };
  return context.json(response, 200, traceHeaders({ router }));
}
