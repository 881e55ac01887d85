import { describe, expect, it } from 'vitest';
import { openDevice } from '../../src/cli/devices.ts';

describe('openDevice', () => {
  it.each(['wasm', 'reference'] as const)('opens %s on any machine', async (name) => {
    const device = await openDevice(name, 1);
    expect(device.kind).toBe(name);
    await device.dispose();
  });
});
