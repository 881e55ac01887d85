/** Decides which specialties answer a request: by its model name, or by what the neural router says of its messages. */
import { CallerError } from '../../base/errors.ts';
import type { ChatMessage } from '../../protocol/chat.ts';
import { modelNotFound } from '../../protocol/models.ts';
import { parseModelName, type SpecialtyProbability } from '../../protocol/route.ts';
import type { SpecialtyPrior } from '../admission/types.ts';
import type { Bindings } from '../bindings.ts';
import { createRouter } from '../router/client.ts';
import { selectShards } from '../../base/router/selection.ts';
import { activeDirectory } from './directory.ts';
import { selectionPolicy } from '../../base/router/policy.ts';
import { within } from '../within.ts';

/** A router that takes longer is treated as failed: the base model answers. */
const ROUTER_TIMEOUT_MS = 3_000;

export interface RoutePlan {
  /** For the trace; empty when the model name decided. */
  readonly specialties: readonly SpecialtyProbability[];
  readonly wanted: readonly SpecialtyPrior[];
  readonly router: string;
}

/** `messages`: null where the request has no text to route by (token ids). */
export async function planRoute(
  model: string,
  messages: readonly ChatMessage[] | null,
  env: Bindings,
): Promise<RoutePlan> {
  const choice = parseModelName(model);
  if (!choice) throw modelNotFound();
  if (choice.kind === 'base') return { specialties: [], wanted: [], router: 'base' };
  if (choice.kind === 'pinned') {
    if (!(await isActive(choice.specialty, env))) throw modelNotFound();
    return { specialties: [], wanted: [{ specialty: choice.specialty, prior: 1 }], router: 'pinned' };
  }
  if (!messages) {
    throw new CallerError(
      'unsupported_value',
      'Only one text prompt can be routed: send one request per prompt, or name "sparsedoctor:<specialty>" or "base".',
      { param: 'model' },
    );
  }
  return routeMessages(messages, env);
}

export async function routeMessages(messages: readonly ChatMessage[], env: Bindings): Promise<RoutePlan> {
  const directory = activeDirectory(env);
  // The two run side by side; if the router throws, this must not be left unhandled.
  directory.catch(() => undefined);
  const result = await within(createRouter(env).route(messages), ROUTER_TIMEOUT_MS).catch(() => null);
  const { specialties: available } = await directory;
  if (!result) return { specialties: [], wanted: [], router: 'none' };
  return {
    specialties: result.specialties.map(({ specialty, probability }) => ({
      specialty,
      probability: Math.round(probability * 1e4) / 1e4,
    })),
    wanted: selectShards(result.specialties, selectionPolicy, available),
    router: result.router,
  };
}

async function isActive(specialty: string, env: Bindings): Promise<boolean> {
  const startedAt = Date.now();
  if ((await activeDirectory(env)).specialties.has(specialty)) return true;
  return (await activeDirectory(env, startedAt)).specialties.has(specialty);
}
