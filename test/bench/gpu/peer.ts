/** llama.cpp and we take turns on a model of the same shape and nearly the same format. */
import type { Llama } from './llama.ts';
import type { ServingModel } from './serving-model.ts';
import type { Cell } from './step-bench.ts';
import { alternate, spreadOf, type Spread } from './timing.ts';

export interface PeerRow {
  readonly model: string;
  readonly weights: string;
  readonly peer: string;
  readonly test: string;
  /** Tokens a second. */
  readonly theirs: Spread;
  readonly ours: Spread;
  readonly ratio: number;
}

export const GENERATED = 64;

/** A prompt of `prompt` tokens, and 64 tokens after none; ours at the last of their positions. */
export async function comparePeer(
  llama: Llama,
  serving: ServingModel,
  about: Pick<PeerRow, 'model' | 'weights'>,
  prompt: number,
  rounds: number,
): Promise<PeerRow[]> {
  const ourSpeeds = async () => ({
    name: '',
    prompt: await speed(serving, { sequences: 1, tokens: prompt, context: prompt }, 2),
    generated: await speed(serving, { sequences: 1, tokens: 1, context: GENERATED }, GENERATED),
  });
  const arms = [ourSpeeds, () => llama.run(prompt, GENERATED)];
  const [ours = [], theirs = []] = await alternate(arms, rounds);
  const peer = theirs[0]?.name ?? '';
  return (['prompt', 'generated'] as const).map((test) => {
    const [own, other] = [spreadOf(ours.map((one) => one[test])), spreadOf(theirs.map((one) => one[test]))];
    const said = test === 'prompt' ? `prompt of ${prompt}` : `${GENERATED} tokens after none`;
    return { ...about, peer, test: said, theirs: other, ours: own, ratio: own.median / other.median };
  });
}

/** Tokens a second. */
async function speed(serving: ServingModel, cell: Cell, repeats: number): Promise<number> {
  return (1000 * cell.tokens) / (await serving.time({ ...cell, asking: 'base' }, repeats));
}
