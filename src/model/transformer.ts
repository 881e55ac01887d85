/**
 * Qwen3 with LoRA-MoE layers, for serving: one ragged batch of tokens of many sequences in, logits of the wanted rows
 * out. Keys and values lie in a paged cache; buffers are made once, for the largest batch.
 */
import { CallerError } from '../base/errors.ts';
import { invariant } from '../base/invariant.ts';
import { MAX_TOP_K } from '../base/shard-metadata.ts';
import type { Device, Dispatch, Tensor } from '../tensor/device.ts';
import type { RouteTensors } from '../tensor/expert-ops.ts';
import * as ops from '../tensor/ops.ts';
import { createTensor, readTensor, writeTensor } from '../tensor/tensors.ts';
import { checkpointShapes } from './checkpoint.ts';
import type { Checkpoint } from './checkpoint.ts';
import type { ModelConfig } from './config.ts';
import { ExpertPool } from './expert-pool.ts';
import type { ExpertPoolOptions } from './expert-pool.ts';
import { serveLayer } from './layer.ts';
import type { LayerCache, StepTensors } from './layer.ts';
import { EMBEDDING, FINAL_NORM, HEAD } from './parameters.ts';
import { buildRouteTables } from './route-tables.ts';
import type { RouteTables } from './route-tables.ts';
import type { ForwardBatch, ModelRunner, Route } from './runner.ts';

export interface TransformerOptions {
  /** Most tokens of one forward. */
  readonly maxBatchTokens: number;
  readonly pageSize: number;
  /** Pages of the KV cache. */
  readonly pages: number;
  readonly experts: ExpertPoolOptions;
  /** Most experts among which one token may choose. */
  readonly maxExpertsPerRoute: number;
  /** Most different routes in one batch. */
  readonly maxRoutes: number;
  /** Rows of logits computed at once; more are done in turns. */
  readonly maxLogitRows: number;
}

const DEFAULT_TRANSFORMER_OPTIONS: TransformerOptions = {
  maxBatchTokens: 256,
  pageSize: 16,
  pages: 1024,
  experts: { slots: 128, rank: 16 },
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
  readonly #weights = new Map<string, Tensor>();
  readonly #caches: LayerCache[];
  readonly #step: StepTensors;
  readonly #logits: Tensor;
  readonly #logitRows: Tensor;
  readonly #logitInput: Tensor;
  #pageTable: Tensor;

  private constructor(device: Device, config: ModelConfig, options: TransformerOptions) {
    this.#device = device;
    this.#options = options;
    this.config = config;
    this.vocabularySize = config.vocabularySize;
    this.maxPositions = config.maxPositions;
    this.pageSize = options.pageSize;
    this.pages = options.pages;
    this.maxBatchTokens = options.maxBatchTokens;
    for (const [name, shape] of checkpointShapes(config)) {
      this.#weights.set(name, createTensor(device, name, shape));
    }
    this.experts = new ExpertPool(device, config, options.experts);
    const cacheShape = [options.pages, options.pageSize, config.keyValueHeads * config.headSize];
    this.#caches = Array.from({ length: config.layers }, (_, layer) => ({
      keys: createTensor(device, `cache.${layer}.keys`, cacheShape),
      values: createTensor(device, `cache.${layer}.values`, cacheShape),
    }));
    this.#step = createStepTensors(device, config, options);
    this.#pageTable = createTensor(device, 'page_table', [1, 1], 'u32');
    const { maxLogitRows: L } = options;
    this.#logitRows = createTensor(device, 'logit_rows', [L], 'u32');
    this.#logitInput = createTensor(device, 'logit_input', [L, config.hiddenSize]);
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
    for (const [name, tensor] of model.#weights) {
      await writeTensor(device, tensor, await checkpoint.tensor(name));
    }
    const table = ops.ropeTable(config.maxPositions, config.headSize, config.ropeTheta);
    await writeTensor(device, model.#step.ropeTable, table);
    return model;
  }

  get maxRoutes(): number {
    return this.#options.maxRoutes;
  }

  checkRoute(route: Route): void {
    this.#checkRoutes(buildRouteTables([route]));
  }

  async forward(batch: ForwardBatch): Promise<Float32Array> {
    const T = batch.tokens.length;
    invariant(T > 0 && T <= this.maxBatchTokens, `a batch of ${T} tokens; ${this.maxBatchTokens} fit`);
    const tables = this.#checkRoutes(buildRouteTables(batch.routes));
    const step = viewStep(this.#step, T, Math.max(1, tables.topK), tables);
    await this.#writeInputs(batch, tables, step);
    await this.#device.submit(this.#body(step, batch, tables.topK > 0));
    return this.#readLogits(step, batch.logitRows);
  }

  #body(step: StepTensors, batch: ForwardBatch, withExperts: boolean): Dispatch[] {
    const context = {
      config: this.config,
      weight: (name: string) => this.#weight(name),
      experts: withExperts ? this.experts : null,
      pageTable: { ...this.#pageTable, shape: [batch.pageTable.length / batch.maxPages, batch.maxPages] },
    };
    return [
      ops.embedding(step.tokens, this.#weight(EMBEDDING), step.residual),
      ...this.#caches.flatMap((cache, layer) => serveLayer(context, layer, cache, step)),
    ];
  }

  async #readLogits(step: StepTensors, rows: Uint32Array): Promise<Float32Array> {
    const { vocabularySize: V, hiddenSize: C } = this.config;
    const logits = new Float32Array(rows.length * V);
    for (let from = 0; from < rows.length; from += this.#options.maxLogitRows) {
      const part = rows.subarray(from, from + this.#options.maxLogitRows);
      const L = part.length;
      const ids = { ...this.#logitRows, shape: [L] };
      const input = { ...this.#logitInput, shape: [L, C] };
      const normed = { ...step.normed, shape: [L, C] };
      const output = { ...this.#logits, shape: [L, V] };
      const head = this.#weight(this.config.tiedHead ? EMBEDDING : HEAD);
      await writeTensor(this.#device, ids, part);
      await this.#device.submit([
        ops.embedding(ids, step.residual, input),
        ops.rmsNorm(input, this.#weight(FINAL_NORM), normed, step.inverse, this.config.rmsNormEpsilon),
        ops.linear(normed, head, output),
      ]);
      logits.set(await readTensor(this.#device, output), from * V);
    }
    return logits;
  }

  async #writeInputs(batch: ForwardBatch, tables: RouteTables, step: StepTensors): Promise<void> {
    if (batch.pageTable.byteLength > this.#pageTable.buffer.byteLength) {
      this.#device.free(this.#pageTable.buffer);
      this.#pageTable = createTensor(this.#device, 'page_table', [batch.pageTable.length * 2], 'u32');
    }
    const device = this.#device;
    await writeTensor(device, this.#pageTable, batch.pageTable);
    await writeTensor(device, step.tokens, batch.tokens);
    await writeTensor(device, step.positions, batch.positions);
    await writeTensor(device, step.sequences, batch.sequences);
    if (tables.topK === 0) return;
    await writeTensor(device, step.routes.routeOfToken, batch.routeOfToken);
    await writeTensor(device, step.routes.slots, tables.slots);
    await writeTensor(device, step.routes.segments, tables.segments);
    await writeTensor(device, step.routes.priors, tables.priors);
    await writeTensor(device, step.routes.topK, tables.topKs);
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

  #weight(name: string): Tensor {
    const tensor = this.#weights.get(name);
    invariant(tensor, `no tensor ${name}`);
    return tensor;
  }
}

function createStepTensors(device: Device, config: ModelConfig, options: TransformerOptions): StepTensors {
  const { hiddenSize: C, intermediateSize: F, heads: H, keyValueHeads: KV, headSize: D } = config;
  const { maxBatchTokens: T, maxRoutes, maxExpertsPerRoute: E, maxLogitRows: L } = options;
  const make = (name: string, ...shape: number[]): Tensor => createTensor(device, `step.${name}`, shape);
  const ids = (name: string, ...shape: number[]): Tensor =>
    createTensor(device, `step.${name}`, shape, 'u32');
  const rows = Math.max(T, L);
  return {
    tokens: ids('tokens', T),
    positions: ids('positions', T),
    sequences: ids('sequences', T),
    ropeTable: make('rope', config.maxPositions, D / 2, 2),
    residual: make('residual', T, C),
    normed: make('normed', rows, C),
    inverse: make('inverse', rows * H),
    queryRaw: make('query_raw', T, H * D),
    keyRaw: make('key_raw', T, KV * D),
    query: make('query', T, H * D),
    key: make('key', T, KV * D),
    value: make('value', T, KV * D),
    attended: make('attended', T, H * D),
    gate: make('gate', T, F),
    up: make('up', T, F),
    activated: make('activated', T, F),
    expertHidden: make('expert_hidden', T, MAX_TOP_K, options.experts.rank),
    choice: {
      logits: make('gate_logits', T, E),
      chosen: ids('gate_chosen', T, MAX_TOP_K),
      slots: ids('gate_slots', T, MAX_TOP_K),
      weights: make('gate_weights', T, MAX_TOP_K),
    },
    routes: {
      routeOfToken: ids('route_of_token', T),
      slots: ids('route_slots', maxRoutes, E),
      segments: ids('route_segments', maxRoutes, E),
      priors: make('route_priors', maxRoutes, E),
      topK: ids('route_top_k', maxRoutes),
    },
  };
}

/** The step's buffers seen with this batch's sizes: rows are dense, whatever the capacity. */
function viewStep(full: StepTensors, T: number, K: number, tables: RouteTables): StepTensors {
  const rows = (tensor: Tensor): Tensor => ({ ...tensor, shape: [T, ...tensor.shape.slice(1)] });
  const routes: RouteTensors = {
    routeOfToken: rows(full.routes.routeOfToken),
    slots: { ...full.routes.slots, shape: [tables.routes, tables.maxExperts] },
    segments: { ...full.routes.segments, shape: [tables.routes, tables.maxExperts] },
    priors: { ...full.routes.priors, shape: [tables.routes, tables.maxExperts] },
    topK: { ...full.routes.topK, shape: [tables.routes] },
  };
  const choice = {
    logits: { ...full.choice.logits, shape: [T, tables.maxExperts] },
    chosen: { ...full.choice.chosen, shape: [T, K] },
    slots: { ...full.choice.slots, shape: [T, K] },
    weights: { ...full.choice.weights, shape: [T, K] },
  };
  return {
    tokens: rows(full.tokens),
    positions: rows(full.positions),
    sequences: rows(full.sequences),
    ropeTable: full.ropeTable,
    residual: rows(full.residual),
    normed: rows(full.normed),
    inverse: full.inverse,
    queryRaw: rows(full.queryRaw),
    keyRaw: rows(full.keyRaw),
    query: rows(full.query),
    key: rows(full.key),
    value: rows(full.value),
    attended: rows(full.attended),
    gate: rows(full.gate),
    up: rows(full.up),
    activated: rows(full.activated),
    expertHidden: { ...full.expertHidden, shape: [T, K, full.expertHidden.shape[2]!] },
    choice,
    routes,
  };
}
