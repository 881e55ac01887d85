/**
 * Qwen3 with LoRA-MoE layers, for serving: one ragged batch of tokens of many sequences in, tokens and logits of the
 * wanted rows out. Keys and values lie in a paged cache; buffers are made once, for the largest batch.
 */
import { CallerError } from '../base/errors.ts';
import { invariant } from '../base/invariant.ts';
import { attentionLimits } from '../tensor/attention-ops.ts';
import type { Device, Dispatch, Tensor } from '../tensor/device.ts';
import type { NumberFormat } from '../tensor/formats.ts';
import * as ops from '../tensor/ops.ts';
import { normLinear } from '../tensor/serving-ops.ts';
import { createTensor, readTensor, writeTensor } from '../tensor/tensors.ts';
import type { Checkpoint } from './checkpoint.ts';
import type { ModelConfig } from './config.ts';
import { checkFormats } from './check-formats.ts';
import { exampleBatch } from './example-batch.ts';
import { createExpertLayer, ExpertPool } from './expert-pool.ts';
import type { ExpertPoolOptions } from './expert-pool.ts';
import { serveLayer } from './layer.ts';
import type { ServingLayer, StepTensors } from './layer.ts';
import { planMemory, type MemoryPlan } from './memory-plan.ts';
import { buildRouteTables } from './route-tables.ts';
import type { RouteTables } from './route-tables.ts';
import type { ForwardBatch, ModelRunner, Route, StepBatch, StepResult } from './runner.ts';
import {
  createLayerWeights,
  createOuterWeights,
  loadLayerWeights,
  loadOuterWeights,
} from './serving-weights.ts';
import type { OuterWeights } from './serving-weights.ts';
import { StepInputBuffer } from './step-inputs.ts';
import type { StepInputs } from './step-inputs.ts';
import { StepPlans } from './step-plans.ts';
import { stepResult } from './step-result.ts';
import { createStepTensors, viewStep } from './step-tensors.ts';
import { TokenSampler } from './token-sampler.ts';

export interface TransformerOptions {
  /** Most tokens of one forward. */
  readonly maxBatchTokens: number;
  readonly pageSize: number;
  /** Pages of the KV cache. */
  readonly pages: number;
  readonly experts: ExpertPoolOptions;
  /** Of the matrices of the base, embedding and head included. */
  readonly weightFormat: NumberFormat;
  readonly expertFormat: 'f32' | 'f16';
  /** Of the keys and values in the cache. */
  readonly kvFormat: 'f32' | 'f16';
  /** Most experts among which one token may choose, at most 256. */
  readonly maxExpertsPerRoute: number;
  /** Most different routes in one batch. */
  readonly maxRoutes: number;
  /** Rows of logits computed at once; more are done in turns. */
  readonly maxLogitRows: number;
}

/** What `kernels/norm_gate` holds of one token's gate. */
const MAX_GATE_EXPERTS = 256;

const DEFAULT_TRANSFORMER_OPTIONS: TransformerOptions = {
  maxBatchTokens: 256,
  pageSize: 16,
  pages: 1024,
  experts: { slots: 128, rank: 16 },
  weightFormat: 'f32',
  expertFormat: 'f32',
  kvFormat: 'f32',
  maxExpertsPerRoute: 64,
  maxRoutes: 64,
  maxLogitRows: 64,
};

export class Transformer implements ModelRunner {
  readonly config: ModelConfig;
  readonly experts: ExpertPool;
  readonly vocabularySize: number;
  readonly maxPositions: number;
  readonly pageSize: number;
  readonly pages: number;
  readonly maxBatchTokens: number;
  readonly #device: Device;
  readonly #options: TransformerOptions;
  readonly #outer: OuterWeights;
  readonly #layers: readonly ServingLayer[];
  readonly #ropeTable: Tensor;
  readonly #step: StepTensors;
  readonly #inputs: StepInputBuffer;
  readonly #sampler: TokenSampler;
  readonly #logits: Tensor;
  readonly #logitInput: Tensor;
  readonly #plans = new StepPlans();
  #dispatchesPerLayer = 0;
  /** Tokens that the last step draws. */
  #drawn = 0;

  private constructor(device: Device, config: ModelConfig, options: TransformerOptions) {
    const { pages, pageSize, maxBatchTokens: T, maxRoutes, maxExpertsPerRoute, maxLogitRows: L } = options;
    invariant(maxExpertsPerRoute <= MAX_GATE_EXPERTS, `a route of more than ${MAX_GATE_EXPERTS} experts`);
    this.#device = device;
    this.#options = options;
    this.config = config;
    this.vocabularySize = config.vocabularySize;
    this.maxPositions = config.maxPositions;
    this.pageSize = pageSize;
    this.pages = pages;
    this.maxBatchTokens = T;
    checkFormats(device, config, options);
    const { weightFormat, expertFormat, kvFormat } = options;
    this.#outer = createOuterWeights(device, config, weightFormat);
    const cacheShape = [pages, pageSize, config.keyValueHeads * config.headSize];
    // Layer by layer: what one dispatch reads then lies in one bank, but for the layer at a bank's end.
    this.#layers = Array.from({ length: config.layers }, (_, layer) => ({
      weights: createLayerWeights(device, config, layer, weightFormat),
      experts: createExpertLayer(device, config, options.experts, layer, expertFormat),
      cache: {
        keys: createTensor(device, `cache.${layer}.keys`, cacheShape, kvFormat),
        values: createTensor(device, `cache.${layer}.values`, cacheShape, kvFormat),
      },
    }));
    const experts = this.#layers.map((layer) => layer.experts);
    this.experts = new ExpertPool(device, experts, options.experts);
    this.#ropeTable = createTensor(device, 'rope', [config.maxPositions, config.headSize / 2, 2]);
    const work = attentionLimits(device, config, pages * pageSize);
    this.#step = createStepTensors(device, config, T, options.experts.rank, work.entries);
    this.#inputs = new StepInputBuffer(device, L, work, 12 * T + 4 * maxRoutes * maxExpertsPerRoute + 1024);
    this.#logitInput = createTensor(device, 'logit_input', [L, config.hiddenSize]);
    this.#sampler = new TokenSampler(device, L);
    this.#logits = createTensor(device, 'logits', [L, config.vocabularySize]);
  }

  /** Copies a checkpoint to the device, tensor by tensor. */
  static async load(
    device: Device,
    checkpoint: Checkpoint,
    options: Partial<TransformerOptions> = {},
  ): Promise<Transformer> {
    const { config } = checkpoint;
    const model = new Transformer(device, config, { ...DEFAULT_TRANSFORMER_OPTIONS, ...options });
    await loadOuterWeights(device, checkpoint, model.#outer);
    for (const [layer, { weights }] of model.#layers.entries()) {
      await loadLayerWeights(device, checkpoint, layer, weights);
    }
    const table = ops.ropeTable(config.maxPositions, config.headSize, config.ropeTheta);
    await writeTensor(device, model.#ropeTable, table);
    return model;
  }

  /** What `load` would take of a device of this kind, in bytes. */
  static plan(
    kind: Device['kind'],
    config: ModelConfig,
    options: Partial<TransformerOptions> = {},
  ): MemoryPlan {
    return planMemory(
      kind,
      (device) => void new Transformer(device, config, { ...DEFAULT_TRANSFORMER_OPTIONS, ...options }),
    );
  }

  get maxRoutes(): number {
    return this.#options.maxRoutes;
  }

  /** Only a GPU waits for what is read from it; more would be drawn in turns. */
  get maxCarried(): number {
    return this.#device.kind === 'webgpu' ? this.#options.maxLogitRows : 0;
  }

  /** Of the last forward: what a GPU pays however little each does. */
  get dispatchesPerLayer(): number {
    return this.#dispatchesPerLayer;
  }

  checkRoute(route: Route): void {
    this.#checkRoutes(buildRouteTables([route]));
  }

  /**
   * Compiles all kernels of a step, with experts and without, so that what a driver refuses shows before anything is
   * served, and no request waits for a compiler.
   */
  async compile(): Promise<void> {
    const example = exampleBatch(Math.min(this.maxPositions, this.pages * this.pageSize));
    const { inputs, written } = this.#inputs.write(example, buildRouteTables(example.routes));
    await written;
    const bodies = [0, 1].flatMap((K) => this.#body(viewStep(this.#step, 1, K), inputs, inputs.tokens));
    const heads = inputs.draws.flatMap(({ after, ...settings }) => {
      const { dispatches, output } = this.#head(after);
      return [...dispatches, this.#sampler.dispatch(output, settings, false)];
    });
    await Promise.all([...bodies, ...heads].map(async (dispatch) => this.#device.compile?.(dispatch)));
  }

  async forward(batch: ForwardBatch): Promise<Float32Array> {
    return (await this.step({ ...batch, draws: [], carried: false })).logits;
  }

  async step(batch: StepBatch): Promise<StepResult> {
    const T = batch.tokens.length;
    invariant(T > 0 && T <= this.maxBatchTokens, `a batch of ${T} tokens; ${this.maxBatchTokens} fit`);
    const tables = this.#checkRoutes(buildRouteTables(batch.routes));
    const carried = batch.carried ? this.#sampler.tokens(T) : null;
    invariant(!carried || this.#drawn === T, `${T} tokens are carried over; ${this.#drawn} were drawn`);
    this.#drawn = batch.draws.length;
    // All of it joins the device's queue in one go, so that a step called behind this one comes behind it there.
    const { inputs, written } = this.#inputs.write(batch, tables);
    // The body goes with the first turn: a step of decoding is one submission, and one read that waits for it.
    let first = this.#body(viewStep(this.#step, T, tables.topK), inputs, carried ?? inputs.tokens);
    const submitted = [written];
    const submit = (dispatches: readonly Dispatch[]): void => {
      submitted.push(this.#device.submit([...first, ...dispatches]));
      first = [];
    };
    const drawn = inputs.draws.map(({ after, ...settings }) => {
      const { dispatches, output } = this.#head(after);
      submit([...dispatches, this.#sampler.dispatch(output, settings, batch.carried)]);
      return this.#sampler.read(after.shape[0]!);
    });
    const read = inputs.logitRows.map((rows) => {
      const { dispatches, output } = this.#head(rows);
      submit(dispatches);
      return readTensor(this.#device, output);
    });
    if (drawn.length + read.length === 0) submit([]);
    const [pairs, logits] = await Promise.all([
      Promise.all(drawn),
      Promise.all(read),
      Promise.all(submitted),
    ]);
    return stepResult(logits, pairs);
  }

  #body(step: StepTensors, inputs: StepInputs, tokens: Tensor): Dispatch[] {
    const context = {
      config: this.config,
      ropeTable: this.#ropeTable,
      scales: this.experts.scales,
      inputs,
    };
    const key = `${step.choice.slots.shape.join()} ${inputs.layout}`;
    const layers = this.#plans.get(key, () =>
      this.#layers.flatMap((layer) => serveLayer(context, layer, step)),
    );
    this.#dispatchesPerLayer = layers.length / this.#layers.length;
    return [ops.embedding(tokens, this.#outer.embedding, step.residual), ...layers];
  }

  /** Logits of a few rows of the residual. */
  #head(rows: Tensor): { readonly dispatches: Dispatch[]; readonly output: Tensor } {
    const L = rows.shape[0]!;
    const input = { ...this.#logitInput, shape: [L, this.config.hiddenSize] };
    const output = { ...this.#logits, shape: [L, this.config.vocabularySize] };
    const { finalNorm, head } = this.#outer;
    const dispatches = [
      ops.embedding(rows, this.#step.residual, input),
      normLinear(input, finalNorm, head, output, this.config.rmsNormEpsilon),
    ];
    return { dispatches, output };
  }

  #checkRoutes(tables: RouteTables): RouteTables {
    const { maxRoutes, maxExpertsPerRoute } = this.#options;
    if (tables.routes > maxRoutes || tables.maxExperts > maxExpertsPerRoute) {
      throw new CallerError(
        'too_many_experts',
        `A batch may have ${maxRoutes} routes of ${maxExpertsPerRoute} experts; it has ${tables.routes} of ${tables.maxExperts}.`,
      );
    }
    return tables;
  }
}
