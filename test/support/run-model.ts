/**
 * Runs sequences through a `ModelRunner` as the engine would: chunks of several sequences in one batch, pages of the
 * cache scattered among them.
 */
import type { ForwardBatch, ModelRunner, Route } from '../../src/model/runner.ts';

export interface SequenceRun {
  readonly tokens: Uint32Array;
  readonly route?: Route;
}

const BASE: Route = { shards: [] };

/** Logits [sequence][position][V]. Each forward takes at most `chunk` tokens of every sequence. */
export async function runModel(
  model: ModelRunner,
  sequences: readonly SequenceRun[],
  chunk = Number.POSITIVE_INFINITY,
): Promise<Float32Array[][]> {
  const pageTable = scatterPages(model, sequences);
  const results = sequences.map((): Float32Array[] => []);
  const longest = Math.max(...sequences.map(({ tokens }) => tokens.length));
  for (let from = 0; from < longest; from += chunk) {
    const batch = makeBatch(sequences, from, from + chunk, pageTable);
    const logits = await model.forward(batch);
    for (const [row, sequence] of batch.sequences.entries()) {
      const { vocabularySize: V } = model;
      results[sequence]!.push(logits.slice(row * V, (row + 1) * V));
    }
    if (chunk === Number.POSITIVE_INFINITY) break;
  }
  return results;
}

function makeBatch(
  sequences: readonly SequenceRun[],
  from: number,
  to: number,
  { pageTable, maxPages }: Pick<ForwardBatch, 'pageTable' | 'maxPages'>,
): ForwardBatch {
  const routes = [...new Set(sequences.map(({ route }) => route ?? BASE))];
  const rows = sequences.flatMap(({ tokens, route = BASE }, sequence) =>
    [...tokens.subarray(from, to)].map((token, i) => {
      return { token, position: from + i, sequence, route: routes.indexOf(route) };
    }),
  );
  return {
    tokens: Uint32Array.from(rows, ({ token }) => token),
    positions: Uint32Array.from(rows, ({ position }) => position),
    sequences: Uint32Array.from(rows, ({ sequence }) => sequence),
    routeOfToken: Uint32Array.from(rows, ({ route }) => route),
    routes,
    pageTable,
    maxPages,
    logitRows: Uint32Array.from(rows.keys()),
  };
}

/** Sequence s takes the pages s, s + S, s + 2 S …, from the end of the cache: neither first nor in a row. */
function scatterPages(model: ModelRunner, sequences: readonly SequenceRun[]) {
  const pagesOf = sequences.map(({ tokens }) => Math.ceil(tokens.length / model.pageSize));
  const maxPages = Math.max(...pagesOf);
  const pageTable = new Uint32Array(sequences.length * maxPages);
  for (const [sequence, pages] of pagesOf.entries()) {
    for (let i = 0; i < pages; i++) {
      const page = model.pages - 1 - (i * sequences.length + sequence);
      if (page < 0) throw new Error('the sequences need more pages than the model has');
      pageTable[sequence * maxPages + i] = page;
    }
  }
  return { pageTable, maxPages };
}
