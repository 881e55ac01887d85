/**
 * onnxruntime-web inside workerd. workerd compiles no WebAssembly from bytes, and onnxruntime takes only bytes. So it is
 * given a marker as `wasmBinary`, which makes it use its embedded glue and call `WebAssembly.instantiate(marker, imports)`
 * once; that one call is answered with the module that wrangler compiled at build time.
 */

import { InferenceSession, Tensor, env } from 'onnxruntime-web/wasm';
import compiledRuntime from 'onnxruntime-web/ort-wasm-simd-threaded.wasm';
import type { SparseVector } from '../../base/hashed-ngrams.ts';
import { InternalError } from '../../base/errors.ts';

export interface OnnxModel {
  /** Probabilities [labels]. */
  run(features: SparseVector): Promise<Float32Array>;
}

export async function loadOnnxModel(bytes: ArrayBuffer): Promise<OnnxModel> {
  const session = await createSession(new Uint8Array(bytes));
  return {
    async run({ buckets, values }) {
      const outputs = await session.run({
        buckets: new Tensor('int32', buckets, [buckets.length]),
        values: new Tensor('float32', values, [values.length]),
      });
      const data = outputs['probabilities']?.data;
      if (!(data instanceof Float32Array)) {
        throw new InternalError('bad_router_model', 'The router model answers no float probabilities.');
      }
      return data;
    },
  };
}

async function createSession(bytes: Uint8Array): Promise<InferenceSession> {
  const marker = new Uint8Array(8);
  env.wasm.numThreads = 1;
  env.wasm.wasmBinary = marker;
  const original = WebAssembly.instantiate;
  const patched = async (source: unknown, imports?: WebAssembly.Imports): Promise<unknown> => {
    if (!isMarker(source, marker)) return Reflect.apply(original, WebAssembly, [source, imports]);
    WebAssembly.instantiate = original;
    // The bytes form answers {module, instance}, the module form only the instance.
    const instance = await WebAssembly.instantiate(compiledRuntime, imports);
    return { module: compiledRuntime, instance };
  };
  Reflect.set(WebAssembly, 'instantiate', patched);
  try {
    return await InferenceSession.create(bytes, {
      executionProviders: ['wasm'],
      graphOptimizationLevel: 'basic',
    });
  } finally {
    WebAssembly.instantiate = original;
  }
}

/** onnxruntime may hand on the marker, its buffer, or a view of it. */
function isMarker(source: unknown, marker: Uint8Array): boolean {
  if (source === marker || source === marker.buffer) return true;
  return ArrayBuffer.isView(source) && source.byteLength === marker.byteLength;
}
