/**
 * The `wasm` device in a browser: kernels from bytes that the page fetched, threads from Workers where the page is
 * cross-origin isolated, else one thread, the caller's. Open it in a Worker: a page must not wait.
 */
import { InternalError } from '../../base/errors.ts';
import { WasmDevice } from './wasm-device.ts';
import type { SpawnThread } from './team.ts';

export interface BrowserWasmOptions {
  /** Contents of build/kernels/relaxed.wasm and simd.wasm. */
  readonly builds: Readonly<Record<'relaxed' | 'simd', Uint8Array<ArrayBuffer>>>;
  /** Address of the bundled browser-thread.ts. */
  readonly threadScript: string;
}

const LARGEST_BANK = 2 ** 30;
const SMALLEST_BANK = 2 ** 26;
const WASM_PAGE = 65536;
/** Small models gain little beyond, and the meeting of threads between commands costs more. */
const MAX_THREADS = 8;

/** Throws `InternalError('no_wasm')` where the browser lacks SIMD or memory that can be shared. */
export async function createBrowserWasmDevice(options: BrowserWasmOptions): Promise<WasmDevice> {
  const { builds, threadScript } = options;
  const variant = WebAssembly.validate(builds.relaxed) ? 'relaxed' : 'simd';
  if (!WebAssembly.validate(builds[variant])) {
    throw new InternalError('no_wasm', 'this browser does not run WebAssembly with SIMD and threads');
  }
  return new WasmDevice({
    module: await WebAssembly.compile(builds[variant]),
    variant,
    spawn: globalThis.crossOriginIsolated ? spawnFrom(threadScript) : null,
    // Half of what the browser counts: it counts hyperthreads, and the page itself needs a core.
    threads: Math.min(MAX_THREADS, Math.ceil(navigator.hardwareConcurrency / 2)),
    bankBytes: largestBank(),
  });
}

function spawnFrom(script: string): SpawnThread {
  return (start) => {
    const worker = new Worker(script, { type: 'module', name: 'sparsedoctor-thread' });
    const failed = new Promise<never>((_, reject) => {
      worker.addEventListener('error', (event) => {
        event.preventDefault();
        reject(new InternalError('thread_failed', `a compute thread ended: ${event.message}`));
      });
    });
    worker.postMessage(start, []);
    return { failed, terminate: async () => worker.terminate() };
  };
}

/** A memory reserves its largest size at once, and phones refuse what desktops give. */
function largestBank(): number {
  for (let bytes = LARGEST_BANK; bytes >= SMALLEST_BANK; bytes /= 2) {
    try {
      void new WebAssembly.Memory({ initial: 1, maximum: bytes / WASM_PAGE, shared: true });
      return bytes;
    } catch {
      // Half of it, then.
    }
  }
  throw new InternalError('out_of_memory', 'this browser reserves no memory for the model');
}
