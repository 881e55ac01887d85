import { beforeAll, describe, expect, test } from 'vitest';
import { memoryFiles } from '../../src/model/byte-source.ts';
import { checkpointShapes, openCheckpoint } from '../../src/model/checkpoint.ts';
import { modelConfigJson, type ModelConfig } from '../../src/model/config.ts';
import { fingerprint } from '../../src/model/fingerprint.ts';
import { writeSafetensors, type FloatType, type TensorToWrite } from '../../src/model/safetensors.ts';
import { tinyConfig, tinyModel, type TinyModel } from '../support/tiny-model.ts';

type FloatTensor = Extract<TensorToWrite, { type: FloatType }>;

let model: TinyModel;
beforeAll(async () => {
  model = await tinyModel();
});

function tensorsOf({ config, tensors }: TinyModel): FloatTensor[] {
  return [...checkpointShapes(config)].map(([name, shape]) => {
    return { name, type: 'F32', shape, values: tensors.get(name)! };
  });
}

function directory(tensors: FloatTensor[], config: ModelConfig = tinyConfig) {
  return memoryFiles({
    'config.json': modelConfigJson(config),
    'model.safetensors': writeSafetensors(tensors),
  });
}

const fileOf = (i: number) => `model-0000${(i % 3) + 1}-of-00003.safetensors`;

/** The same tensors in three files and an index. */
function sharded(tensors: FloatTensor[]): Record<string, Uint8Array | string> {
  const files: Record<string, Uint8Array | string> = { 'config.json': modelConfigJson(tinyConfig) };
  for (const part of [0, 1, 2])
    files[fileOf(part)] = writeSafetensors(tensors.filter((_, i) => i % 3 === part));
  const weightMap = Object.fromEntries(tensors.map(({ name }, i) => [name, fileOf(i)]));
  files['model.safetensors.index.json'] = JSON.stringify({
    metadata: { total_size: 1 },
    weight_map: weightMap,
  });
  return files;
}

describe('openCheckpoint', () => {
  test('gives config and tensors of a single file', async () => {
    const checkpoint = await openCheckpoint(directory(tensorsOf(model)));
    expect(checkpoint.config).toEqual(tinyConfig);
    expect(checkpoint.names).toHaveLength(3 * 11 + 2);
    const name = 'model.layers.2.mlp.down_proj.weight';
    expect(await checkpoint.tensor(name)).toEqual(model.tensors.get(name));
  });

  test('gives the same tensors of sharded files', async () => {
    const checkpoint = await openCheckpoint(memoryFiles(sharded(tensorsOf(model))));
    for (const name of checkpoint.names)
      expect(await checkpoint.tensor(name)).toEqual(model.tensors.get(name));
  });

  test('wants lm_head only where the head is not tied', async () => {
    const untied = await tinyModel({ tiedHead: false });
    expect(untied.checkpoint.names.at(-1)).toBe('lm_head.weight');
    const withoutHead = tensorsOf(untied).slice(0, -1);
    await expect(openCheckpoint(directory(withoutHead, untied.config))).rejects.toMatchObject({
      code: 'missing_tensor',
      message: expect.stringMatching(/lm_head\.weight.*tie_word_embeddings/),
    });
    const tiedWithHead = await openCheckpoint(directory(tensorsOf(untied)));
    expect(tiedWithHead.names).not.toContain('lm_head.weight');
  });

  test.each([
    'model.embed_tokens.weight',
    'model.norm.weight',
    'model.layers.0.self_attn.q_norm.weight',
    'model.layers.2.mlp.up_proj.weight',
  ])('names the missing tensor %s and the next step', async (missing) => {
    const tensors = tensorsOf(model).filter(({ name }) => name !== missing);
    await expect(openCheckpoint(directory(tensors))).rejects.toMatchObject({
      code: 'missing_tensor',
      param: missing,
      message: expect.stringMatching(/Download the complete checkpoint/),
    });
  });

  test('refuses a tensor of another shape, and says which', async () => {
    const tensors = tensorsOf(model).map((tensor) =>
      tensor.name.endsWith('1.mlp.up_proj.weight') ? { ...tensor, shape: tensor.shape.toReversed() } : tensor,
    );
    await expect(openCheckpoint(directory(tensors))).rejects.toMatchObject({
      code: 'invalid_checkpoint',
      message: expect.stringMatching(/layers\.1\.mlp\.up_proj\.weight is \[64, 96\].*\[96, 64\]/),
    });
  });

  test('refuses a tensor that Qwen3 does not have rather than ignore it', async () => {
    const bias = {
      name: 'model.layers.0.self_attn.q_proj.bias',
      type: 'F32',
      shape: [64],
      values: new Float32Array(64),
    } as const;
    await expect(openCheckpoint(directory([...tensorsOf(model), bias]))).rejects.toMatchObject({
      code: 'invalid_checkpoint',
      message: expect.stringContaining('q_proj.bias'),
    });
  });

  test('names a missing file', async () => {
    const noWeights = memoryFiles({ 'config.json': modelConfigJson(tinyConfig) });
    await expect(openCheckpoint(memoryFiles({}))).rejects.toMatchObject({
      code: 'missing_model_file',
      param: 'config.json',
    });
    await expect(openCheckpoint(noWeights)).rejects.toMatchObject({ param: 'model.safetensors' });
    const { 'model-00002-of-00003.safetensors': _gone, ...rest } = sharded(tensorsOf(model));
    await expect(openCheckpoint(memoryFiles(rest))).rejects.toMatchObject({
      param: 'model-00002-of-00003.safetensors',
    });
  });

  test.each([
    ['leads out of the directory', { weight_map: { x: '../secret.safetensors' } }],
    ['names a file of another kind', { weight_map: { x: 'config.json' } }],
    ['has no weight map', {}],
  ])('refuses an index that %s', async (_title, index) => {
    const files = { ...sharded(tensorsOf(model)), 'model.safetensors.index.json': JSON.stringify(index) };
    await expect(openCheckpoint(memoryFiles(files))).rejects.toMatchObject({ code: 'invalid_checkpoint' });
  });

  test('refuses an index that points to a file without the tensor', async () => {
    const files = sharded(tensorsOf(model));
    const index = String(files['model.safetensors.index.json']);
    const wrong = index.replace('model-00001', 'model-00002');
    await expect(
      openCheckpoint(memoryFiles({ ...files, 'model.safetensors.index.json': wrong })),
    ).rejects.toMatchObject({
      code: 'missing_tensor',
    });
  });
});

async function fingerprintOf(tensors: FloatTensor[], config?: ModelConfig): Promise<string> {
  return fingerprint(await openCheckpoint(directory(tensors, config)));
}

describe('fingerprint', () => {
  test('is the same for single and sharded files, and for other end tokens', async () => {
    const single = await fingerprintOf(tensorsOf(model));
    expect(single).toMatch(/^[0-9a-f]{64}$/);
    expect(await fingerprint(await openCheckpoint(memoryFiles(sharded(tensorsOf(model)))))).toBe(single);
    expect(
      await fingerprintOf(tensorsOf(model), { ...tinyConfig, eosTokens: [2, 3], maxPositions: 64 }),
    ).toBe(single);
  });

  test('changes with one bit of one tensor, with a type, and with what enters the computation', async () => {
    const original = await fingerprintOf(tensorsOf(model));
    const flipped = tensorsOf(model).map((tensor) => ({ ...tensor, values: tensor.values.slice() }));
    new Uint8Array(flipped[9]!.values.buffer)[0] = 255;
    const others = await Promise.all([
      fingerprintOf(flipped),
      fingerprintOf(tensorsOf(model).map((tensor) => ({ ...tensor, type: 'F16' }))),
      fingerprintOf(tensorsOf(model), { ...tinyConfig, ropeTheta: 20_000 }),
      fingerprintOf(tensorsOf(model), { ...tinyConfig, rmsNormEpsilon: 1e-5 }),
    ]);
    expect(new Set([original, ...others]).size).toBe(5);
  });
});
