import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { sha256Hex } from '../../../src/base/sha256.ts';
import { loadRouterModel } from '../../../src/base/router/model.ts';
import { routerConfigSchema } from '../../../src/train/router/config.ts';

const shipped = (name: string): Promise<Buffer> =>
  readFile(new URL(`../../../weights/router/${name}`, import.meta.url));
const json = async (name: string) => JSON.parse((await shipped(name)).toString('utf8'));

describe('weights/router', () => {
  it('holds the model that its manifest names, of at most 4 MB', async () => {
    const [model, manifest] = await Promise.all([shipped('router.onnx'), json('manifest.json')]);
    expect(await sha256Hex(model)).toBe(manifest.sha256);
    expect(model.length).toBe(manifest.bytes);
    expect(model.length).toBeLessThan(4_000_000);
    expect(loadRouterModel(model).metadata.labels).toEqual(manifest.labels);
  });

  it('was made from the config beside it', async () => {
    const [config, manifest] = await Promise.all([json('config.json'), json('manifest.json')]);
    expect(routerConfigSchema.parse(config)).toEqual(manifest.config);
    expect(await sha256Hex(await shipped('config.json'))).toBe(manifest.configSha256);
    const { metadata } = loadRouterModel(await shipped('router.onnx'));
    expect(metadata.context).toEqual(config.context);
    expect(metadata.ngrams).toEqual({ buckets: 2 ** config.bucketBits, orderWeights: config.orderWeights });
  });

  it('is no worse than the baseline on gold rows by the paired test', async () => {
    const { gold } = (await json('manifest.json')).metrics.mcnemar;
    expect(gold.onlyFirstRight >= gold.onlySecondRight || gold.p > 0.05).toBe(true);
  });
});
