/** Trains and scores the n-gram model on documents of passages: texts and answers count, questions are only learnt. */
import type { DocumentScore } from '../bits-per-character.ts';
import type { NgramModel, NgramTrainer, TextKind } from './kneser-ney.ts';

export interface NgramDocument {
  readonly id: string;
  readonly specialty: string | null;
  readonly passages: readonly { readonly kind: TextKind; readonly text: string }[];
}

export async function addDocuments(
  trainer: NgramTrainer,
  documents: AsyncIterable<NgramDocument>,
): Promise<void> {
  for await (const { passages } of documents) {
    for (const { text, kind } of passages) trainer.add(text, kind);
  }
}

export async function scorePassages(
  model: NgramModel,
  documents: AsyncIterable<NgramDocument>,
): Promise<DocumentScore[]> {
  const scores: DocumentScore[] = [];
  for await (const { id, specialty, passages } of documents) {
    let [characters, nats] = [0, 0];
    for (const { text, kind } of passages) {
      if (kind === 'question') continue;
      const score = model.score(text, kind);
      characters += score.characters;
      nats += score.nats;
    }
    scores.push({ id, specialty, characters, nats });
  }
  return scores;
}
