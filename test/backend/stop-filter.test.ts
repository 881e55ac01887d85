import { describe, expect, it } from 'vitest';
import { createRandom } from '../../src/base/random.ts';
import { createStopFilter } from '../../src/backend/stop-filter.ts';

function run(pieces: string[], stops: string[]): { shown: string[]; stopped: boolean } {
  const filter = createStopFilter(stops);
  const shown: string[] = [];
  for (const piece of pieces) {
    const { text, stopped } = filter.push(piece);
    shown.push(text);
    if (stopped) return { shown, stopped: true };
  }
  return { shown: [...shown, filter.end()], stopped: false };
}

describe('createStopFilter', () => {
  it.each([
    ['a stop string in one piece', ['one END two'], ['END'], ['one '], true],
    ['a stop string split over pieces', ['one E', 'N', 'D two'], ['END'], ['one ', '', ''], true],
    ['a beginning that comes to nothing', ['one E', 'Nx'], ['END'], ['one ', 'ENx', ''], false],
    ['a beginning at the very end', ['one E'], ['END'], ['one ', 'E'], false],
    ['a restart inside a beginning', ['EEE', 'ND'], ['END'], ['EE', ''], true],
    ['the earliest of several', ['abc'], ['c', 'b'], ['a'], true],
    ['no stop strings', ['a', 'b'], [], ['a', 'b', ''], false],
  ])('handles %s', (_title, pieces, stops, shown, stopped) => {
    expect(run(pieces, stops)).toEqual({ shown, stopped });
  });

  it('shows the same text however it is cut', () => {
    const random = createRandom(1);
    for (let round = 0; round < 500; round++) {
      const text = Array.from({ length: 30 }, () => 'ab'.charAt(random.integer(2))).join('');
      const stops = ['abba', 'baab', 'aaaab'];
      const pieces: string[] = [];
      for (let at = 0; at < text.length;) pieces.push(text.slice(at, (at += 1 + random.integer(4))));
      // One character at a time is the definition: the answer ends as soon as a stop string is complete.
      const whole = run(text.split(''), stops);
      const cut = run(pieces, stops);
      const found = stops.map((stop) => text.indexOf(stop)).filter((index) => index >= 0);
      expect(cut.stopped).toBe(found.length > 0);
      expect(cut.stopped).toBe(whole.stopped);
      if (!cut.stopped) expect(cut.shown.join('')).toBe(text);
      expect(text.startsWith(cut.shown.join(''))).toBe(true);
      for (const stop of stops) expect(cut.shown.join('')).not.toContain(stop);
    }
  });
});
