/**
 * Finds stop strings in text that comes in pieces. Text that may be the beginning of one is held back until it is
 * decided, so a client never sees a part of a stop string.
 */

export interface StopFilter {
  /** Text that may be shown, and whether a stop string ended it. */
  push(text: string): { readonly text: string; readonly stopped: boolean };
  /** What is still held back when the answer ends. */
  end(): string;
}

export function createStopFilter(stops: readonly string[]): StopFilter {
  let held = '';
  return {
    push(text) {
      held += text;
      const found = stops.map((stop) => held.indexOf(stop)).filter((index) => index >= 0);
      if (found.length > 0) {
        const shown = held.slice(0, Math.min(...found));
        held = '';
        return { text: shown, stopped: true };
      }
      const keep = stops.reduce((longest, stop) => Math.max(longest, beginningAtEnd(held, stop)), 0);
      const shown = held.slice(0, held.length - keep);
      held = held.slice(held.length - keep);
      return { text: shown, stopped: false };
    },
    end() {
      const rest = held;
      held = '';
      return rest;
    },
  };
}

/** Length of the longest proper beginning of `stop` that `text` ends with. */
function beginningAtEnd(text: string, stop: string): number {
  for (let length = Math.min(text.length, stop.length - 1); length > 0; length--) {
    if (text.endsWith(stop.slice(0, length))) return length;
  }
  return 0;
}
