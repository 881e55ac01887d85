/**
 * The model's logits on every device, held against llama.cpp and the float64 oracle, and against themselves under other
 * batches, chunks, threads and banks, bit for bit.
 */
import { beforeAll, describe, expect, test } from 'vitest';
import type { ModelConfig } from '../../src/model/config.ts';
import type { ResidentShard, Route } from '../../src/model/runner.ts';
import type { ShardFile } from '../../src/model/shard-file.ts';
import { Transformer, type TransformerOptions } from '../../src/model/transformer.ts';
import type { Device } from '../../src/tensor/device.ts';
import { createReferenceDevice } from '../../src/tensor/reference/reference-device.ts';
import { createWasmDevice } from '../../src/tensor/wasm/node.ts';
import { ggufLora, ggufModel } from '../support/gguf.ts';
import { llamaLogits } from '../support/llama-cpp.ts';
import { largestDifference } from '../support/logits.ts';
import { oracleLogits, type OracleRoute } from '../support/qwen3-oracle.ts';
import { runModel, type SequenceRun } from '../support/run-model.ts';
import { tinyModel, tinyShard, tinyTokens, type TinyModel } from '../support/tiny-model.ts';

/** What the issue asks of llama.cpp's agreement; measured are 7e-6 (two float32 computations differ). */
const LLAMA_TOLERANCE = 1e-4;
/** Against float64 only our own rounding counts; measured are 9e-6. */
const TOLERANCE = 3e-5;
const OPTIONS: Partial<TransformerOptions> = {
  maxBatchTokens: 160,
  pageSize: 8,
  pages: 40,
  experts: { slots: 24, rank: 8 },
  maxExpertsPerRoute: 20,
  maxRoutes: 8,
  maxLogitRows: 24,
};

const MEMORY = { bankBytes: 64 << 20, maxBanks: 4 };
/** The largest tensor of the tests, and scratch for a matrix product, just fit. */
const TINY_MEMORY = { bankBytes: 1600 << 10, scratchBytes: 570_000, stagingBytes: 200_000, maxBanks: 64 };

type Open = () => Promise<Device>;
const devices: readonly (readonly [string, { open: Open; tinyBanks: Open; oneThread?: Open }])[] = [
  [
    'reference',
    {
      open: async () => createReferenceDevice(),
      tinyBanks: async () => createReferenceDevice({ bankBytes: 160 << 10 }),
    },
  ],
  ['wasm', wasm({})],
  ['wasm without relaxed SIMD', wasm({ variant: 'simd' })],
];

function wasm(variant: { variant?: string }) {
  return {
    open: () => createWasmDevice({ threads: 2, ...MEMORY, ...variant }),
    tinyBanks: () => createWasmDevice({ threads: 2, ...TINY_MEMORY, ...variant }),
    oneThread: () => createWasmDevice({ threads: 1, ...MEMORY, ...variant }),
  };
}

async function withModel<T>(
  open: () => Promise<Device>,
  { checkpoint }: TinyModel,
  use: (model: Transformer, device: Device) => Promise<T>,
  options: Partial<TransformerOptions> = {},
): Promise<T> {
  const device = await open();
  try {
    return await use(await Transformer.load(device, checkpoint, { ...OPTIONS, ...options }), device);
  } finally {
    await device.dispose();
  }
}

const shapes: [string, Partial<ModelConfig>][] = [
  ['a tied head', {}],
  ['a head of its own', { tiedHead: false, rmsNormEpsilon: 1e-5 }],
  ['wide heads, one key head', { headSize: 32, keyValueHeads: 1, ropeTheta: 1_000_000 }],
  [
    'sizes that are no multiple of anything',
    { hiddenSize: 52, intermediateSize: 84, headSize: 20, vocabularySize: 259, layers: 2 },
  ],
];

describe.each(devices)('%s and llama.cpp agree', (_device, { open }) => {
  test.each(shapes)('without experts and with one: %s', async (_title, sizes) => {
    const tiny = await tinyModel(sizes);
    const shard = await tinyShard(tiny, { experts: 1, topK: 1, rank: 4, alpha: 6 });
    const tokens = tinyTokens(tiny, 48);
    const { vocabularySize } = tiny.config;
    const run = { model: ggufModel(tiny), tokens, vocabularySize };
    const [base, expert] = await withModel(open, tiny, async (model) => {
      const route = { shards: [{ shard: await model.experts.load(shard), prior: 1 }] };
      return runModel(model, [{ tokens }, { tokens, route }]);
    });
    expect(largestDifference(base!, await llamaLogits(run))).toBeLessThan(LLAMA_TOLERANCE);
    const lora = ggufLora(shard, tiny.config);
    expect(largestDifference(expert!, await llamaLogits({ ...run, lora }))).toBeLessThan(LLAMA_TOLERANCE);
    expect(largestDifference(expert!, base!)).toBeGreaterThan(0.5);
  });
});

/** Four shards of unlike sizes, and routes over them: [shard, prior]. */
const shardOptions = [
  { specialty: 'cardiovascular', experts: 4, rank: 4, topK: 2, alpha: 8, seed: 11 },
  { specialty: 'neurology', experts: 6, rank: 8, topK: 2, alpha: 8, seed: 12 },
  { specialty: 'oncology', experts: 3, rank: 2, topK: 1, alpha: 3, seed: 13, linears: ['up_proj'] },
  { specialty: 'tcm', experts: 5, rank: 5, topK: 4, alpha: 5, seed: 14, linears: ['gate_proj', 'down_proj'] },
] as const;

const priors: readonly (readonly (readonly [number, number])[])[] = [
  [],
  [[0, 1]],
  [
    [1, 0.5],
    [0, 0.25],
  ],
  [[2, 0.875]],
  [
    [0, 0.5],
    [1, 0.25],
    [3, 0.125],
  ],
  [
    [3, 0.25],
    [2, 0.75],
  ],
];

/** The routes of `priors`, where `resident[i]` is shard i. */
function routesOf(resident: readonly ResidentShard[]): Route[] {
  return priors.map((list) => ({
    shards: list.map(([shard, prior]) => ({ shard: resident[shard]!, prior })),
  }));
}

describe.each(devices)('many experts on %s', (_device, { open, tinyBanks, oneThread }) => {
  let tiny: TinyModel;
  let shards: ShardFile[];
  let sequences: { tokens: Uint32Array; route: number }[];
  /** Logits of all sequences in one batch, each on its own route. */
  let together: Float32Array[][];
  beforeAll(async () => {
    tiny = await tinyModel({ layers: 2 });
    shards = await Promise.all(shardOptions.map((options) => tinyShard(tiny, options)));
    sequences = priors.map((_, route) => ({ tokens: tinyTokens(tiny, 13 + 3 * route, 20 + route), route }));
    together = await runTogether(open);
  });

  const oracleRoute = (route: number): OracleRoute => {
    return { shards: priors[route]!.map(([shard, prior]) => ({ shard: shards[shard]!, prior })) };
  };
  const loadAll = async (model: Transformer): Promise<Route[]> => {
    const resident: ResidentShard[] = [];
    for (const shard of shards) resident.push(await model.experts.load(shard));
    return routesOf(resident);
  };
  const runsOf = (routes: readonly Route[]): SequenceRun[] =>
    sequences.map(({ tokens, route }) => ({ tokens, route: routes[route]! }));
  const runTogether = (on: Open) =>
    withModel(on, tiny, async (model) => runModel(model, runsOf(await loadAll(model))));

  test('all routes in one batch agree with the float64 oracle', async () => {
    for (const [index, logits] of together.entries()) {
      const { tokens, route } = sequences[index]!;
      const expected = oracleLogits(tiny, tokens, oracleRoute(route));
      expect(largestDifference(logits, expected), `route ${route}`).toBeLessThan(TOLERANCE);
    }
  });

  test('a sequence has the same bits alone and in any company', async () => {
    const alone = await withModel(open, tiny, async (model) => {
      const runs = runsOf(await loadAll(model));
      const results: Float32Array[][] = [];
      for (const run of runs) results.push(...(await runModel(model, [run])));
      return results;
    });
    expect(alone).toEqual(together);
  });

  test.each([1, 5, 8])('prefill in chunks of %i tokens gives the bits of the whole', async (chunk) => {
    const chunked = await withModel(open, tiny, async (model) =>
      runModel(model, runsOf(await loadAll(model)), chunk),
    );
    expect(chunked).toEqual(together);
  });

  test('tokens without experts have the bits of a model that never saw any', async () => {
    const [tokens] = sequences.map((sequence) => sequence.tokens);
    const pure = await withModel(open, tiny, (model) => runModel(model, [{ tokens: tokens! }]));
    expect(pure[0]).toEqual(together[0]);
  });

  test('a shard has the same bits in other slots, after others were unloaded', async () => {
    const moved = await withModel(open, tiny, async (model) => {
      const first = await model.experts.load(shards[1]!);
      const second = await model.experts.load(shards[3]!);
      model.experts.unload(first);
      const resident = [await model.experts.load(shards[0]!), await model.experts.load(shards[1]!)];
      resident.push(await model.experts.load(shards[2]!), second);
      return runModel(model, runsOf(routesOf(resident)));
    });
    expect(moved).toEqual(together);
  });

  test('weights, cache and experts in many tiny banks change no bit', async () => {
    const [banks, logits] = await withModel(tinyBanks, tiny, async (model, device) => {
      const result = await runModel(model, runsOf(await loadAll(model)));
      return [device.memory().banks, result] as const;
    });
    expect(banks).toBeGreaterThan(4);
    expect(logits).toEqual(together);
  });

  if (oneThread !== undefined) {
    test('one thread gives the bits of two', async () => {
      expect(await runTogether(oneThread)).toEqual(together);
    });
  }
});

describe('half-precision checkpoints', () => {
  test.each(['F16', 'BF16'] as const)('%s weights are computed as what they widen to', async (type) => {
    const tiny = await tinyModel({ layers: 1 }, { type });
    const tokens = tinyTokens(tiny, 20);
    const [logits] = await withModel(
      async () => createReferenceDevice(),
      tiny,
      (model) => runModel(model, [{ tokens }]),
    );
    expect(largestDifference(logits!, oracleLogits(tiny, tokens))).toBeLessThan(TOLERANCE);
  });
});
