/**
 * The gateway's way to the router: a service binding to the router's own Worker, whose `route` is called over RPC. The
 * gateway's wrangler file needs the service binding `ROUTER` to entrypoint `RouterEntrypoint` of `sparsedoctor-router`,
 * and a rule that bundles .onnx files as data: where that Worker cannot be reached, the gateway answers with the same
 * model in TypeScript, so that a request is never left without a route.
 */

import modelBytes from '../../../weights/router/router.onnx';
import { createFallbackRouter, type FallbackRouter } from '../../base/router/fallback.ts';
import type { RouteResult, Router, RouterMessage } from '../../base/router/types.ts';

/** What the router needs of the gateway's bindings. */
export interface RouterEnv {
  /** Absent where the router has no Worker of its own. */
  readonly ROUTER?: RouterService;
}

/** The RPC face of `RouterEntrypoint` in worker.ts. */
export interface RouterService {
  route(messages: readonly RouterMessage[]): Promise<RouteResult>;
}

/** A healthy router answers in a few milliseconds, a cold isolate in a few hundred. */
const SERVICE_TIMEOUT_MS = 1_000;

/** Parsed at first need: most isolates never do. */
let fallback: FallbackRouter | undefined;

export function createRouter(env: RouterEnv): Router {
  return {
    async route(messages) {
      const answered = env.ROUTER === undefined ? undefined : await askService(env.ROUTER, messages);
      if (answered !== undefined) return answered;
      fallback ??= createFallbackRouter(modelBytes);
      return fallback.route(messages);
    },
  };
}

/** Undefined when the service fails or is late. */
async function askService(
  service: RouterService,
  messages: readonly RouterMessage[],
): Promise<RouteResult | undefined> {
  const late = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => late.resolve(undefined), SERVICE_TIMEOUT_MS);
  try {
    return await Promise.race([service.route(messages).catch(() => undefined), late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
