/** The product's WebGPU device, watched from above (what is submitted, written, read) and from below (what the GPU does). */
import type { Device, Dispatch } from '../../../src/tensor/device.ts';
import { createWebgpuDevice } from '../../../src/tensor/webgpu/webgpu-device.ts';
import { loadShader } from './open.ts';
import { GpuProbe } from './probe.ts';

/** What went through a device since the last `take`. */
export interface Traffic {
  readonly dispatches: readonly Dispatch[];
  readonly writtenBytes: number;
  readonly readBytes: number;
}

export interface WatchedGpu {
  readonly device: Device;
  readonly probe: GpuProbe;
  readonly take: () => Traffic;
}

/** Bytes written at once: a driver need not have staging memory for an embedding of gigabytes. */
const PIECE = 64 << 20;

/** The product's own device on a GPU, at most `memoryBytes` of it. */
export async function openWatched(gpu: GPU, memoryBytes: number): Promise<WatchedGpu> {
  const probe = new GpuProbe();
  const options = { gpu: probe.watch(gpu), loadShader, allowFallbackAdapter: true, memoryBytes };
  const device = await createWebgpuDevice(options);
  return { device, probe, take: watchTraffic(device) };
}

/** Replaces methods of the device; returns what takes the traffic since its last call. */
export function watchTraffic(device: Device): () => Traffic {
  let dispatches: Dispatch[] = [];
  let [writtenBytes, readBytes] = [0, 0];
  const submit = device.submit.bind(device);
  const write = device.write.bind(device);
  const read = device.read.bind(device);
  device.submit = (submitted) => {
    dispatches.push(...submitted);
    return submit(submitted);
  };
  device.write = async (buffer, byteOffset, data) => {
    writtenBytes += data.byteLength;
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    for (let at = 0; at < bytes.length; at += PIECE) {
      await write(buffer, byteOffset + at, bytes.subarray(at, at + PIECE));
    }
  };
  device.read = (buffer, byteOffset, byteLength) => {
    readBytes += byteLength;
    return read(buffer, byteOffset, byteLength);
  };
  return () => {
    const traffic = { dispatches, writtenBytes, readBytes };
    dispatches = [];
    writtenBytes = readBytes = 0;
    return traffic;
  };
}
