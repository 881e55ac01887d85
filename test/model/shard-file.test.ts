import { beforeAll, describe, expect, test } from 'vitest';
import { createRandom } from '../../src/base/random.ts';
import { headerOfBytes } from '../../src/base/safetensors-header.ts';
import { checkShardBytes } from '../../src/base/shard-metadata.ts';
import { readShardFile, writeShardFile, type ShardFile } from '../../src/model/shard-file.ts';
import { forgeShard, set, type Draft } from '../support/forged-shard.ts';
import { rawSafetensors, safetensorsAttacks } from '../support/safetensors-attacks.ts';
import { tinyModel, tinyShard, tinyShardBytes, type TinyModel } from '../support/tiny-model.ts';

let model: TinyModel;
let bytes: Uint8Array;
let shard: ShardFile;
beforeAll(async () => {
  model = await tinyModel();
  bytes = await tinyShardBytes(model);
  shard = await readShardFile(bytes);
});

const forge = (change: (draft: Draft) => void): Promise<Uint8Array> => forgeShard(bytes, change);

describe('readShardFile', () => {
  test('gives back what was written', async () => {
    const again = await readShardFile(await writeShardFile(shard, 'F32'), {
      config: model.config,
      baseFingerprint: model.fingerprint,
    });
    expect(again).toEqual(shard);
    expect(again.layers).toHaveLength(3);
    expect(again.layers[0]?.router).toHaveLength(4 * 64);
    expect(again.layers[2]?.linears.down_proj?.A).toHaveLength(4 * 4 * 96);
    expect(again.layers[2]?.linears.down_proj?.B).toHaveLength(4 * 64 * 4);
    expect(again.metadata).toMatchObject({
      specialty: 'cardiovascular',
      version: '1.0.0',
      rank: 4,
      alpha: 8,
      topK: 2,
    });
  });

  test('reads F16 shards, a single expert, and shards that adapt one linear', async () => {
    const small = await tinyShard(model, { experts: 1, topK: 1, rank: 1, linears: ['up_proj'], type: 'F16' });
    expect(small.experts).toBe(1);
    expect(Object.keys(small.layers[1]?.linears ?? {})).toEqual(['up_proj']);
  });

  test('writes equal bytes for equal shards', async () => {
    expect(await tinyShardBytes(model)).toEqual(bytes);
  });

  test.each([0, 0.5, 1])('refuses a tensor byte changed on the way, at %f of the tensors', async (where) => {
    const { dataOffset, dataBytes } = headerOfBytes(bytes);
    const tampered = bytes.slice();
    const at = dataOffset + Math.floor(where * (dataBytes - 1));
    tampered[at] = (tampered[at] ?? 0) ^ 1;
    await expect(readShardFile(tampered)).rejects.toMatchObject({
      name: 'CallerError',
      code: 'shard_hash_mismatch',
    });
  });

  test.each([0, 4, 8, 100, 0.5, 1])('refuses a file cut off (case %f)', async (where) => {
    const length = Number.isInteger(where) && where !== 1 ? where : Math.floor(bytes.length * where) - 1;
    await expect(readShardFile(bytes.subarray(0, length))).rejects.toMatchObject({
      name: 'CallerError',
      code: expect.stringMatching(/^safetensors_(truncated|out_of_range)$/),
    });
  });

  test('refuses another base by fingerprint and by size', async () => {
    const other = { code: 'shard_other_base', message: expect.stringMatching(/trained for/) };
    await expect(readShardFile(bytes, { baseFingerprint: '0'.repeat(64) })).rejects.toMatchObject(other);
    for (const sizes of [{ layers: 4 }, { hiddenSize: 128 }, { intermediateSize: 97 }]) {
      await expect(readShardFile(bytes, { config: { ...model.config, ...sizes } })).rejects.toMatchObject(
        other,
      );
    }
  });

  test.each([NaN, Infinity, -Infinity])('refuses a weight that is %f', async (value) => {
    const forged = await forge(({ tensors }) => {
      tensors.get('layers.1.up_proj.lora_B')!.values[5] = value;
    });
    await expect(readShardFile(forged)).rejects.toMatchObject({
      code: 'shard_not_finite',
      message: expect.stringContaining('layers.1.up_proj.lora_B'),
    });
  });

  test.each<[string, string, (draft: Draft) => void]>([
    ['a missing router', 'shard_missing_tensor', ({ tensors }) => tensors.delete('layers.1.router.weight')],
    [
      'a missing last router',
      'shard_missing_tensor',
      ({ tensors }) => tensors.delete('layers.2.router.weight'),
    ],
    ['half a pair', 'shard_missing_tensor', ({ tensors }) => tensors.delete('layers.0.gate_proj.lora_B')],
    [
      'no experts at all',
      'shard_missing_tensor',
      ({ tensors }) =>
        [...tensors.keys()].filter((name) => name.includes('lora')).forEach((name) => tensors.delete(name)),
    ],
    ['a rank other than the metadata says', 'shard_shape', ({ metadata }) => (metadata['rank'] = '8')],
    [
      'a router of another expert count',
      'shard_shape',
      (draft) => set(draft, 'layers.1.router.weight', [5, 64]),
    ],
    ['a router of another width', 'shard_shape', (draft) => set(draft, 'layers.1.router.weight', [4, 32])],
    ['a transposed A', 'shard_shape', (draft) => set(draft, 'layers.0.up_proj.lora_A', [4, 64, 4])],
    ['a flat B', 'shard_shape', (draft) => set(draft, 'layers.0.up_proj.lora_B', [4 * 96 * 4])],
    ['no experts in a router', 'shard_shape', (draft) => set(draft, 'layers.0.router.weight', [0, 64])],
    ['top_k above the experts', 'shard_metadata', ({ metadata }) => (metadata['top_k'] = '5')],
    [
      'an unknown linear',
      'shard_unknown_tensor',
      (draft) => set(draft, 'layers.0.lm_head.lora_A', [4, 4, 64]),
    ],
    ['an unknown tensor', 'shard_unknown_tensor', (draft) => set(draft, 'model.embed_tokens.weight', [1, 1])],
    [
      'a layer number with leading zero',
      'shard_unknown_tensor',
      (draft) => set(draft, 'layers.00.router.weight', [4, 64]),
    ],
    ['metadata of another format', 'shard_metadata', ({ metadata }) => (metadata['format'] = 'pt')],
    ['missing metadata', 'shard_metadata', ({ metadata }) => delete metadata['specialty']],
    ['unknown metadata', 'shard_metadata', ({ metadata }) => (metadata['ranks'] = '4')],
    ['a specialty that is a path', 'shard_metadata', ({ metadata }) => (metadata['specialty'] = '../x')],
    ['a version that is a path', 'shard_metadata', ({ metadata }) => (metadata['version'] = '1/2')],
    ['a rank above the limit', 'shard_metadata', ({ metadata }) => (metadata['rank'] = '257')],
    ['a rank of zero', 'shard_metadata', ({ metadata }) => (metadata['rank'] = '0')],
    ['an alpha that is not a number', 'shard_metadata', ({ metadata }) => (metadata['alpha'] = '1e999')],
    ['a negative alpha', 'shard_metadata', ({ metadata }) => (metadata['alpha'] = '-1')],
    ['a date that is none', 'shard_metadata', ({ metadata }) => (metadata['created'] = 'yesterday')],
    ['a hash that is none', 'shard_metadata', ({ metadata }) => (metadata['tensors_sha256'] = 'x')],
  ])('refuses %s', async (_title, code, change) => {
    const forged = await forge(change);
    await expect(readShardFile(forged)).rejects.toMatchObject({ name: 'CallerError', code });
    await expect(checkShardBytes(forged)).rejects.toMatchObject({ code });
  });

  test('refuses top_k above the number of experts', async () => {
    const { metadata, ...rest } = await tinyShard(model, { experts: 2 });
    const greedy = writeShardFile({ ...rest, metadata: { ...metadata, topK: 3 } });
    await expect(greedy).rejects.toMatchObject({
      code: 'shard_shape',
      message: expect.stringContaining('top_k is 3'),
    });
  });

  test('refuses tensors of whole numbers', async () => {
    const header = headerOfBytes(bytes);
    const entries = [...header.tensors.values()].map(({ name, type, shape, begin, end }) => {
      return [
        name,
        { dtype: name.endsWith('router.weight') ? 'I32' : type, shape, data_offsets: [begin, end] },
      ];
    });
    const json = { __metadata__: header.metadata, ...Object.fromEntries(entries) };
    const forged = rawSafetensors(json, bytes.subarray(header.dataOffset));
    await expect(readShardFile(forged)).rejects.toMatchObject({ code: 'shard_dtype' });
  });

  test.each(safetensorsAttacks)('refuses %s', async (_title, file, code) => {
    await expect(readShardFile(file)).rejects.toMatchObject({ name: 'CallerError', code });
  });

  test('refuses a header that is large but within what checkpoints may have', async () => {
    const padded = rawSafetensors(`{}${' '.repeat(1024 * 1024)}`);
    await expect(readShardFile(padded)).rejects.toMatchObject({ code: 'safetensors_header_too_large' });
  });

  test('answers any change of the header with a CallerError, or reads the same tensors', async () => {
    const random = createRandom(42);
    const { dataOffset } = headerOfBytes(bytes);
    let refused = 0;
    for (let i = 0; i < 400; i++) {
      const mutant = bytes.slice();
      for (let n = random.integer(3); n >= 0; n--) mutant[random.integer(dataOffset)] = random.integer(256);
      const outcome = await readShardFile(mutant).catch((error: unknown) => error);
      if (outcome instanceof Error) {
        expect(outcome.name).toBe('CallerError');
        refused++;
      } else expect(outcome).toMatchObject({ layers: shard.layers });
    }
    // The rest fell on free text and on padding.
    expect(refused).toBeGreaterThan(300);
  });

  test('refuses another name than the one it is uploaded under', async () => {
    await expect(checkShardBytes(bytes, { specialty: 'oncology' })).rejects.toMatchObject({
      code: 'shard_other_name',
    });
    await expect(checkShardBytes(bytes, { version: '1.0.1' })).rejects.toMatchObject({
      code: 'shard_other_name',
    });
    expect((await checkShardBytes(bytes, { specialty: 'cardiovascular', version: '1.0.0' })).experts).toBe(4);
  });
});

describe('writeShardFile', () => {
  test('refuses values that become infinite in F16', async () => {
    const router = shard.layers[0]!.router!.slice();
    router[0] = 1e6;
    const layers = [{ router, linears: shard.layers[0]?.linears ?? {} }, ...shard.layers.slice(1)];
    await expect(writeShardFile({ ...shard, layers })).rejects.toMatchObject({ code: 'shard_not_finite' });
    await expect(writeShardFile({ ...shard, layers }, 'F32')).resolves.toBeInstanceOf(Uint8Array);
  });

  test('counts layers, linears and parameters for inspection', async () => {
    const layout = await checkShardBytes(bytes);
    expect(layout).toMatchObject({ layers: 3, experts: 4, hiddenSize: 64, intermediateSize: 96 });
    expect(layout.linears).toEqual(['gate_proj', 'up_proj', 'down_proj']);
    expect(layout.parameters).toBe(3 * (4 * 64 + 3 * 4 * 4 * (64 + 96)));
  });
});
