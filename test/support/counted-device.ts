/** A device that counts what is submitted to it and read from it. */
import type { Device } from '../../src/tensor/device.ts';

export interface CountedDevice extends Device {
  /** Names of the kernels submitted since the last call. */
  takeKernels(): string[];
  /** Bytes of each read since the last call. */
  takeReads(): number[];
}

export function countDispatches(device: Device): CountedDevice {
  let kernels: string[] = [];
  let reads: number[] = [];
  return {
    kind: device.kind,
    description: device.description,
    offsetAlignment: device.offsetAlignment,
    allocate: (byteLength, label) => device.allocate(byteLength, label),
    free: (buffer) => device.free(buffer),
    write: (buffer, byteOffset, data) => device.write(buffer, byteOffset, data),
    read(buffer, byteOffset, byteLength) {
      reads.push(byteLength);
      return device.read(buffer, byteOffset, byteLength);
    },
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
    takeReads() {
      const taken = reads;
      reads = [];
      return taken;
    },
  };
}
