/** A model whose weights and experts are kept in less memory computes with what that memory holds, and nothing else changes. */
import { afterAll, describe, expect, test } from 'vitest';
import { decodeTensor } from '../../kernels/formats-decode.ts';
import { encodeTensor } from '../../kernels/formats-encode.ts';
import type { CompactFormat } from '../../kernels/kernel.ts';
import { memoryFiles } from '../../src/model/byte-source.ts';
import { encodeCheckpoint, openCheckpoint, type Checkpoint } from '../../src/model/checkpoint.ts';
import type { Route } from '../../src/model/runner.ts';
import { Transformer, type TransformerOptions } from '../../src/model/transformer.ts';
import type { Device } from '../../src/tensor/device.ts';
import { createReferenceDevice } from '../../src/tensor/reference/reference-device.ts';
import { createWasmDevice } from '../../src/tensor/wasm/node.ts';
import { runModel } from '../support/run-model.ts';
import { tinyModel, tinyShard, tinyTokens, type TinyModel } from '../support/tiny-model.ts';

const formats: readonly CompactFormat[] = ['f16', 'q8', 'q4'];
const tiny = await tinyModel({ layers: 2 });
const untied = await tinyModel({ layers: 1, tiedHead: false });
const devices: readonly (readonly [string, Device])[] = [
  ['wasm simd', await createWasmDevice({ threads: 2, variant: 'simd' })],
  ['wasm relaxed', await createWasmDevice({ threads: 2, variant: 'relaxed' })],
  ['reference', createReferenceDevice()],
];

afterAll(async () => {
  for (const [, device] of devices) await device.dispose();
});

/** The checkpoint whose matrices are what a format makes of them. */
async function rounded({ config, tensors }: TinyModel, format: CompactFormat): Promise<Checkpoint> {
  const values = new Map<string, Float32Array>();
  for (const [name, tensor] of tensors) {
    const decoded = tensor.slice();
    if (!name.endsWith('norm.weight')) decodeTensor(format, encodeTensor(format, tensor), decoded);
    values.set(name, decoded);
  }
  return openCheckpoint(memoryFiles(encodeCheckpoint(config, values, 'F32')));
}

async function logits(
  device: Device,
  model: TinyModel,
  checkpoint: Checkpoint,
  options: Partial<TransformerOptions>,
): Promise<Float32Array[][]> {
  const sizes = {
    maxBatchTokens: 48,
    pageSize: 8,
    pages: 16,
    experts: { slots: 8, rank: 8 },
    maxLogitRows: 16,
  };
  const transformer = await Transformer.load(device, checkpoint, {
    ...sizes,
    maxExpertsPerRoute: 8,
    maxRoutes: 4,
    ...options,
  });
  const shard = await transformer.experts.load(await tinyShard(model, { rank: 8, type: 'F16' }));
  const route: Route = { shards: [{ shard, prior: 1 }] };
  const sequences = [{ tokens: tinyTokens(model, 17, 5) }, { tokens: tinyTokens(model, 9, 6), route }];
  return runModel(transformer, sequences, 5);
}

describe.each(devices)('%s', (_, device) => {
  test.each(formats)(
    '%s weights give the logits of the weights that they hold, bit for bit',
    async (format) => {
      for (const model of device.kind === 'reference' ? [untied] : [tiny, untied]) {
        const expected = await logits(device, model, await rounded(model, format), {});
        const actual = await logits(device, model, model.checkpoint, { weightFormat: format });
        expect(actual).toEqual(expected);
        expect(actual).not.toEqual(await logits(device, model, model.checkpoint, {}));
      }
    },
  );
});

test('f16 experts from an F16 shard are the same experts', async () => {
  const [, device] = devices.at(-1)!;
  const expected = await logits(device, untied, untied.checkpoint, {});
  expect(await logits(device, untied, untied.checkpoint, { expertFormat: 'f16' })).toEqual(expected);
});

test('a shard counts as many bytes as it takes', async () => {
  const [, device] = devices.at(-1)!;
  const bytesIn = async (expertFormat: 'f32' | 'f16'): Promise<number> => {
    const options = { pages: 4, maxBatchTokens: 16, experts: { slots: 4, rank: 8 }, maxExpertsPerRoute: 4 };
    const model = await Transformer.load(device, untied.checkpoint, { ...options, expertFormat });
    return (await model.experts.load(await tinyShard(untied, { rank: 8 }))).bytes;
  };
  const { hiddenSize: C, intermediateSize: F } = untied.config;
  const values = 4 * 3 * 8 * (C + F);
  const router = 4 * C * 4;
  expect([await bytesIn('f32'), await bytesIn('f16')]).toEqual([values * 4 + router, values * 2 + router]);
});

describe('refuses, before anything is loaded,', () => {
  const odd = tinyModel({ hiddenSize: 40, intermediateSize: 84, layers: 1 });
  const load = async (options: Partial<TransformerOptions>, kind: 'wasm' | 'reference' = 'reference') => {
    const device = devices.find(([, one]) => one.kind === kind)![1];
    const before = device.memory().allocatedBytes;
    const loading = Transformer.load(device, (await odd).checkpoint, options);
    const error: unknown = await loading.then(
      () => null,
      (cause: unknown) => cause,
    );
    expect(device.memory().allocatedBytes).toBe(before);
    expect(error).toMatchObject({ code: 'unsupported_format' });
    return String(error);
  };

  test('rows that blocks do not fill', async () => {
    expect(await load({ weightFormat: 'q8' })).toMatch(
      /tensor model\.embed_tokens\.weight have 40 values, and q8 needs a multiple of 32: use f16 or f32 weights/,
    );
    expect(await load({ weightFormat: 'f16' })).toMatch(
      /model\.layers\.0\.mlp\.down_proj\.weight have 84 values, and f16 needs a multiple of 8: use f32 weights/,
    );
    const ranks = { expertFormat: 'f16', experts: { slots: 4, rank: 4 } } as const;
    expect(await load({ ...ranks })).toMatch(
      /of experts have (?:84|4) values, and f16 needs a multiple of 8/,
    );
  });

  test('experts and cache in f16 on the CPU', async () => {
    expect(await load({ expertFormat: 'f16' }, 'wasm')).toMatch(/Experts are f32 on the CPU/);
    expect(await load({ kvFormat: 'f16' }, 'wasm')).toMatch(/Keys and values are f32 on the CPU/);
  });
});

test('a weight that no format holds is refused by name', async () => {
  const tensors = new Map(untied.tensors);
  const name = 'model.layers.0.mlp.up_proj.weight';
  tensors.set(name, tensors.get(name)!.slice().fill(NaN, 70, 71));
  const checkpoint = await openCheckpoint(memoryFiles(encodeCheckpoint(untied.config, tensors, 'F32')));
  await expect(
    Transformer.load(createReferenceDevice(), checkpoint, { weightFormat: 'q8', pages: 4 }),
  ).rejects.toMatchObject({
    code: 'weights_out_of_range',
    message: `Tensor ${name} does not fit the format of weights: q8 cannot hold the value NaN. Use f32 weights.`,
    param: name,
  });
});

test('an expert that f16 cannot hold is refused by the name of its shard, and its slots are free again', async () => {
  const options = {
    pages: 4,
    experts: { slots: 4, rank: 8 },
    maxExpertsPerRoute: 4,
    expertFormat: 'f16',
  } as const;
  const model = await Transformer.load(createReferenceDevice(), untied.checkpoint, options);
  const shard = await tinyShard(untied, { rank: 8 });
  shard.layers[0]!.linears.down_proj!.B[3] = 70_000;
  await expect(model.experts.load(shard)).rejects.toMatchObject({
    code: 'shard_out_of_range',
    message:
      "Shard cardiovascular@1.0.0 does not fit this host's experts: f16 cannot hold the value 70000. Use f32 experts.",
  });
  expect(model.experts.freeSlots).toBe(4);
});
