/**
 * A step that is sent while the one before is under way: the same sequences, each one token further, whose tokens only the
 * device knows yet. The GPU then computes while the tokens travel. Whoever ends by the earlier step has one token too many
 * in the later one, which nobody sees.
 */
import type { ModelRunner } from '../model/runner.ts';
import type { BuiltBatch } from './batch.ts';
import type { ScheduledChunk, Scheduler } from './scheduler.ts';

/**
 * The chunks that follow those under way; undefined where something else may have to come next: somebody comes or leaves,
 * or has no page.
 */
export function chunksBehind(
  { results }: BuiltBatch,
  scheduler: Scheduler,
  runner: ModelRunner,
): ScheduledChunk[] | undefined {
  if (results.length > (runner.maxCarried ?? 0)) return undefined;
  if (scheduler.admits || scheduler.waiting.some(({ ended }) => ended)) return undefined;
  if (results.length !== scheduler.running.length) return undefined;
  const chunks: ScheduledChunk[] = [];
  for (const { chunk, draw } of results) {
    const { sequence } = chunk;
    const start = chunk.start + chunk.count;
    const ends = sequence.ended || start + 1 >= sequence.maxLength;
    if (draw === undefined || ends) return undefined;
    chunks.push({ sequence, start, count: 1, logitsFrom: start });
  }
  return chunks.every(({ sequence, start }) => scheduler.reserve(sequence, start + 1)) ? chunks : undefined;
}
