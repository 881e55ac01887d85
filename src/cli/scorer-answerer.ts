/** Answers an evaluation with the trainer's forward pass: for arms of an ablation, before anything is exported. */
import { CallerError } from '../base/errors.ts';
import type { Answerer } from '../eval/answerer.ts';
import type { Scorer } from '../train/scorer.ts';
import type { ActiveShards } from '../train/shard-routes.ts';
import type { PromptEncoder } from './prompt-encoder.ts';

/** `activeFor`: the shards of a question, by its label. `longest`: the scorer's row length, in tokens. */
export function createScorerAnswerer(
  scorer: Pick<Scorer, 'score'>,
  encoder: PromptEncoder,
  activeFor: (specialty: string | null) => ActiveShards,
  longest: number,
): Pick<Answerer, 'scoreContinuations'> {
  return {
    async scoreContinuations(requests, onProgress = () => {}) {
      const active: ActiveShards[] = [];
      const windows = requests.flatMap(({ id, prompt, continuations, specialty }) =>
        continuations.map((continuation) => {
          const { ids, from } = encoder.encodeWith(prompt, continuation);
          if (ids.length > longest) {
            const message = `Question ${id} takes ${ids.length} tokens; the scorer's rows have ${longest}: make them longer.`;
            throw new CallerError('context_length_exceeded', message);
          }
          active.push(activeFor(specialty));
          const mask = new Uint8Array(ids.length).fill(1, from);
          return { ids: [...ids], mask, tokens: ids.length - from };
        }),
      );
      // Progress is told in questions: windows are done in an order of the scorer's own.
      const perRequest = windows.length / Math.max(1, requests.length);
      const nats = await scorer.score(windows, active, (done) => onProgress(Math.floor(done / perRequest)));
      let at = 0;
      return requests.map(({ continuations }) =>
        continuations.map(() => {
          const score = { logLikelihood: -(nats[at] ?? 0), tokens: windows[at]?.tokens ?? 0 };
          at += 1;
          return score;
        }),
      );
    },
  };
}
