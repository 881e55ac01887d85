/** GET /v1/models and /v1/models/{model}: the routed model, the base, and one per active specialty. */
import type { Context } from 'hono';
import { modelList, modelNotFound } from '../../protocol/models.ts';
import { BASE_MODEL, pinnedModelName, ROUTED_MODEL } from '../../protocol/route.ts';
import type { EdgeEnv } from '../edge-env.ts';
import { registryOf } from '../bindings.ts';

/** The API wants a time; models here have none that would mean anything. */
const CREATED = 1_760_000_000;

export async function listModels(context: Context<EdgeEnv>): Promise<Response> {
  return context.json(await allModels(context));
}

export async function showModel(context: Context<EdgeEnv>): Promise<Response> {
  const { data } = await allModels(context);
  const model = data.find(({ id }) => id === context.req.param('model'));
  if (!model) throw modelNotFound();
  return context.json(model);
}

async function allModels(context: Context<EdgeEnv>) {
  const { versions } = await registryOf(context.env).active();
  const pinned = Object.keys(versions).sort().map(pinnedModelName);
  return modelList([ROUTED_MODEL, BASE_MODEL, ...pinned], CREATED);
}
