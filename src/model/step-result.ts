/** What was read back of a step, put together. */
import { NO_TOKEN, type StepResult } from './runner.ts';

/** Of the turns in which a step's rows were done: logits, and [rows, 2] of what TokenSampler read. */
export function stepResult(logits: readonly Float32Array[], drawn: readonly Float32Array[]): StepResult {
  const pairs = joined(drawn);
  const rows = Array.from({ length: pairs.length / 2 }, (_, row) => row);
  return {
    logits: joined(logits),
    tokens: Uint32Array.from(rows, (row) => (pairs[2 * row]! < 0 ? NO_TOKEN : pairs[2 * row]!)),
    logprobs: Float32Array.from(rows, (row) => pairs[2 * row + 1]!),
  };
}

function joined(parts: readonly Float32Array[]): Float32Array {
  if (parts.length === 1) return parts[0]!;
  const whole = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
