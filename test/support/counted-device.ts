/** A device that counts what is submitted to it. */
import type { Device } from '../../src/tensor/device.ts';

export interface CountedDevice extends Device {
  /** Names of the kernels submitted since the last call. */
  takeKernels(): string[];
}

export function countDispatches(device: Device): CountedDevice {
  let kernels: string[] = [];
  return {
    kind: device.kind,
    description: device.description,
    offsetAlignment: device.offsetAlignment,
    allocate: (byteLength, label) => device.allocate(byteLength, label),
    free: (buffer) => device.free(buffer),
    write: (buffer, byteOffset, data) => device.write(buffer, byteOffset, data),
    read: (buffer, byteOffset, byteLength) => device.read(buffer, byteOffset, byteLength),
    submit(dispatches) {
      kernels.push(...dispatches.map(({ kernel }) => kernel.name));
      return device.submit(dispatches);
    },
    memory: () => device.memory(),
    dispose: () => device.dispose(),
    takeKernels() {
      const taken = kernels;
      kernels = [];
      return taken;
    },
  };
}
