/** What the GPU device does when a GPU fails: on SwiftShader, with real losses and refusals of the driver. */
import { beforeAll, describe, expect, test } from 'vitest';
import { gpuFaults } from '../support/gpu-fault-titles.ts';
import { checksOnSwiftshader, hasSwiftshader, type Check } from '../support/swiftshader.ts';

describe.runIf(hasSwiftshader)('on SwiftShader', () => {
  let checks: readonly Check[] = [];

  beforeAll(async () => {
    checks = await checksOnSwiftshader('gpu-faults.ts');
  });

  test.each(Object.values(gpuFaults))('%s', (title) => {
    expect(checks).toContainEqual({ check: title, failure: null });
  });
});
