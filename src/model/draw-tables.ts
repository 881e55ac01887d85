/** What the kernel that chooses tokens reads of a step's draws; see kernels/sample. */
import { LIMITS, SETTINGS } from '../tensor/sampling-ops.ts';
import type { TokenDraw } from './runner.ts';

export interface DrawTables {
  /** [rows] indexes into the batch: the tokens after which one is chosen. */
  readonly after: Uint32Array;
  /** [rows, SETTINGS] */
  readonly settings: Float32Array;
  /** [rows, LIMITS] */
  readonly limits: Uint32Array;
  /** [entries, 2] */
  readonly seen: Uint32Array;
}

const LARGEST_U32 = 2 ** 32 - 1;
/** 1 / temperature at most: a difference of logits times this is finite, and beyond all rounding. */
const SHARPEST = 2 ** 60;

export function buildDrawTables(draws: readonly TokenDraw[]): DrawTables {
  const settings = new Float32Array(draws.length * SETTINGS);
  const limits = new Uint32Array(draws.length * LIMITS);
  const seen = new Uint32Array(draws.reduce((sum, draw) => sum + draw.seen.length, 0));
  let at = 0;
  for (const [row, draw] of draws.entries()) {
    const { temperature, topP, topK, minP } = draw.sampling;
    const { repetitionPenalty, presencePenalty, frequencyPenalty } = draw.sampling;
    const sharpness = temperature === 0 ? 0 : Math.min(1 / temperature, SHARPEST);
    settings.set([sharpness, minP, repetitionPenalty, presencePenalty, frequencyPenalty], row * SETTINGS);
    seen.set(draw.seen, at);
    const from = at / 2;
    at += draw.seen.length;
    limits.set(
      [Math.min(topK, LARGEST_U32), shareOf(topP), Math.floor(draw.uniform * 2 ** 32), from, at / 2],
      row * LIMITS,
    );
  }
  return { after: Uint32Array.from(draws, ({ after }) => after), settings, limits, seen };
}

/** In 2⁻³²; 0 stands for no limit. */
function shareOf(topP: number): number {
  if (topP >= 1) return 0;
  return Math.min(Math.max(1, Math.round(topP * 2 ** 32)), LARGEST_U32);
}
