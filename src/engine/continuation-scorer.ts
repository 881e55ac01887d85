/**
 * Log-likelihoods of the ends of sequences, for evaluators: of many sequences that begin alike, what they have in common
 * is computed once. The common beginning fills whole pages of the cache; every sequence has those in its page table and
 * pages of its own behind them. The order of reduction of a row depends on that row alone, so the numbers are those that
 * the engine gives for each sequence by itself. Not to be used while an engine runs on the same model: both own its pages.
 */
import { CallerError } from '../base/errors.ts';
import { invariant } from '../base/invariant.ts';
import type { ModelRunner, Route } from '../model/runner.ts';
import { checkRequest } from './check-request.ts';
import { logprobsOf } from './sampler.ts';

export interface ScoredSequence {
  /** [n] prompt and continuation. */
  readonly ids: Uint32Array;
  /** Index of the first token to score, in [1, n). */
  readonly from: number;
}

export interface ScoringGroup {
  /** Sequences that begin alike share that work. At least one. */
  readonly sequences: readonly ScoredSequence[];
  readonly route: Route;
}

export interface ContinuationScorerOptions {
  /** Bytes of logits that one forward may return. Default 64 MiB. */
  readonly logitBytes?: number;
}

export class ContinuationScorer {
  readonly #runner: ModelRunner;
  readonly #maxRows: number;

  constructor(runner: ModelRunner, { logitBytes = 64 * 1024 * 1024 }: ContinuationScorerOptions = {}) {
    this.#runner = runner;
    this.#maxRows = Math.max(1, Math.floor(logitBytes / (4 * runner.vocabularySize)));
  }

  /**
   * For each group, Σ_{i ≥ from} ln p(ids[i] | ids[0..i)) of each of its sequences, in nats, summed in float64. Throws
   * `CallerError` (`context_length_exceeded`, `invalid_request`) before anything is computed.
   */
  async score(
    groups: readonly ScoringGroup[],
    onProgress: (done: number) => void = () => {},
  ): Promise<number[][]> {
    const plans = groups.map((group) => this.#plan(group));
    let done = 0;
    while (done < plans.length) {
      const wave = this.#takeWave(plans, done);
      let page = 0;
      const firstPages = wave.map((plan) => (page += plan.pages) - plan.pages);
      await this.#run(wave.flatMap((plan, at) => beginning(plan, firstPages[at]!, this.#runner.pageSize)));
      await this.#run(wave.flatMap((plan, at) => endings(plan, firstPages[at]!, this.#runner.pageSize)));
      done += wave.length;
      onProgress(done);
    }
    return plans.map(({ sums }) => sums);
  }

  #plan({ sequences, route }: ScoringGroup): GroupPlan {
    const { maxPositions, vocabularySize, pageSize, pages } = this.#runner;
    const first = sequences[0];
    invariant(first, 'a group has a sequence');
    for (const { ids, from } of sequences) {
      checkRequest(
        { prompt: ids, maxTokens: 0 },
        { vocabularySize, maxLength: Math.min(maxPositions, pages * pageSize) },
      );
      invariant(
        from >= 1 && from < ids.length,
        'something of each sequence is scored, never its first token',
      );
    }
    this.#runner.checkRoute?.(route);
    // The row before the first scored token gives logits, so it belongs to the ending.
    let common = Math.min(...sequences.map(({ from }) => from - 1));
    for (const { ids } of sequences) {
      let same = 0;
      while (same < common && ids[same] === first.ids[same]) same += 1;
      common = same;
    }
    const shared = common - (common % pageSize);
    const forks = new Map<string, Fork>();
    for (const [index, { ids, from }] of sequences.entries()) {
      // The last token is only predicted: sequences that differ in it alone are one fork.
      const input = ids.subarray(0, ids.length - 1);
      const key = input.subarray(shared).join();
      const fork = forks.get(key) ?? { input, firstRow: from - 1, targets: [] };
      fork.firstRow = Math.min(fork.firstRow, from - 1);
      fork.targets.push({ index, ids, from });
      forks.set(key, fork);
    }
    const own = [...forks.values()].map(({ input }) => Math.ceil((input.length - shared) / pageSize));
    const needed = own.reduce((sum, count) => sum + count, shared / pageSize);
    if (needed > pages) {
      throw new CallerError(
        'context_length_exceeded',
        `Scoring one question takes ${needed} pages of the cache, which has ${pages}: raise --cache-pages.`,
      );
    }
    return { route, shared, forks: [...forks.values()], pages: needed, sums: sequences.map(() => 0) };
  }

  /** As many plans from `from` on as the cache and the number of routes allow. */
  #takeWave(plans: readonly GroupPlan[], from: number): GroupPlan[] {
    const wave: GroupPlan[] = [];
    const routes = new Set<Route>();
    let pages = 0;
    for (const plan of plans.slice(from)) {
      routes.add(plan.route);
      pages += plan.pages;
      const tooMany = routes.size > (this.#runner.maxRoutes ?? Infinity);
      if (wave.length > 0 && (tooMany || pages > this.#runner.pages)) break;
      wave.push(plan);
    }
    return wave;
  }

  /** All tokens of all jobs, as many at a time as fit one forward. */
  async #run(jobs: readonly Job[]): Promise<void> {
    const open = jobs.map((job) => ({ job, at: job.start })).filter(({ job, at }) => at < job.input.length);
    while (open.length > 0) {
      const chunks: Chunk[] = [];
      let tokens = this.#runner.maxBatchTokens;
      let rows = this.#maxRows;
      for (const piece of open) {
        const { job, at } = piece;
        if (at >= job.input.length) continue;
        // Rows of logits run from firstRow to the chunk's end; none where the chunk ends before.
        const count = Math.min(job.input.length - at, tokens, Math.max(at, job.firstRow) + rows - at);
        if (count <= 0) break;
        chunks.push({ job, start: at, count });
        piece.at += count;
        tokens -= count;
        rows -= Math.max(0, at + count - Math.max(at, job.firstRow));
      }
      await this.#forward(chunks);
      while (open[0] && open[0].at >= open[0].job.input.length) open.shift();
    }
  }

  async #forward(chunks: readonly Chunk[]): Promise<void> {
    const width = this.#runner.vocabularySize;
    const { batch, rows } = layOut(chunks);
    const logits = await this.#runner.forward(batch);
    invariant(logits.length === rows.length * width, 'as many rows of logits as were asked for');
    for (const [row, { job, position }] of rows.entries()) {
      const values = logits.subarray(row * width, (row + 1) * width);
      for (const { index, ids, from } of job.targets) {
        const next = ids[position + 1];
        if (position + 1 < from || next === undefined) continue;
        job.sums[index] = (job.sums[index] ?? 0) + logprobsOf(values, next, 0).logprob;
      }
    }
  }
}

interface Target extends ScoredSequence {
  readonly index: number;
}

interface Fork {
  readonly input: Uint32Array;
  /** First position whose logits are wanted. */
  firstRow: number;
  readonly targets: Target[];
}

interface GroupPlan {
  readonly route: Route;
  /** Tokens of the common beginning: whole pages. */
  readonly shared: number;
  readonly forks: readonly Fork[];
  readonly pages: number;
  /** Filled as rows come in. */
  readonly sums: number[];
}

/** Tokens [start, input.length) of one sequence, in its pages. */
interface Job {
  readonly input: Uint32Array;
  readonly start: number;
  readonly firstRow: number;
  readonly pages: readonly number[];
  readonly route: Route;
  readonly targets: readonly Target[];
  readonly sums: number[];
}

interface Chunk {
  readonly job: Job;
  readonly start: number;
  readonly count: number;
}

function beginning({ route, shared, forks, sums }: GroupPlan, firstPage: number, pageSize: number): Job[] {
  const input = forks[0]!.input.subarray(0, shared);
  const pages = pagesFrom(firstPage, shared / pageSize);
  return [{ input, start: 0, firstRow: shared, pages, route, targets: [], sums }];
}

function endings({ route, shared, forks, sums }: GroupPlan, firstPage: number, pageSize: number): Job[] {
  const common = pagesFrom(firstPage, shared / pageSize);
  let next = firstPage + common.length;
  return forks.map(({ input, firstRow, targets }) => {
    const own = pagesFrom(next, Math.ceil((input.length - shared) / pageSize));
    next += own.length;
    return { input, start: shared, firstRow, pages: [...common, ...own], route, targets, sums };
  });
}

function pagesFrom(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, at) => first + at);
}

function layOut(chunks: readonly Chunk[]): {
  batch: Parameters<ModelRunner['forward']>[0];
  rows: { job: Job; position: number }[];
} {
  const size = chunks.reduce((sum, { count }) => sum + count, 0);
  const maxPages = Math.max(1, ...chunks.map(({ job }) => job.pages.length));
  const tokens = new Uint32Array(size);
  const positions = new Uint32Array(size);
  const sequences = new Uint32Array(size);
  const routeOfToken = new Uint32Array(size);
  const pageTable = new Uint32Array(chunks.length * maxPages);
  const routes: Route[] = [];
  const rows: { job: Job; position: number }[] = [];
  const logitRows: number[] = [];
  let at = 0;
  for (const [sequence, { job, start, count }] of chunks.entries()) {
    const known = routes.indexOf(job.route);
    const route = known < 0 ? routes.push(job.route) - 1 : known;
    tokens.set(job.input.subarray(start, start + count), at);
    sequences.fill(sequence, at, at + count);
    routeOfToken.fill(route, at, at + count);
    pageTable.set(job.pages, sequence * maxPages);
    for (let position = start; position < start + count; position++, at++) {
      positions[at] = position;
      if (position < job.firstRow) continue;
      rows.push({ job, position });
      logitRows.push(at);
    }
  }
  return {
    batch: {
      tokens,
      positions,
      sequences,
      pageTable,
      maxPages,
      routeOfToken,
      routes,
      logitRows: Uint32Array.from(logitRows),
    },
    rows,
  };
}
