/** A run's state on disk: exact to the bit, or compact within what its file promises. */
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { CallerError } from '../../src/base/errors.ts';
import { createRandom } from '../../src/base/random.ts';
import type { Device } from '../../src/tensor/device.ts';
import { createReferenceDevice } from '../../src/tensor/reference/reference-device.ts';
import { readTensor } from '../../src/tensor/tensors.ts';
import { createWasmDevice } from '../../src/tensor/wasm/node.ts';
import { decodeRunState, encodeRunState, type RunState } from '../../src/train/resume-file.ts';
import { encodeTrainer, openRunFolder, restoreTrainer } from '../../src/train/run-files.ts';
import type { ActiveShards } from '../../src/train/shard-routes.ts';
import type { Batch, StepResult, Trainer } from '../../src/train/trainer.ts';
import { baseTrainer, expertTrainer, randomBatch, smallModel, withShards } from '../support/tiny-trainer.ts';

const directory = mkdtempSync(join(tmpdir(), 'resume-'));
afterAll(() => rmSync(directory, { recursive: true }));

const RUN = 'a'.repeat(64);
const wasm = (): Promise<Device> => createWasmDevice({ threads: 1, bankBytes: 64 << 20 });
const schedule = { peak: 5e-3, warmupSteps: 2, totalSteps: 8, floor: 0.1 };
const active: ActiveShards[] = [
  { shards: [1], priors: [1] },
  { shards: [2, 0], priors: [5 / 8, 3 / 8] },
  { shards: [0], priors: [1] },
];

const kinds: [string, (device: Device) => Promise<Trainer>, (step: number) => Batch][] = [
  ['the base', async (device) => baseTrainer(device, await smallModel(), { schedule }), randomBatch],
  [
    'experts',
    async (device) => expertTrainer(device, await smallModel(), { schedule }),
    (step) => withShards(randomBatch(step), active),
  ],
];

async function stateOf(device: Device, trainer: Trainer): Promise<Float32Array[]> {
  const { optimizer, network } = trainer;
  return Promise.all(
    [network.trained.whole, optimizer.first, optimizer.second].map((tensor) => readTensor(device, tensor)),
  );
}

async function run(trainer: Trainer, to: number, batchAt: (step: number) => Batch): Promise<StepResult[]> {
  const results: StepResult[] = [];
  while (trainer.step < to) results.push(await trainer.train(batchAt(trainer.step)));
  return results;
}

describe.each(kinds)('a resumed run: %s', (kind, create, batchAt) => {
  test('six steps have the bits of three, a restart and three more', async () => {
    const folderPath = join(directory, kind);
    const first = await wasm();
    const straight = await create(first);
    const before = await run(straight, 3, batchAt);
    const folder = await openRunFolder(folderPath, RUN, first, straight);
    expect(await folder.resume()).toBe(3);
    await folder.save();
    const after = await run(straight, 6, batchAt);
    const expected = await stateOf(first, straight);
    await first.dispose();
    expect(before).toHaveLength(3);

    const second = await wasm();
    const resumed = await create(second);
    expect(await (await openRunFolder(folderPath, RUN, second, resumed)).resume()).toBe(3);
    expect(await run(resumed, 6, batchAt)).toEqual(after);
    for (const [i, part] of (await stateOf(second, resumed)).entries()) {
      expect(Buffer.compare(Buffer.from(part.buffer), Buffer.from(expected[i]!.buffer))).toBe(0);
    }
    await second.dispose();
  });
});

describe('a run folder', () => {
  const device = createReferenceDevice();
  const path = join(directory, 'folder');
  const create = async (): Promise<Trainer> => baseTrainer(device, await smallModel(), { schedule });

  test('has nothing to resume at first, keeps metrics as lines, and leaves no partial file', async () => {
    const trainer = await create();
    const folder = await openRunFolder(path, RUN, device, trainer);
    expect(await folder.resume()).toBe(0);
    await folder.metric({ step: 1, loss: 3.5 });
    await folder.metric({ step: 2, loss: 3.25 });
    await trainer.train(randomBatch(1));
    await folder.save();
    expect(readFileSync(join(path, 'metrics.jsonl'), 'utf8')).toBe(
      '{"step":1,"loss":3.5}\n{"step":2,"loss":3.25}\n',
    );
    expect(readdirSync(path).toSorted()).toEqual(['metrics.jsonl', 'state.safetensors']);
  });

  test('refuses the state of another run, and a state cut short; the trainer stays as it was', async () => {
    const trainer = await create();
    const before = await stateOf(device, trainer);
    const other = await openRunFolder(path, 'b'.repeat(64), device, trainer);
    await expect(other.resume()).rejects.toMatchObject({ code: 'resume_mismatch' });
    const state = join(path, 'state.safetensors');
    const bytes = readFileSync(state);
    writeFileSync(state, bytes.subarray(0, bytes.length - 100));
    const own = await openRunFolder(path, RUN, device, trainer);
    await expect(own.resume()).rejects.toBeInstanceOf(CallerError);
    expect(trainer.step).toBe(0);
    expect(await stateOf(device, trainer)).toEqual(before);
  });
});

const silent = (i: number): boolean => (i >= 128 && i < 256) || i % 17 === 0;

/** Values over many magnitudes, whole blocks of zeros, and a length that is no multiple of a block. */
function wideState(length = 1000): RunState {
  const random = createRandom(4);
  const magnitude = (least: number, most: number): number =>
    10 ** (least + random.uniform() * (most - least));
  const sign = (): number => (random.uniform() < 0.5 ? -1 : 1);
  return {
    step: 1234,
    run: RUN,
    weights: Float32Array.from({ length }, () => sign() * magnitude(-3, 1)),
    first: Float32Array.from({ length }, (_, i) => (silent(i) ? 0 : sign() * magnitude(-9, -1))),
    second: Float32Array.from({ length }, (_, i) => (silent(i) ? 0 : magnitude(-19, -0.1))),
    memories: new Map(),
  };
}

describe('the two forms of a state', () => {
  const state = wideState();

  test('exact: every bit', async () => {
    const decoded = await decodeRunState(encodeRunState(state, 'exact'), [RUN], 1000);
    expect(decoded).toEqual(state);
  });

  test('compact: weights as halves, first moments within half a step of their block, second within 9.1 %', async () => {
    const decoded = await decodeRunState(encodeRunState(state, 'compact'), [RUN], 1000);
    expect(decoded.step).toBe(1234);
    for (const [i, value] of state.weights.entries()) {
      expect(Math.abs(decoded.weights[i]! - value), `weight ${i}`).toBeLessThanOrEqual(
        Math.abs(value) * 2 ** -11,
      );
    }
    for (const [i, value] of state.first.entries()) {
      const from = i - (i % 64);
      const most = Math.max(...state.first.slice(from, from + 64).map(Math.abs));
      expect(Math.abs(decoded.first[i]! - value), `first ${i}`).toBeLessThanOrEqual((most / 127) * 0.5001);
      // A step is first / √second: a first moment that grew much beside a tiny second one would tear the weight away.
      expect(Math.abs(decoded.first[i]!)).toBeLessThanOrEqual(2.001 * Math.abs(value));
    }
    for (const [i, value] of state.second.entries()) {
      if (value === 0) expect(decoded.second[i]).toBe(0);
      else expect(Math.abs(decoded.second[i]! / value - 1), `second ${i}`).toBeLessThan(0.091);
    }
  });

  test('compact is under a third of exact', () => {
    const large = wideState(100_000);
    const ratio = encodeRunState(large, 'compact').length / encodeRunState(large, 'exact').length;
    expect(ratio).toBeLessThan(0.34);
    expect(ratio).toBeGreaterThan(0.3);
  });

  test('compact: a run goes on from it about as it would have', async () => {
    const device = createReferenceDevice();
    const create = async (): Promise<Trainer> => baseTrainer(device, await smallModel(), { schedule });
    const straight = await create();
    await run(straight, 4, randomBatch);
    const bytes = await encodeTrainer(device, straight, RUN, 'compact');
    const other = await create();
    await restoreTrainer(device, other, [RUN], bytes);
    const expected = await run(straight, 8, randomBatch);
    const actual = await run(other, 8, randomBatch);
    expect(actual).toHaveLength(4);
    for (const [i, { loss }] of actual.entries()) {
      expect(Math.abs(loss - expected[i]!.loss), `step ${i}`).toBeLessThan(0.01);
    }
  });

  test.each(['exact', 'compact'] as const)('%s: refused for another run, another size', async (form) => {
    const bytes = encodeRunState(state, form);
    await expect(decodeRunState(bytes, ['b'.repeat(64)], 1000)).rejects.toMatchObject({
      code: 'resume_mismatch',
    });
    await expect(decodeRunState(bytes, [RUN], 999)).rejects.toMatchObject({ code: 'resume_mismatch' });
  });

  test.each(['exact', 'compact'] as const)('%s: cut short anywhere, it is a CallerError', async (form) => {
    const bytes = encodeRunState(state, form);
    for (const length of [0, 7, 8, 100, 400, bytes.length - 1000, bytes.length - 1]) {
      await expect(
        decodeRunState(bytes.slice(0, length), [RUN], 1000),
        `${length} bytes`,
      ).rejects.toBeInstanceOf(CallerError);
    }
  });

  test.each([
    ['the tensors of the other form', (text: string) => text.replace('"form":"exact"', '"form":"tight"')],
    ['a step that is no number', (text: string) => text.replace('"step":"1234"', '"step":"12x4"')],
    ['a moment of another name', (text: string) => text.replace('"second"', '"sekond"')],
    [
      'a moment of another type',
      (text: string) => text.replace('"U8","shape":[1000]', '"I8","shape":[1000]'),
    ],
    ['a moment of another shape', (text: string) => text.replace('"shape":[1000]', '"shape":[10,100]')],
  ])('a header with %s is a CallerError', async (_title, change) => {
    let refused = 0;
    for (const form of ['exact', 'compact'] as const) {
      const bytes = encodeRunState(state, form);
      const text = Buffer.from(bytes).toString('latin1');
      const altered = fitHeader(change(text), text);
      if (altered === null) continue;
      refused++;
      await expect(decodeRunState(altered, [RUN], 1000)).rejects.toBeInstanceOf(CallerError);
    }
    expect(refused).toBeGreaterThan(0);
  });
});

/** The changed file with its header padded or cut (of its trailing spaces) to the length it says; null if unchanged. */
function fitHeader(changed: string, original: string): Uint8Array | null {
  if (changed === original) return null;
  const length = Number(Buffer.from(original.slice(0, 8), 'latin1').readBigUInt64LE());
  const data = original.slice(8 + length);
  const json = changed.slice(8, changed.length - data.length).trimEnd();
  const padded = json.padEnd(Math.ceil(json.length / 8) * 8);
  const head = Buffer.alloc(8);
  head.writeBigUInt64LE(BigInt(padded.length));
  return new Uint8Array(Buffer.concat([head, Buffer.from(padded, 'latin1'), Buffer.from(data, 'latin1')]));
}
