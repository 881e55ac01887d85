/** Batches of a fine-tuning run, each a function of seed and step alone, and its validation. */
import { createRandom } from '../base/random.ts';
import type { Random } from '../base/random.ts';
import { NONE } from '../tensor/device.ts';
import { RowSampler, stackRows } from './batches.ts';
import { batchRoutes, drawActiveShards } from './shard-routes.ts';
import type { ActiveShards } from './shard-routes.ts';
import type { Batch, BatchRoutes, Trainer } from './trainer.ts';
import type { TuneRunConfig } from './tune-config.ts';
import type { TuneData } from './tune-data.ts';
import { routeOf, tunePool } from './tune-pool.ts';
import type { TunePool } from './tune-pool.ts';

/** Rows of each specialty scored for one validation figure. */
const VALIDATION_ROWS = 2;

export class TuneBatches {
  readonly #config: TuneRunConfig;
  readonly #data: TuneData;
  readonly #pool: TunePool | null;
  readonly #samplers: readonly RowSampler[];

  constructor(config: TuneRunConfig, data: TuneData) {
    this.#config = config;
    this.#data = data;
    this.#pool = tunePool(config);
    this.#samplers = data.train.map(
      (dataset, index) => new RowSampler(dataset.rowCount, config.seed + index),
    );
  }

  /** Each row of a batch is of one specialty; specialties take turns, so that all are seen equally often. */
  at(step: number): Batch {
    const { rows: B, seed } = this.#config;
    const count = this.#data.train.length;
    const random = createRandom(seed * 1_000_003 + step);
    const specialties: number[] = [];
    const rows = Array.from({ length: B }, (_, index) => {
      const turn = step * B + index;
      const specialty = turn % count;
      specialties.push(specialty);
      const place = this.#samplers[specialty]?.at(Math.floor(turn / count)) ?? 0;
      return this.#data.train[specialty]!.row(place);
    });
    const batch = { ...stackRows(rows), specialties };
    const pool = this.#pool;
    if (!pool) return batch;
    const routes = trainingRoutes(pool, specialties, this.#config, random);
    const contrast = pool.method.contrast;
    const anchors = contrast ? { anchors: drawAnchors(batch.targets, contrast.anchors, random) } : {};
    return { ...batch, routes, noise: noiseAt(seed, step), ...anchors };
  }

  /** Mean loss in nats an answer token, each specialty with its own experts, and the same by specialty. */
  async validate(trainer: Trainer): Promise<{ validation: number; bySpecialty: Record<string, number> }> {
    const { specialties, rows: B } = this.#config;
    const jobs = this.#data.valid.flatMap((dataset, specialty) =>
      Array.from({ length: Math.min(VALIDATION_ROWS, dataset.rowCount) }, (_, row) => ({
        dataset,
        specialty,
        row,
      })),
    );
    const sums = specialties.map(() => ({ loss: 0, tokens: 0 }));
    for (let from = 0; from < jobs.length; from += B) {
      const part = jobs.slice(from, from + B);
      // The last batch is filled up with rows that are not counted.
      const full = Array.from({ length: B }, (_, row) => part[row] ?? part[0]!);
      const active = full.map(({ specialty }) => routeOf(this.#config, specialties[specialty]!));
      const losses = await trainer.score({
        ...stackRows(full.map(({ dataset, row }) => dataset.row(row))),
        ...(this.#pool ? { routes: routesOf(this.#pool, active, this.#config.rowLength) } : {}),
      });
      for (const [index, { specialty }] of part.entries()) add(sums[specialty]!, this.#row(losses, index));
    }
    const total = sums.reduce((all, sum) => ({
      loss: all.loss + sum.loss,
      tokens: all.tokens + sum.tokens,
    }));
    const bySpecialty = specialties.map((name, index): [string, number] => {
      const { loss, tokens } = sums[index]!;
      return [name, loss / tokens];
    });
    return { validation: total.loss / total.tokens, bySpecialty: Object.fromEntries(bySpecialty) };
  }

  #row(losses: Float32Array, row: number): Float32Array {
    const { rowLength } = this.#config;
    return losses.subarray(row * rowLength, (row + 1) * rowLength);
  }
}

/** From a generator of its own: neither noise nor anchors depend on whether a run has the other. */
function noiseAt(seed: number, step: number): number {
  return createRandom(~(seed * 1_000_003 + step)).integer(2 ** 32);
}

function add(sum: { loss: number; tokens: number }, losses: Float32Array): void {
  for (const loss of losses) {
    sum.loss += loss;
    if (loss !== 0) sum.tokens++;
  }
}

/** Routes of training: several shards at times, or the shared pool with the specialty's experts preferred. */
function trainingRoutes(
  pool: TunePool,
  specialties: readonly number[],
  config: TuneRunConfig,
  random: Random,
): BatchRoutes {
  const { method } = pool;
  if (method.pool === 'by-specialty') {
    const active = specialties.map((own) => drawActiveShards(own, pool.pool, method.activeShards, random));
    return routesOf(pool, active, config.rowLength);
  }
  const routes = routesOf(
    pool,
    specialties.map(() => ({ shards: [0], priors: [1] })),
    config.rowLength,
  );
  if (method.prior) {
    const { experts, prior } = method;
    for (const [row, specialty] of specialties.entries()) {
      for (let expert = 0; expert < experts; expert++) {
        const leans = expert % config.specialties.length === specialty;
        if (leans) routes.priors[row * pool.shape.maxExperts + expert] = prior.strength;
      }
    }
  }
  return routes;
}

function routesOf(pool: TunePool, active: readonly ActiveShards[], rowLength: number): BatchRoutes {
  return batchRoutes(active, rowLength, pool.pool, pool.shape);
}

/** A sample of the tokens that have a target, without repetition, in order; NONE where there are too few. */
export function drawAnchors(targets: Uint32Array, count: number, random: Random): Uint32Array {
  const tokens = [...targets.keys()].filter((token) => targets[token] !== NONE);
  const anchors = new Uint32Array(count).fill(NONE);
  anchors.set(
    random
      .shuffle(tokens)
      .slice(0, count)
      .toSorted((a, b) => a - b),
  );
  return anchors;
}
