/** WebGPU in a browser, in a page or a Worker: the browser's own implementation, shaders that the page fetched. */
import { InternalError } from '../../base/errors.ts';
import { createWebgpuDevice, type WebgpuDevice } from './webgpu-device.ts';

export interface BrowserWebgpuOptions {
  /** Texts of the files in `kernels/`, by their paths there. */
  readonly shaders: Readonly<Record<string, string>>;
  readonly allowFallbackAdapter?: boolean;
}

/** Throws `InternalError('no_gpu')` where there is none, or where the page is not served over HTTPS. */
export async function createBrowserWebgpuDevice(options: BrowserWebgpuOptions): Promise<WebgpuDevice> {
  const { shaders, ...rest } = options;
  if (!('gpu' in navigator)) throw new InternalError('no_gpu', 'this browser has no WebGPU');
  const loadShader = async (path: string): Promise<string> => {
    const text = shaders[path];
    if (text === undefined) throw new InternalError('no_kernel', `the page has no shader ${path}`);
    return text;
  };
  return createWebgpuDevice({ gpu: navigator.gpu, loadShader, ...rest });
}
