import { describe, expect, it } from 'vitest';
import { routingSegments } from '../../../src/base/router/routing-text.ts';
import type { RouterMessage } from '../../../src/base/router/types.ts';

const options = { lastTurnCharacters: 30, earlierTurns: 2, earlierTurnCharacters: 9, earlierTurnWeight: 0.3 };
const user = (content: string): RouterMessage => ({ role: 'user', content });

describe('routingSegments', () => {
  it('takes the last user turn in full weight and the nearest earlier ones as context', () => {
    const messages: RouterMessage[] = [
      { role: 'system', content: '系统' },
      user('一'),
      user('二'),
      { role: 'assistant', content: '答' },
      user('三'),
      user('四'),
      { role: 'tool', content: '工具' },
    ];
    expect(routingSegments(messages, options)).toEqual([
      { text: '四', weight: 1 },
      { text: '二', weight: 0.3 },
      { text: '三', weight: 0.3 },
    ]);
    expect(routingSegments(messages, { ...options, earlierTurns: 0 })).toEqual([{ text: '四', weight: 1 }]);
  });

  it('keeps the start and the end of a long turn', () => {
    const [segment] = routingSegments([user(`${'头'.repeat(500)}${'尾'.repeat(500)}`)], options);
    expect(segment?.text).toBe(`${'头'.repeat(20)} ${'尾'.repeat(10)}`);
  });

  it('cuts no character in half', () => {
    const [segment] = routingSegments([user('𠮷'.repeat(100))], { ...options, lastTurnCharacters: 15 });
    expect(segment?.text.isWellFormed()).toBe(true);
  });

  it('leaves out turns without a letter or digit', () => {
    expect(routingSegments([user('头疼'), user('？？？ 🙏')], options)).toEqual([
      { text: '头疼', weight: 0.3 },
    ]);
    expect(routingSegments([user('…')], options)).toEqual([]);
  });

  it('is empty where no user speaks', () => {
    expect(routingSegments([{ role: 'assistant', content: '您好' }], options)).toEqual([]);
  });
});
