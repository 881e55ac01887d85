/** Flattens scheduled chunks into the arrays that a model runner takes. */
import type { ForwardBatch, Route } from '../model/runner.ts';
import type { ScheduledChunk } from './scheduler.ts';

export function buildBatch(chunks: readonly ScheduledChunk[]): ForwardBatch {
  const size = chunks.reduce((sum, chunk) => sum + chunk.count, 0);
  const maxPages = chunks.reduce((most, chunk) => Math.max(most, chunk.sequence.pages.length), 1);
  const tokens = new Uint32Array(size);
  const positions = new Uint32Array(size);
  const sequences = new Uint32Array(size);
  const routeOfToken = new Uint32Array(size);
  const pageTable = new Uint32Array(chunks.length * maxPages);
  const logitRows: number[] = [];
  const routes: Route[] = [];
  const routeIndexes = new Map<string, number>();
  let at = 0;
  for (const [row, { sequence, start, count, logitsFrom }] of chunks.entries()) {
    let route = routeIndexes.get(sequence.routeKey);
    if (route === undefined) {
      route = routes.push(sequence.request.route) - 1;
      routeIndexes.set(sequence.routeKey, route);
    }
    tokens.set(sequence.tokens.subarray(start, start + count), at);
    sequences.fill(row, at, at + count);
    routeOfToken.fill(route, at, at + count);
    pageTable.set(sequence.pages, row * maxPages);
    for (let offset = 0; offset < count; offset++) {
      positions[at + offset] = start + offset;
      if (start + offset >= logitsFrom) logitRows.push(at + offset);
    }
    at += count;
  }
  return {
    tokens,
    positions,
    sequences,
    pageTable,
    maxPages,
    routeOfToken,
    routes,
    logitRows: Uint32Array.from(logitRows),
  };
}
