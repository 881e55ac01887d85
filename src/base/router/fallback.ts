/** The router in plain TypeScript: no warm-up worth the name, about as fast as onnxruntime for a model of this size. */

import { forward, loadRouterModel, rankSpecialties, routerFeatures, type RouterModel } from './model.ts';
import type { RouteResult, RouterMessage } from './types.ts';

export interface FallbackRouter {
  readonly model: RouterModel;
  route(messages: readonly RouterMessage[]): RouteResult;
}

export function createFallbackRouter(bytes: ArrayBuffer): FallbackRouter {
  const model = loadRouterModel(new Uint8Array(bytes));
  return {
    model,
    route(messages) {
      const probabilities = forward(model, routerFeatures(messages, model.metadata));
      return { specialties: rankSpecialties(model.metadata, probabilities), router: 'fallback' };
    },
  };
}
