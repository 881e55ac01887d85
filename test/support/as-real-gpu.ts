/** Preloaded into a process (`node --import`): a GPU in software passes for a real one there, so that `auto` takes it. */
import { globals } from 'webgpu';

Object.assign(globalThis, globals);
Object.defineProperty(GPUAdapterInfo.prototype, 'isFallbackAdapter', { value: false });
