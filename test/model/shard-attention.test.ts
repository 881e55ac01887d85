/** Shards with experts of attention: read where they are computed, refused where they would be served. */
import { beforeAll, expect, test } from 'vitest';
import { checkShardBytes } from '../../src/base/shard-metadata.ts';
import { readShardFile, writeShardFile } from '../../src/model/shard-file.ts';
import { forgeShard, set, type Draft } from '../support/forged-shard.ts';
import { tinyModel, tinyShardBytes, type TinyModel } from '../support/tiny-model.ts';

/** Channels of the query heads. */
const QUERY = 4 * 16;

let model: TinyModel;
let bytes: Uint8Array;
beforeAll(async () => {
  model = await tinyModel();
  bytes = await tinyShardBytes(model);
});

function attention(draft: Draft): void {
  for (let layer = 0; layer < 3; layer++) {
    set(draft, `layers.${layer}.attention_router.weight`, [4, 64]);
    set(draft, `layers.${layer}.q_proj.lora_A`, [4, 4, 64]);
    set(draft, `layers.${layer}.q_proj.lora_B`, [4, QUERY, 4]);
  }
}

test('shards with experts of attention are refused where they would be served, and the reason says so', async () => {
  const forged = await forgeShard(bytes, attention);
  const refused = {
    name: 'CallerError',
    code: 'shard_not_served',
    message: expect.stringMatching(/q_proj.*hosts serve those of gate_proj, up_proj, down_proj/),
  };
  await expect(readShardFile(forged, { config: model.config })).rejects.toMatchObject(refused);
  await expect(checkShardBytes(forged)).rejects.toMatchObject(refused);
});

test('shards with experts of attention are read for training and scoring, and written back alike', async () => {
  const forged = await forgeShard(bytes, attention);
  const read = await readShardFile(forged, { config: model.config, use: 'training' });
  expect(Object.keys(read.layers[2]!.linears)).toContain('q_proj');
  expect(read.layers[1]!.attentionRouter).toHaveLength(4 * 64);
  expect(await readShardFile(await writeShardFile(read, 'F32'), { use: 'training' })).toEqual(read);
  const layout = await checkShardBytes(forged, { use: 'training' });
  expect(layout).toMatchObject({ layers: 3, querySize: QUERY, keyValueSize: undefined });
});

test.each<[string, string, (draft: Draft) => void]>([
  [
    'a missing gate',
    'shard_missing_tensor',
    ({ tensors }) => tensors.delete('layers.1.attention_router.weight'),
  ],
  ['half a pair', 'shard_missing_tensor', ({ tensors }) => tensors.delete('layers.0.q_proj.lora_B')],
  ['another width', 'shard_shape', (draft) => set(draft, 'layers.1.q_proj.lora_B', [4, QUERY + 1, 4])],
])('they are refused with %s', async (_title, code, change) => {
  const forged = await forgeShard(bytes, (draft) => {
    attention(draft);
    change(draft);
  });
  const read = readShardFile(forged, { config: model.config, use: 'training' });
  await expect(read).rejects.toMatchObject({ name: 'CallerError', code });
});

test('shards with experts of attention are refused where the base has other heads', async () => {
  const config = { ...model.config, heads: 8 };
  const read = readShardFile(await forgeShard(bytes, attention), { config, use: 'training' });
  await expect(read).rejects.toMatchObject({ code: 'shard_other_base' });
});
