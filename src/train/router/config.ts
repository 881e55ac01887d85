/** What a router training run is made from: one JSON file, strict, so that a typo fails before training. */

import { z } from 'zod';

export const routerConfigSchema = z.strictObject({
  seed: z.number().int().nonnegative(),
  /** log2 of the hash buckets: 18 with 12 labels is 3.1 MB of int8 weights. */
  bucketBits: z.number().int().min(8).max(20),
  /** Weight of the n-grams of each order, from 1 on. */
  orderWeights: z.array(z.number().nonnegative()).min(1).max(5),
  /** N-grams in fewer rows than this are dropped: they are noise, and collide with the others. */
  minDocumentFrequency: z.number().int().min(1),
  /** Inverse regularisation of the support vector machine. */
  cost: z.number().positive(),
  maxEpochs: z.number().int().positive(),
  tolerance: z.number().positive(),
  /** Folds of the cross-fit that calibrates probabilities on rows the fold's model has not seen. */
  calibrationFolds: z.number().int().min(2),
  /** Weight of a gold row beside a weak one: the lexicon behind weak labels errs, and shares its errors with itself. */
  goldCost: z.number().positive(),
  /** Weight of one general prompt beside one labelled row; they are negatives for every specialty. */
  generalCost: z.number().nonnegative(),
  /** How a message list becomes text at the edge; stored in the model, so that both travel together. */
  context: z.strictObject({
    lastTurnCharacters: z.number().int().positive(),
    earlierTurns: z.number().int().nonnegative(),
    earlierTurnCharacters: z.number().int().positive(),
    earlierTurnWeight: z.number().min(0).max(1),
  }),
});
export type RouterConfig = z.infer<typeof routerConfigSchema>;
