import { afterEach, describe, expect, it, vi } from 'vitest';
import { CallerError } from '../../src/base/errors.ts';
import type { Logger } from '../../src/base/logger.ts';
import { chooseDevice, openDevice, openOnDevice, type DeviceName } from '../../src/cli/devices.ts';
import type { GpuFinding } from '../../src/cli/find-gpu.ts';
import type { Device } from '../../src/tensor/device.ts';

/** As a search would find it; no such GPU is here. */
const realGpu = {
  adapter: {
    vendor: 'acme',
    architecture: 'anvil',
    description: 'Anvil 9',
    software: false,
    features: ['subgroups'],
    limits: {
      maxBufferSize: 2 ** 32,
      maxStorageBufferBindingSize: 2 ** 31,
      maxStorageBuffersPerShaderStage: 16,
      maxComputeWorkgroupStorageSize: 2 ** 15,
      maxComputeInvocationsPerWorkgroup: 1024,
    },
    subgroupSizes: [32, 32],
  },
} satisfies GpuFinding;
const noGpu: GpuFinding = { adapter: null, problem: 'no GPU was found' };

afterEach(() => vi.unstubAllEnvs());

describe('openDevice', () => {
  it.each(['wasm', 'reference'] as const)('opens %s on any machine', async (name) => {
    const device = await openDevice(name, 1);
    expect(device.kind).toBe(name);
    await device.dispose();
  });
});

describe('auto', () => {
  it('takes a GPU, and says which', () => {
    expect(chooseDevice(realGpu)).toEqual({
      name: 'webgpu',
      reason: 'this machine has a GPU, acme anvil Anvil 9',
    });
  });

  it('takes wasm where there is none, or only one in software', () => {
    expect(chooseDevice(noGpu)).toEqual({ name: 'wasm', reason: 'no GPU was found' });
    const inSoftware = { adapter: { ...realGpu.adapter, software: true } };
    expect(chooseDevice(inSoftware)).toMatchObject({
      name: 'wasm',
      reason: expect.stringContaining('software'),
    });
  });

  it('logs what it took, once, with the reason', async () => {
    const { opened, log } = await open('auto', noGpu, async (device) => device.kind);
    expect(opened).toBe('wasm');
    expect(log).toEqual([expect.stringMatching(/^info device chosen .*no GPU was found/)]);
  });

  it('computes on the CPU, with a warning, where the GPU that was found cannot be opened', async () => {
    vi.stubEnv('VK_DRIVER_FILES', '/nowhere.json');
    const { opened, log } = await open('auto', realGpu, async (device) => device.kind);
    expect(opened).toBe('wasm');
    expect(log).toEqual([
      expect.stringMatching(/^warn the GPU cannot be used/),
      expect.stringMatching(/^info device chosen/),
    ]);
  });
});

describe('a device by name', () => {
  it('is never replaced by another', async () => {
    await expect(open('wasm', realGpu, refuse)).rejects.toMatchObject({ code: 'gpu_refused' });
  });

  it('is closed when it cannot be made ready', async () => {
    let kept: Device | undefined;
    const prepare = async (device: Device): Promise<never> => {
      kept = device;
      throw new Error('not ready');
    };
    await expect(open('wasm', realGpu, prepare)).rejects.toThrow('not ready');
    expect(() => kept!.allocate(16, 'after the end')).toThrow();
  });
});

async function refuse(): Promise<never> {
  throw new CallerError('gpu_refused', 'it does not work');
}

async function open<Ready>(
  name: DeviceName,
  finding: GpuFinding,
  prepare: (device: Device) => Promise<Ready>,
): Promise<{ opened: Ready; log: string[] }> {
  const log: string[] = [];
  const write =
    (level: string): Logger['info'] =>
    (fields, message) =>
      void log.push(`${level} ${message} ${JSON.stringify(fields)}`);
  const logger = { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
  const request = { name, threads: 1, findGpu: () => Promise.resolve(finding), logger };
  const opened = await openOnDevice(request, async (device) => {
    const ready = await prepare(device);
    await device.dispose();
    return ready;
  });
  return { opened, log };
}
