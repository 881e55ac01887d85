import { describe, expect, test } from 'vitest';
import { createRandom } from '../../src/base/random.ts';
import { checkpointShapes } from '../../src/model/checkpoint.ts';
import { expertShapes } from '../../src/model/parameters.ts';
import { createReferenceDevice } from '../../src/tensor/reference/reference-device.ts';
import { initialBaseTensor, initialExpertTensor } from '../../src/train/initialise.ts';
import { expertTrainer, fillArena, randomBatch, smallModel, withShards } from '../support/tiny-trainer.ts';
import { tinyConfig } from '../support/tiny-model.ts';

const deviation = (values: Float32Array): number =>
  Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);

const draw = (seed: number): Float32Array =>
  initialBaseTensor('m.q_proj.weight', [8, 8], tinyConfig, createRandom(seed));

describe('initial weights', () => {
  test('of a base: norms 1, matrices of deviation 0.02, smaller where they write into the residual stream', () => {
    const random = createRandom(1);
    for (const [name, shape] of checkpointShapes(tinyConfig)) {
      const values = initialBaseTensor(name, shape, tinyConfig, random);
      if (shape.length === 1) {
        expect(values, name).toEqual(new Float32Array(shape[0]!).fill(1));
        continue;
      }
      const expected = /o_proj|down_proj/.test(name) ? 0.02 / Math.sqrt(2 * tinyConfig.layers) : 0.02;
      expect(deviation(values) / expected, name).toBeGreaterThan(0.93);
      expect(deviation(values) / expected, name).toBeLessThan(1.07);
    }
  });

  test('of experts change nothing at all: the base speaks until they are trained', async () => {
    const device = createReferenceDevice();
    const model = await smallModel();
    const trainer = await expertTrainer(device, model);
    const random = createRandom(2);
    const fresh = new Map(
      [...expertShapes(model.config, 12, 3)].map(
        ([name, shape]) => [name, initialExpertTensor(name, shape, random)] as const,
      ),
    );
    await fillArena(device, trainer.network.trained, fresh);
    const score = (shards: readonly number[]): Promise<Float32Array> => {
      const active = { shards, priors: shards.map(() => 1 / shards.length) };
      return trainer.score(withShards(randomBatch(1), [active, active, active]));
    };
    expect(await score([0, 1])).toEqual(await score([]));
    const bound = 1 / Math.sqrt(model.config.hiddenSize);
    const a = fresh.get('layers.0.gate_proj.lora_A')!;
    expect(Math.max(...a.map(Math.abs))).toBeLessThanOrEqual(bound);
    expect(deviation(a)).toBeGreaterThan(0.4 * bound);
    expect(deviation(fresh.get('layers.1.router.weight')!)).toBeGreaterThan(0.015);
  });

  test('are a function of the seed', () => {
    expect(draw(3)).toEqual(draw(3));
    expect(draw(3)).not.toEqual(draw(4));
  });
});
