/** Stopping on validation: a run ends when validations in a row have not become better. */

export interface StopRule {
  /** Validations in a row without getting better, after which a run ends. */
  readonly patience: number;
  /** Nats that a validation must be below the best so far to be better. */
  readonly minDelta: number;
}

export class EarlyStop {
  readonly #rule: StopRule;
  #best = Infinity;
  #waited = 0;

  /** `validations`: those of the steps before, in order, so that a resumed run stops where a whole one does. */
  constructor(rule: StopRule, validations: readonly number[]) {
    this.#rule = rule;
    for (const validation of validations) this.isBetter(validation);
  }

  get isOver(): boolean {
    return this.#waited >= this.#rule.patience;
  }

  /** Takes the next validation; whether it is the best so far. */
  isBetter(validation: number): boolean {
    if (validation < this.#best - this.#rule.minDelta || this.#best === Infinity) {
      this.#best = validation;
      this.#waited = 0;
      return true;
    }
    this.#waited++;
    return false;
  }
}
