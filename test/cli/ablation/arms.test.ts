/** What the arms are: valid runs, comparable with each other; and the settings that a search tries. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ARMS, PROFILES, armConfig } from '../../../src/cli/ablation/arms.ts';
import type { Profile } from '../../../src/cli/ablation/arms.ts';
import { SEARCH_SEED, settingConfig } from '../../../src/cli/ablation/search.ts';
import { createWasmDevice } from '../../../src/tensor/wasm/node.ts';
import { Trainer } from '../../../src/train/trainer.ts';
import type { Batch } from '../../../src/train/trainer.ts';
import { TuneBatches } from '../../../src/train/tune-batches.ts';
import { tuneRunSchema } from '../../../src/train/tune-config.ts';
import type { TuneRunConfig } from '../../../src/train/tune-config.ts';
import { loadTuneData } from '../../../src/train/tune-data.ts';
import { trainerOptions } from '../../../src/train/tune-run.ts';
import { byteTokenizer } from '../../support/byte-tokenizer.ts';
import { tinyConfig } from '../../support/tiny-model.ts';
import { SPECIALTIES, writeTuneData } from '../../support/tiny-tuning.ts';

const small: Profile = { ...PROFILES.quick, rows: 2, rowLength: 48, specialties: SPECIALTIES };

function configOf(name: string, profile = small, seed = 1): TuneRunConfig {
  return armConfig(
    ARMS.find((arm) => arm.name === name)!,
    profile,
    seed,
  )!;
}
const trained = ARMS.filter(({ method }) => method !== null).map(({ name }) => name);

const directory = mkdtempSync(join(tmpdir(), 'ablation-arms-'));
afterAll(() => rmSync(directory, { recursive: true }));

async function batches(name: string, seed: number): Promise<Batch[]> {
  const config = configOf(name, small, seed);
  const data = await loadTuneData({
    config,
    tokenizer: byteTokenizer().tokenizer,
    tokenizerFiles: { tokenizer: 'bytes', tokenizerConfig: '' },
    dataDirectory: join(directory, 'data'),
    folder: join(directory, 'run'),
  });
  const made = new TuneBatches(config, data);
  return Array.from({ length: config.optimiser.steps }, (_, step) => made.at(step));
}

async function rowsOf(name: string, seed: number) {
  return (await batches(name, seed)).map(({ tokens, targets, positions, starts, specialties }) => ({
    tokens,
    targets,
    positions,
    starts,
    specialties,
  }));
}

async function anchorsOf(name: string): Promise<Uint32Array[]> {
  return (await batches(name, 1)).map(({ anchors }) => anchors!);
}

async function noiseOf(name: string): Promise<(number | undefined)[]> {
  return (await batches(name, 1)).map(({ noise }) => noise);
}

function searchConfig(setting: string, arm = 'sparsedoctor'): TuneRunConfig {
  return settingConfig(arm, small, { steps: 24, seed: SEARCH_SEED }, setting);
}

describe('arms', () => {
  test.each(Object.values(PROFILES))(
    'of profile $name are runs that can be started, the base is none',
    (profile) => {
      for (const arm of ARMS) {
        const config = armConfig(arm, profile, profile.seeds[0]!);
        if (arm.method === null) expect(config).toBeNull();
        else expect(tuneRunSchema.parse(config)).toEqual(config);
      }
      expect(new Set(profile.seeds).size).toBe(profile.seeds.length);
    },
  );

  test('of one full ablation have three seeds at least', () => {
    expect(PROFILES.full.seeds.length).toBeGreaterThanOrEqual(3);
  });

  test('with adapters train as many parameters, within 2 %', async () => {
    // Sizes of the shipped base, with few words and layers, which adapters do not depend on.
    const model = {
      ...tinyConfig,
      hiddenSize: 256,
      intermediateSize: 768,
      layers: 1,
      heads: 4,
      headSize: 64,
    };
    const counts = new Map<string, number>();
    for (const name of trained.filter((arm) => arm !== 'full')) {
      const device = await createWasmDevice({ threads: 1, bankBytes: 128 << 20 });
      counts.set(name, new Trainer(device, trainerOptions(configOf(name), model)).parameters.trained);
      await device.dispose();
    }
    expect([...counts.keys()]).toEqual(['lora', 'lora-moe', 'contrast-batch', 'sparsedoctor']);
    const mixture = counts.get('lora-moe')!;
    expect(mixture).toBeGreaterThan(0);
    expect(Math.abs(counts.get('lora')! / mixture - 1)).toBeLessThan(0.02);
    // Projectors are not part of the model.
    expect(counts.get('contrast-batch')).toBe(mixture);
    expect(counts.get('sparsedoctor')).toBe(mixture);
  });

  describe('of one seed', () => {
    beforeAll(() => writeTuneData(join(directory, 'data')));

    test('see the same rows in the same order, other seeds others', async () => {
      const first = await rowsOf('full', 1);
      expect(first).toHaveLength(small.steps);
      for (const name of trained.slice(1)) expect(await rowsOf(name, 1)).toEqual(first);
      expect(await rowsOf('full', 2)).not.toEqual(first);
    });

    test('would have the same jitter, with contrast or without', async () => {
      const noise = await noiseOf('lora-moe');
      expect(new Set(noise).size).toBe(small.steps);
      expect(await noiseOf('sparsedoctor')).toEqual(noise);
    });

    test('draw the same anchors in batch and with the queue', async () => {
      const queue = await anchorsOf('sparsedoctor');
      expect(await anchorsOf('contrast-batch')).toEqual(queue);
      // Two rows have fewer tokens to learn than there may be anchors: the first place is taken all the same.
      for (const anchors of queue) expect(anchors[0]).toBeLessThan(small.rows * small.rowLength);
    });
  });
});

describe('a setting of a search', () => {
  test('changes what it names and nothing else', () => {
    const as = searchConfig('as it is');
    expect(as.optimiser.steps).toBe(24);
    // Nothing is chosen on rows in the order of the ablation's own seeds.
    expect(PROFILES.full.seeds).not.toContain(as.seed);
    const { method } = as;
    expect(searchConfig('optimiser.peakLearningRate=5e-4')).toEqual({
      ...as,
      optimiser: { ...as.optimiser, peakLearningRate: 0.0005 },
    });
    expect(searchConfig('method.contrast.temperature=0.07,method.contrast.variant=batch')).toEqual({
      ...as,
      method: {
        ...method,
        contrast: {
          ...(method.kind === 'experts' ? method.contrast : {}),
          temperature: 0.07,
          variant: 'batch',
        },
      },
    });
    expect(searchConfig('method.adapted=[q_proj,v_proj],method.rank=27')).toEqual({
      ...as,
      method: { ...method, adapted: ['q_proj', 'v_proj'], rank: 27 },
    });
    expect(searchConfig('method.adapted=[down_proj]')).toMatchObject({ method: { adapted: ['down_proj'] } });
    expect(searchConfig('as it is')).toEqual(as);
  });

  test.each([
    ['optimiser.learningRate=1', /learningRate/],
    ['method.contrast.temperature=hot', /method\.contrast\.temperature/],
    ['method.contrast.temperature=1.2.3', /method\.contrast\.temperature/],
    ['method.contrast.temperature=-1', /method\.contrast\.temperature/],
    ['method.contrast.variant=best', /method\.contrast\.variant/],
    ['method.topK=9', /topK/],
    ['method.adapted=[q_proj,lm_head]', /adapted/],
    ['method.adapted=[]', /adapted/],
    ['method.adapted=[up_proj,up_proj]', /must differ/],
    ['method.adapted=up_proj', /adapted/],
    ['optimiser.peakLearningRate', /path=value/],
    ['optimiser.schedule.kind=cosine', /path=value/],
    ['__proto__.polluted=1', /path=value/],
    ['=1', /cannot be used/],
    ['', /path=value/],
  ])('is refused, and says why: %s', (setting, message) => {
    expect(() => searchConfig(setting)).toThrow(message);
    expect(() => searchConfig(setting)).toThrow(expect.objectContaining({ code: 'bad_setting' }));
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
  });

  test('of contrast is none for an arm without', () => {
    expect(() => searchConfig('method.contrast.weight=1', 'lora')).toThrow(/path=value/);
  });

  test.each(['base', 'lorra'])('needs an arm that is trained, which %s is not', (arm) => {
    expect(() => searchConfig('as it is', arm)).toThrow(/full, lora, lora-moe, contrast-batch, sparsedoctor/);
  });
});
