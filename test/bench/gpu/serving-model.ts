/**
 * A random model that makes steps of chosen shapes: `Transformer.step`, as the engine calls it.
 */
import type { Device } from '../../../src/tensor/device.ts';
import { createRandom } from '../../../src/base/random.ts';
import { Transformer } from '../../../src/model/transformer.ts';
import type { ResidentShard, Route, SamplingSettings, StepBatch } from '../../../src/model/runner.ts';
import type { ModelConfig } from '../../../src/model/config.ts';
import { randomCheckpoint, randomShard, SHARD } from './random-model.ts';
import type { Formats } from './step-model.ts';
import { PAGE_SIZE, placesOf, type StepRequest } from './step-request.ts';

export interface ServingSizes {
  readonly config: ModelConfig;
  readonly formats: Formats;
  /** Shards that fit the pool. */
  readonly shards: number;
  /** Pages of the cache. */
  readonly pages: number;
  readonly maxTokens: number;
}

/** What Qwen3 is usually asked with. */
const SAMPLING: SamplingSettings = {
  temperature: 0.7,
  topP: 0.8,
  topK: 20,
  minP: 0,
  presencePenalty: 0,
  frequencyPenalty: 0,
  repetitionPenalty: 1,
};

export function transformerOptions({ formats, shards, pages, maxTokens }: Omit<ServingSizes, 'config'>) {
  return {
    maxBatchTokens: maxTokens,
    pageSize: PAGE_SIZE,
    pages,
    experts: { slots: Math.max(1, shards) * SHARD.experts, rank: SHARD.rank },
    weightFormat: formats.weights,
    expertFormat: formats.experts,
    kvFormat: formats.cache,
    maxExpertsPerRoute: SHARD.experts,
    maxRoutes: 64,
    maxLogitRows: 32,
  };
}

export class ServingModel {
  readonly model: Transformer;
  readonly sizes: ServingSizes;
  readonly #shards: ResidentShard[] = [];
  readonly #pages: Uint32Array;

  private constructor(model: Transformer, sizes: ServingSizes) {
    this.model = model;
    this.sizes = sizes;
    const all = Array.from({ length: sizes.pages }, (_, page) => page);
    this.#pages = Uint32Array.from(createRandom(5).shuffle(all));
  }

  static async open(device: Device, sizes: ServingSizes): Promise<ServingModel> {
    const checkpoint = randomCheckpoint(sizes.config);
    const model = await Transformer.load(device, checkpoint, transformerOptions(sizes));
    return new ServingModel(model, sizes);
  }

  get resident(): number {
    return this.#shards.length;
  }

  async makeResident(count: number): Promise<void> {
    const file = randomShard(this.sizes.config, 'random');
    while (this.#shards.length < count) this.#shards.push(await this.model.experts.load(file));
  }

  /** `turn` moves along the resident shards, so that a single sequence asks for another one every step. */
  batch(request: StepRequest, turn = 0): StepBatch {
    const { sequences, asking } = request;
    const random = createRandom(7);
    const { last, ...places } = placesOf(request);
    const each = Math.ceil(request.context / PAGE_SIZE);
    const routes: Route[] = [{ shards: [] }];
    if (asking !== 'base') {
      routes.length = 0;
      const wanted = asking === 'same' ? 1 : sequences;
      for (let i = 0; i < wanted; i++) {
        const shard = this.#shards[asking === 'same' ? 0 : (turn + i) % this.#shards.length]!;
        routes.push({ shards: [{ shard, prior: 1 }] });
      }
    }
    return {
      ...places,
      tokens: places.positions.map(() => random.integer(this.sizes.config.vocabularySize)),
      pageTable: this.#pages.slice(0, sequences * each),
      maxPages: each,
      routeOfToken: places.sequences.map((sequence) => (asking === 'different' ? sequence : 0)),
      routes,
      logitRows: new Uint32Array(),
      carried: false,
      draws: Array.from(last, (after) => ({
        after,
        sampling: SAMPLING,
        uniform: random.uniform(),
        seen: new Uint32Array(),
      })),
    };
  }

  /**
   * Milliseconds of a step, on average over `steps` of them. Where the model takes it, each is called while the one before
   * is under way, as the engine does while it decodes; what they compute is the same.
   */
  async time(request: StepRequest, steps: number): Promise<number> {
    const { model } = this;
    const follows = request.tokens === 1 && request.sequences <= (model.maxCarried ?? 0);
    const batches = Array.from({ length: steps }, (_, turn) => {
      const batch = this.batch(request, turn);
      return { ...batch, carried: follows && turn > 0 };
    });
    const start = performance.now();
    let before: Promise<unknown> = Promise.resolve();
    for (const batch of batches) {
      const step = model.step(batch);
      // Where the one before fails, nobody comes to await this one.
      step.catch(() => {});
      await before;
      before = step;
      if (!follows) await step;
    }
    await before;
    return (performance.now() - start) / steps;
  }
}
