/**
 * The router's own Worker, so that onnxruntime's cold start and memory stay out of the gateway's isolate. The gateway
 * calls `RouterEntrypoint.route` over a service binding. It never waits for onnxruntime: until that is warm, and
 * whenever it fails, the same model answers in TypeScript.
 */

import { WorkerEntrypoint } from 'cloudflare:workers';
import modelBytes from '../../../weights/router/router.onnx';
import { createFallbackRouter, type FallbackRouter } from '../../base/router/fallback.ts';
import { rankSpecialties, routerFeatures } from '../../base/router/model.ts';
import { loadOnnxModel, type OnnxModel } from './onnx.ts';
import type { RouteResult, Router, RouterMessage } from '../../base/router/types.ts';

/** State of the isolate, not of a request. A warm-up is held as a time, not as a promise: a promise of a request that is
 * cancelled never settles for the others. */
let fallback: FallbackRouter | undefined;
let onnx: OnnxModel | undefined;
let warmingSince: number | undefined;

/** After this long a warm-up is taken for lost, or a failed one is tried again. */
const WARM_UP_RETRY_MS = 30_000;

export class RouterEntrypoint extends WorkerEntrypoint implements Router {
  async route(messages: readonly RouterMessage[]): Promise<RouteResult> {
    fallback ??= createFallbackRouter(modelBytes);
    if (onnx !== undefined) {
      const result = await runOnnx(onnx, fallback, messages).catch(() => undefined);
      if (result !== undefined) return result;
      // A session that failed once is not trusted again.
      onnx = undefined;
    }
    this.#warmUp();
    return fallback.route(messages);
  }

  #warmUp(): void {
    const now = Date.now();
    if (warmingSince !== undefined && now - warmingSince < WARM_UP_RETRY_MS) return;
    warmingSince = now;
    this.ctx.waitUntil(startOnnx());
  }
}

async function startOnnx(): Promise<void> {
  try {
    onnx = await loadOnnxModel(modelBytes);
    warmingSince = undefined;
  } catch (error) {
    console.error('router: onnxruntime did not start; the TypeScript forward answers', error);
  }
}

async function runOnnx(
  model: OnnxModel,
  { model: { metadata } }: FallbackRouter,
  messages: readonly RouterMessage[],
): Promise<RouteResult> {
  const probabilities = await model.run(routerFeatures(messages, metadata));
  return { specialties: rankSpecialties(metadata, probabilities), router: 'onnx' };
}

/** There is nothing to fetch: the entrypoint is called over RPC only. */
export default {
  fetch: () => new Response('The router is called over a service binding.', { status: 404 }),
} satisfies ExportedHandler;
