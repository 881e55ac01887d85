/**
 * The gateway's way to the router: a service binding to the router's own Worker, whose `route` is called over RPC.
 * The gateway's wrangler.toml needs `[[services]] binding = "ROUTER" service = "sparsedoctor-router"
 * entrypoint = "RouterEntrypoint"` and the rule `type = "Data"` for `**\/*.onnx`.
 */

import type { RouteResult, Router, RouterMessage } from './types.ts';

/** What the router needs of the gateway's bindings. */
export interface RouterEnv {
  /** Absent where the router runs in the gateway itself: then the TypeScript forward answers. */
  readonly ROUTER?: RouterService;
}

/** The RPC face of `RouterEntrypoint` in worker.ts. */
export interface RouterService {
  route(messages: readonly RouterMessage[]): Promise<RouteResult>;
}

export function createRouter(env: RouterEnv): Router {
  const service = env.ROUTER;
  return {
    async route(messages) {
      if (service === undefined) throw new Error('no router is bound');
      return service.route(messages);
    },
  };
}
