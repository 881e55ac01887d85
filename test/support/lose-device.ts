/**
 * Preloaded into a process (`node --import`), or imported before a device is opened: on SIGUSR2 the GPU devices are
 * destroyed, which WebGPU tells like any other loss. Who uses them knows nothing of it.
 */
import { globals } from 'webgpu';

Object.assign(globalThis, globals);
const devices: GPUDevice[] = [];
const requestDevice = Reflect.get(GPUAdapter.prototype, 'requestDevice');

GPUAdapter.prototype.requestDevice = async function requestAndKeep(this: GPUAdapter, descriptor) {
  const device = await requestDevice.call(this, descriptor);
  devices.push(device);
  return device;
};

export function loseDevices(): void {
  for (const device of devices.splice(0)) device.destroy();
}

process.on('SIGUSR2', loseDevices);
