/** Documents that share a row know nothing of each other, nor of the rows beside them. */
import { describe, expect, test } from 'vitest';
import { createRandom } from '../../../src/base/random.ts';
import type { Device } from '../../../src/tensor/device.ts';
import { createReferenceDevice } from '../../../src/tensor/reference/reference-device.ts';
import { createWasmDevice } from '../../../src/tensor/wasm/node.ts';
import { stackRows } from '../../../src/train/batches.ts';
import type { ActiveShards } from '../../../src/train/shard-routes.ts';
import type { Batch, Trainer } from '../../../src/train/trainer.ts';
import {
  ROW_LENGTH,
  baseTrainer,
  expertTrainer,
  packRow,
  randomDocument,
  smallModel,
  withShards,
} from '../../support/tiny-trainer.ts';

const devices: [string, () => Promise<Device>][] = [
  ['reference', async () => createReferenceDevice()],
  ['wasm', () => createWasmDevice({ threads: 1, bankBytes: 64 << 20 })],
];

const random = createRandom(8);
const draw = (length: number): number[] => randomDocument(length, random);
const [a, b, c, d, e, f] = [draw(5), draw(4), draw(3), draw(12), draw(2), draw(9)];
/** Where each document of the packed batch begins. */
const packed = stackRows([packRow([a, b, c]), packRow([d]), packRow([e, f])]);
const placesOf: [string, number[], number][] = [
  ['first of a row', a, 0],
  ['in the middle', b, 5],
  ['last of a row', c, 9],
  ['a whole row', d, ROW_LENGTH],
  ['in another row', f, 2 * ROW_LENGTH + 2],
];
const active: ActiveShards[] = [
  { shards: [0], priors: [1] },
  { shards: [1, 2], priors: [6 / 8, 2 / 8] },
  { shards: [2], priors: [1] },
];

const kinds: [string, (device: Device) => Promise<{ trainer: Trainer; route: (batch: Batch) => Batch }>][] = [
  [
    'the base',
    async (device) => ({ trainer: await baseTrainer(device, await smallModel()), route: (x) => x }),
  ],
  [
    'experts',
    async (device) => ({
      trainer: await expertTrainer(device, await smallModel()),
      route: (batch) => withShards(batch, active),
    }),
  ],
];

describe.each(devices)('on %s', (_device, open) => {
  test.each(kinds)('a document has the loss it has alone: %s', async (_kind, create) => {
    const device = await open();
    const { trainer, route } = await create(device);
    const together = await trainer.score(route(packed));
    for (const [title, document, at] of placesOf) {
      const row = Math.floor(at / ROW_LENGTH);
      const rows = [0, 1, 2].map((index) => packRow(index === row ? [document] : []));
      const alone = await trainer.score(route(stackRows(rows)));
      const losses = alone.slice(row * ROW_LENGTH, row * ROW_LENGTH + document.length);
      expect(
        losses.slice(0, -1).every((loss) => loss > 0),
        title,
      ).toBe(true);
      for (const [i, loss] of losses.entries()) {
        expect(Math.abs(together[at + i]! - loss), `${title}, token ${i}`).toBeLessThan(2e-6 * (1 + loss));
      }
    }
    await device.dispose();
  });

  test.each(kinds)(
    'another document in its place changes no bit of the others: %s',
    async (_kind, create) => {
      const device = await open();
      const { trainer, route } = await create(device);
      const before = await trainer.score(route(packed));
      const other = b.map((token) => (token + 17) % 40);
      const changed = stackRows([packRow([a, other, c]), packRow([d]), packRow([e, f])]);
      const after = await trainer.score(route(changed));
      expect(after.slice(5, 9)).not.toEqual(before.slice(5, 9));
      expect([...after.slice(0, 5), ...after.slice(9)]).toEqual([...before.slice(0, 5), ...before.slice(9)]);
      await device.dispose();
    },
  );
});

test('a token sees what stands before it in its document, and nothing after it', async () => {
  const device = createReferenceDevice();
  const trainer = await baseTrainer(device, await smallModel());
  const middleRow = async (batch: Batch): Promise<Float32Array> =>
    (await trainer.score(batch)).slice(ROW_LENGTH, 2 * ROW_LENGTH);
  const before = await middleRow(packed);
  const changed = d.with(6, (d[6]! + 1) % 40);
  const after = await middleRow(stackRows([packRow([a, b, c]), packRow([changed]), packRow([e, f])]));
  // The fifth token's loss is that of a target that stayed; the sixth's target is the token that changed.
  expect(after.slice(0, 5)).toEqual(before.slice(0, 5));
  for (let i = 5; i < ROW_LENGTH - 1; i++) expect(after[i], `token ${i}`).not.toBe(before[i]);
});
