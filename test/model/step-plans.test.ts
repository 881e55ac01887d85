/** Steps that repeat each other in shape repeat their dispatches, the very objects: a device prepares those once. */
import { afterAll, expect, test } from 'vitest';
import { StepPlans } from '../../src/model/step-plans.ts';
import { Transformer } from '../../src/model/transformer.ts';
import type { Device, Dispatch } from '../../src/tensor/device.ts';
import { createWasmDevice } from '../../src/tensor/wasm/node.ts';
import { tinyModel, tinyShard } from '../support/tiny-model.ts';

const LAYERS = 2;
const submitted: Dispatch[][] = [];
const wasm = await createWasmDevice({ threads: 1 });
const submit = wasm.submit.bind(wasm);
const device: Device = Object.assign(wasm, {
  submit(dispatches: readonly Dispatch[]): Promise<void> {
    submitted.push([...dispatches]);
    return submit(dispatches);
  },
});
afterAll(() => device.dispose());

test('a step of decoding takes the dispatches of the one before; another shape has its own', async () => {
  const tiny = await tinyModel({ layers: LAYERS });
  const model = await Transformer.load(device, tiny.checkpoint, {
    maxBatchTokens: 8,
    pageSize: 4,
    pages: 32,
    experts: { slots: 4, rank: 4 },
    maxExpertsPerRoute: 4,
  });
  const shard = await model.experts.load(await tinyShard(tiny));
  const layersOf = async (position: number, withShard: boolean): Promise<Dispatch[]> => {
    submitted.length = 0;
    await model.forward({
      tokens: Uint32Array.of(position),
      positions: Uint32Array.of(position),
      sequences: Uint32Array.of(0),
      pageTable: Uint32Array.from({ length: 8 }, (_, page) => page),
      maxPages: 8,
      routeOfToken: Uint32Array.of(0),
      routes: [{ shards: withShard ? [{ shard, prior: 1 }] : [] }],
      logitRows: Uint32Array.of(0),
    });
    // The embedding comes before the layers, gathering and head after them.
    return submitted.flat().slice(1, 1 + LAYERS * model.dispatchesPerLayer);
  };
  const first = await layersOf(0, true);
  expect(first.length).toBeGreaterThan(LAYERS * 7);
  const base = await layersOf(1, false);
  const second = await layersOf(2, true);
  expect(second.every((dispatch, i) => dispatch === first[i])).toBe(true);
  expect(second).toHaveLength(first.length);
  expect(base.some((dispatch) => first.includes(dispatch))).toBe(false);
});

test('plans are kept by their key, a bounded number, and the one used longest ago goes first', () => {
  const plans = new StepPlans();
  let made = 0;
  const get = (key: number): readonly Dispatch[] =>
    plans.get(String(key), () => {
      made++;
      return [];
    });
  for (let key = 0; key < 32; key++) get(key);
  expect(get(0)).toBe(get(0));
  expect(made).toBe(32);
  get(32);
  get(0);
  expect(made).toBe(33);
  get(1);
  expect(made).toBe(34);
});
