/** What computes in this browser, in the page's words. */
import type { Strings } from '../strings.ts';
import type { ReadyState } from './messages.ts';

export function deviceName({ device, description }: ReadyState, strings: Strings): string {
  const threads = /(\d+) threads?$/.exec(description)?.[1];
  if (device === 'wasm') return strings.deviceWasm(Number(threads ?? 1));
  return strings.deviceGpu(description.replace(/^WebGPU,? */, ''));
}
