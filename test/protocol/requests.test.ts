import { describe, expect, it } from 'vitest';
import { CallerError } from '../../src/base/errors.ts';
import { parseChatRequest } from '../../src/protocol/chat.ts';
import { parseCompletionRequest } from '../../src/protocol/completions.ts';
import { limits } from '../../src/protocol/limits.ts';

const chat = { model: 'sparsedoctor', messages: [{ role: 'user', content: '头痛怎么办？' }] };
const completion = { model: 'base', prompt: 'x' };

function failure(run: () => unknown): CallerError {
  try {
    run();
  } catch (error) {
    if (error instanceof CallerError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('parseChatRequest', () => {
  it('fills in OpenAI’s defaults', () => {
    expect(parseChatRequest(chat)).toEqual({
      model: 'sparsedoctor',
      messages: chat.messages,
      stream: false,
      includeUsage: false,
      sampling: {
        temperature: 1,
        topP: 1,
        topK: 0,
        minP: 0,
        presencePenalty: 0,
        frequencyPenalty: 0,
        repetitionPenalty: 1,
        seed: undefined,
      },
      stop: [],
      ignoreEos: false,
      shards: undefined,
      maxTokens: undefined,
      logprobs: false,
      topLogprobs: 0,
    });
  });

  it('joins text parts, reads developer as system, prefers max_completion_tokens, takes a stop string as a list', () => {
    const request = parseChatRequest({
      ...chat,
      messages: [
        { role: 'developer', content: 'Be brief.' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'a' },
            { type: 'text', text: 'b' },
          ],
        },
        { role: 'assistant', content: null },
      ],
      max_tokens: 5,
      max_completion_tokens: 7,
      stop: '\n',
    });
    expect(request.messages).toEqual([
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'ab' },
      { role: 'assistant', content: '' },
    ]);
    expect(request).toMatchObject({ maxTokens: 7, stop: ['\n'] });
  });

  it('lets OpenAI fields through that mean nothing here, and nulls in place of absent fields', () => {
    const request = parseChatRequest({
      ...chat,
      store: false,
      metadata: { a: 'b' },
      service_tier: 'auto',
      parallel_tool_calls: true,
      reasoning_effort: 'low',
      tools: [],
      tool_choice: 'auto',
      response_format: { type: 'text' },
      stop: null,
      seed: null,
      stream: null,
      stream_options: null,
      max_tokens: null,
      n: 1,
      logit_bias: {},
    });
    expect(request.stop).toEqual([]);
  });

  it('reads exact shards, and tells none from not said', () => {
    const shards = [{ name: 'neurology', version: '1.0', prior: 0.5 }];
    expect(parseChatRequest({ ...chat, sparsedoctor: { shards } }).shards).toEqual(shards);
    expect(parseChatRequest({ ...chat, sparsedoctor: { shards: [] } }).shards).toEqual([]);
    expect(parseChatRequest(chat).shards).toBeUndefined();
  });

  it.each<[string, unknown, string | null]>([
    ['a body that is no object', [], null],
    ['no model', { messages: chat.messages }, 'model'],
    ['no messages', { model: 'm', messages: [] }, 'messages'],
    ['messages that are no list', { model: 'm', messages: 'hi' }, 'messages'],
    ['an unknown role', { model: 'm', messages: [{ role: 'wizard', content: 'x' }] }, 'messages[0].role'],
    ['a number as content', { model: 'm', messages: [{ role: 'user', content: 3 }] }, 'messages[0].content'],
    ['no content', { model: 'm', messages: [{ role: 'user' }] }, 'messages[0].content'],
    [
      'an image part',
      { model: 'm', messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'x' } }] }] },
      'messages[0].content',
    ],
    ['only blank messages', { model: 'm', messages: [{ role: 'user', content: ' \n' }] }, 'messages'],
    ['temperature as text', { ...chat, temperature: '1' }, 'temperature'],
    ['temperature out of range', { ...chat, temperature: 2.1 }, 'temperature'],
    ['top_p of zero', { ...chat, top_p: 0 }, 'top_p'],
    ['max_tokens of zero', { ...chat, max_tokens: 0 }, 'max_tokens'],
    ['a fraction as seed', { ...chat, seed: 1.5 }, 'seed'],
    ['too many stop strings', { ...chat, stop: ['a', 'b', 'c', 'd', 'e'] }, 'stop'],
    ['an empty stop string', { ...chat, stop: [''] }, 'stop[0]'],
    ['stream as text', { ...chat, stream: 'yes' }, 'stream'],
    ['two choices', { ...chat, n: 2 }, 'n'],
    ['a logit bias', { ...chat, logit_bias: { 5: 1 } }, 'logit_bias'],
    ['JSON mode', { ...chat, response_format: { type: 'json_object' } }, 'response_format'],
    ['a forced tool', { ...chat, tool_choice: 'required' }, 'tool_choice'],
    ['top_logprobs without logprobs', { ...chat, top_logprobs: 2 }, 'top_logprobs'],
    ['too many top_logprobs', { ...chat, logprobs: true, top_logprobs: 21 }, 'top_logprobs'],
    [
      'a shard twice',
      {
        ...chat,
        sparsedoctor: {
          shards: [
            { name: 'a', version: '1', prior: 0.5 },
            { name: 'a', version: '2', prior: 0.5 },
          ],
        },
      },
      'sparsedoctor.shards',
    ],
    [
      'a prior of zero',
      { ...chat, sparsedoctor: { shards: [{ name: 'a', version: '1', prior: 0 }] } },
      'sparsedoctor.shards[0].prior',
    ],
  ])('refuses %s and names the field', (_title, body, param) => {
    expect(failure(() => parseChatRequest(body)).param).toBe(param);
  });

  it('refuses messages that are too long together', () => {
    const long = 'x'.repeat(limits.promptCharacters / 2 + 1);
    const error = failure(() =>
      parseChatRequest({ model: 'm', messages: [1, 2].map(() => ({ role: 'user', content: long })) }),
    );
    expect(error.code).toBe('context_length_exceeded');
  });

  it('never quotes what the caller wrote', () => {
    const secret = 'PATIENT-NAME';
    const error = failure(() =>
      parseChatRequest({
        model: 'm',
        messages: [{ role: secret, content: [{ type: secret, text: secret }] }],
        temperature: secret,
      }),
    );
    expect(error.message).not.toContain(secret);
    expect(error.message).toContain('messages[0].role');
    expect(error.message).toContain('temperature');
  });
});

describe('parseCompletionRequest', () => {
  it.each<[unknown, (string | number[])[]]>([
    ['text', ['text']],
    [[1, 2, 3], [[1, 2, 3]]],
    [
      ['a', 'b'],
      ['a', 'b'],
    ],
    [
      [[1], [2, 3]],
      [[1], [2, 3]],
    ],
  ])('reads prompt %j', (prompt, expected) => {
    const request = parseCompletionRequest({ ...completion, prompt });
    expect(request.prompts.map((one) => (typeof one === 'string' ? one : [...one]))).toEqual(expected);
    expect(request.maxTokens).toBe(16);
  });

  it('takes what lm-eval sends', () => {
    const request = parseCompletionRequest({
      model: 'base',
      prompt: [[1, 2]],
      temperature: 0,
      max_tokens: 1,
      logprobs: 1,
      seed: 1234,
      echo: true,
    });
    expect(request).toMatchObject({ echo: true, logprobs: 1, maxTokens: 1 });
  });

  it.each<[string, object, string]>([
    ['an empty text', { prompt: '' }, 'prompt'],
    ['an empty list', { prompt: [] }, 'prompt'],
    ['an empty list of ids', { prompt: [[]] }, 'prompt[0]'],
    ['a negative id', { prompt: [-1] }, 'prompt[0]'],
    ['mixed prompts', { prompt: ['a', [1]] }, 'prompt'],
    ['too many prompts', { prompt: Array.from({ length: limits.prompts + 1 }, () => 'a') }, 'prompt'],
    ['several prompts in a stream', { prompt: ['a', 'b'], stream: true }, 'prompt'],
    ['max_tokens 0 without echo', { max_tokens: 0 }, 'max_tokens'],
    ['logprobs as a flag', { logprobs: true }, 'logprobs'],
    [
      'echoed logprobs that no answer could hold',
      { prompt: Array.from({ length: 10 }, () => '心'.repeat(10_001)), echo: true, logprobs: 1 },
      'prompt',
    ],
    ['best_of', { best_of: 2 }, 'best_of'],
    ['a suffix', { suffix: 'x' }, 'suffix'],
  ])('refuses %s', (_title, change, param) => {
    expect(failure(() => parseCompletionRequest({ ...completion, ...change })).param).toBe(param);
  });
});
