import { describe, expect, it } from 'vitest';
import { parseSamplingDefaults } from '../../src/model/sampling-defaults.ts';
import { parseChatRequest } from '../../src/protocol/chat.ts';

const body = { model: 'base', messages: [{ role: 'user', content: '你好' }] };

describe('sampling defaults of a checkpoint', () => {
  it('hold where a request does not say', () => {
    const defaults = parseSamplingDefaults(
      '{"temperature": 0.6, "top_k": 20, "top_p": 0.9, "eos_token_id": 3}',
    );
    expect(parseChatRequest(body, defaults).sampling).toMatchObject({
      temperature: 0.6,
      topK: 20,
      topP: 0.9,
    });
    const asked = parseChatRequest({ ...body, temperature: 1.5, top_k: -1 }, defaults).sampling;
    expect(asked).toMatchObject({ temperature: 1.5, topK: 0, topP: 0.9 });
  });

  it('are greedy where the authors do not sample, and OpenAI’s own without a file', () => {
    expect(parseSamplingDefaults('{"do_sample": false, "temperature": 0.7}')).toEqual({ temperature: 0 });
    expect(parseChatRequest(body, parseSamplingDefaults(undefined)).sampling.temperature).toBe(1);
  });

  it.each([
    ['{', 'it is not JSON'],
    ['{"temperature": "hot"}', 'temperature'],
    ['{"top_p": 0}', 'top_p'],
  ])('refuse %s', (text, problem) => {
    expect(() => parseSamplingDefaults(text)).toThrow(problem);
  });
});
