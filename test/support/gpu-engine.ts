/**
 * Whole requests on a GPU: the tokens of the engine there are those on the CPU, greedy and drawn, with shards and without,
 * though steps are sent before the tokens of the one before are known.
 * Logits differ in the last digits, so a draw could fall on the other side of a boundary: the seeds are some where none
 * does, as nearly all are.
 */
import assert from 'node:assert/strict';
import { Engine } from '../../src/engine/engine.ts';
import { greedy, type Sampling } from '../../src/engine/request.ts';
import { Transformer } from '../../src/model/transformer.ts';
import type { Device } from '../../src/tensor/device.ts';
import { createWasmDevice } from '../../src/tensor/wasm/node.ts';
import { tinyModel, tinyShard, tinyTokens } from './tiny-model.ts';

const samplings: readonly Sampling[] = [
  greedy,
  { ...greedy, repetitionPenalty: 1.3 },
  { ...greedy, temperature: 1, seed: 1 },
  { ...greedy, temperature: 0.6, topK: 40, topP: 0.9, repetitionPenalty: 1.1, seed: 2 },
];

export async function checkEngine(device: Device): Promise<void> {
  const wasm = await createWasmDevice({ threads: 1 });
  try {
    const inTurn = await generate(wasm);
    assert.equal(new Set(inTurn.tokens.map((tokens) => tokens.join())).size, samplings.length);
    const overlapped = await generate(device);
    assert.deepEqual(overlapped.tokens, inTurn.tokens);
    assert.equal(inTurn.carried, 0);
    assert(overlapped.carried > 3, `only ${overlapped.carried} steps were sent behind another`);
  } finally {
    await wasm.dispose();
  }
}

async function generate(device: Device): Promise<{ tokens: number[][]; carried: number }> {
  const tiny = await tinyModel({ layers: 1 });
  const sizes = { maxBatchTokens: 32, pageSize: 8, pages: 16, maxExpertsPerRoute: 8, maxRoutes: 4 };
  const model = await Transformer.load(device, tiny.checkpoint, {
    ...sizes,
    experts: { slots: 4, rank: 4 },
    maxLogitRows: 4,
  });
  const shard = await model.experts.load(await tinyShard(tiny, { experts: 4, seed: 21 }));
  let carried = 0;
  const step = model.step.bind(model);
  model.step = (batch) => {
    if (batch.carried) carried += 1;
    return step(batch);
  };
  const engine = new Engine(model);
  const answers = samplings.map(async (sampling, n) => {
    const events = engine.generate({
      prompt: tinyTokens(tiny, 7, n),
      maxTokens: 8,
      sampling,
      stopTokens: [],
      route: { shards: n % 2 === 1 ? [{ shard, prior: 1 }] : [] },
    });
    const tokens: number[] = [];
    for await (const event of events) if (event.kind === 'token') tokens.push(event.token);
    return tokens;
  });
  return { tokens: await Promise.all(answers), carried };
}
