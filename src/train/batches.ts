/** Batches from packed rows: shuffled anew each epoch from the seed, so that any step's batch can be found again. */
import { CallerError } from '../base/errors.ts';
import { createRandom } from '../base/random.ts';
import { invariant } from '../base/invariant.ts';
import type { PackedDataset, PackedRow } from './data/packing.ts';
import type { Batch } from './trainer.ts';

export class RowSampler {
  readonly #rows: number;
  readonly #seed: number;
  #epoch = -1;
  #order: number[] = [];

  constructor(rows: number, seed: number) {
    invariant(rows > 0, 'there is nothing to sample from');
    this.#rows = rows;
    this.#seed = seed;
  }

  /** The row at a place of the endless shuffled sequence. */
  at(index: number): number {
    const epoch = Math.floor(index / this.#rows);
    if (epoch !== this.#epoch) {
      this.#order = Array.from({ length: this.#rows }, (_, row) => row);
      createRandom(this.#seed + epoch * 7919).shuffle(this.#order);
      this.#epoch = epoch;
    }
    return this.#order[index % this.#rows]!;
  }

  /** Rows of a step's batch of B. */
  batch(step: number, B: number): number[] {
    return Array.from({ length: B }, (_, row) => this.at(step * B + row));
  }
}

/** Without a row there is nothing to learn, or no figure to report. */
export function requireRows(dataset: PackedDataset, what: string): void {
  if (dataset.rowCount > 0) return;
  throw new CallerError(
    'no_rows',
    `${what} has nothing to learn: check the data directory and the run's JSON.`,
  );
}

/** B rows side by side. */
export function stackRows(rows: readonly PackedRow[]): Batch {
  const join = (field: keyof PackedRow): Uint32Array => {
    const T = rows[0]?.tokens.length ?? 0;
    const all = new Uint32Array(rows.length * T);
    rows.forEach((row, index) => all.set(row[field], index * T));
    return all;
  };
  return {
    tokens: join('tokens'),
    targets: join('targets'),
    positions: join('positions'),
    starts: join('starts'),
  };
}
