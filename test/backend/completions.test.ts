import { afterEach, describe, expect, it } from 'vitest';
import type { Completion } from '../../src/protocol/completions.ts';
import { expectedLogits, HashRunner } from '../support/hash-runner.ts';
import { byteVocabulary } from '../support/byte-tokenizer.ts';
import { readJson, startTestHost, type TestHost, type TestHostOptions } from '../support/test-host.ts';

let running: TestHost | undefined;

async function start(options?: TestHostOptions): Promise<TestHost> {
  running = await startTestHost(options);
  return running;
}

afterEach(async () => {
  await running?.host.close();
  running = undefined;
});

const ids = (text: string): number[] => [...new TextEncoder().encode(text)];

describe('POST /v1/completions', () => {
  it('continues text and token ids alike', async () => {
    const { openai } = await start();
    for (const prompt of ['abc', ids('abc')]) {
      const answer = await openai.completions.create({ model: 'base', prompt, max_tokens: 3 });
      expect(answer.choices[0]).toMatchObject({ text: 'def', finish_reason: 'length', logprobs: null });
    }
  });

  it('streams to the openai client, echo first', async () => {
    const { openai } = await start();
    const stream = await openai.completions.create({
      model: 'base',
      prompt: 'abc',
      max_tokens: 2,
      echo: true,
      stream: true,
      stream_options: { include_usage: true },
    });
    const pieces: string[] = [];
    let usage: unknown;
    for await (const chunk of stream) {
      if (chunk.choices[0]?.text) pieces.push(chunk.choices[0].text);
      usage = chunk.usage ?? usage;
    }
    expect(pieces).toEqual(['abc', 'd', 'e']);
    expect(usage).toEqual({ prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 });
  });

  it('scores a whole prompt of token ids as lm-eval asks for it', async () => {
    const { post } = await start({ runner: new HashRunner({ vocabularySize: byteVocabulary }) });
    const prompt = ids('病人: ok');
    const response = await post('/v1/completions', {
      model: 'base',
      prompt: [prompt],
      echo: true,
      max_tokens: 1,
      logprobs: 1,
      temperature: 0,
    });
    const { choices, usage } = await readJson<Completion>(response);
    const logprobs = choices[0]!.logprobs!;
    expect(logprobs.token_logprobs).toHaveLength(prompt.length + 1);
    expect(logprobs.top_logprobs).toHaveLength(prompt.length + 1);
    expect(logprobs.tokens).toHaveLength(prompt.length + 1);
    expect(logprobs.token_logprobs[0]).toBeNull();
    for (let position = 1; position < prompt.length; position++) {
      const logits = [...expectedLogits(prompt.slice(0, position), { shards: [] }, byteVocabulary)];
      const normaliser = Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0));
      expect(logprobs.token_logprobs[position]).toBeCloseTo(logits[prompt[position]!]! - normaliser, 4);
      const best = Math.max(...Object.values(logprobs.top_logprobs![position]!));
      expect(best).toBeCloseTo(Math.max(...logits) - normaliser, 4);
    }
    // The likeliest token was generated, so its own log probability is the best one.
    expect(Object.values(logprobs.top_logprobs!.at(-1)!)).toEqual([logprobs.token_logprobs.at(-1)]);
    expect(usage).toMatchObject({ prompt_tokens: prompt.length, completion_tokens: 1 });
  });

  it('gives text offsets that point into the echoed text', async () => {
    const { post } = await start();
    const response = await post('/v1/completions', {
      model: 'base',
      prompt: 'a你b',
      echo: true,
      max_tokens: 2,
      logprobs: 0,
    });
    const { choices } = await readJson<Completion>(response);
    expect(choices[0]!.text).toBe('a你bcd');
    // The bytes of 你 begin where the character does, and the character is complete with its last byte.
    expect(choices[0]!.logprobs!.text_offset).toEqual([0, 1, 1, 1, 2, 3, 4]);
    expect(choices[0]!.logprobs!.top_logprobs).toBeNull();
  });

  it('only scores with max_tokens 0', async () => {
    const { post } = await start();
    const request = { model: 'base', prompt: 'abc', echo: true, max_tokens: 0, logprobs: 1 };
    const { choices, usage } = await readJson<Completion>(await post('/v1/completions', request));
    expect(choices[0]).toMatchObject({ text: 'abc', finish_reason: 'length' });
    expect(choices[0]!.logprobs!.token_logprobs).toHaveLength(3);
    expect(usage).toMatchObject({ completion_tokens: 0 });
  });

  it('answers many prompts in order and counts them all', async () => {
    const { post } = await start();
    const prompts = Array.from({ length: 20 }, (_, n) => String.fromCodePoint(97 + n));
    const response = await post('/v1/completions', { model: 'base', prompt: prompts, max_tokens: 1 });
    const { choices, usage } = await readJson<Completion>(response);
    expect(choices.map((choice) => choice.text)).toEqual(
      prompts.map((prompt) => String.fromCodePoint(prompt.codePointAt(0)! + 1)),
    );
    expect(choices.map((choice) => choice.index)).toEqual(prompts.map((_, n) => n));
    expect(usage).toMatchObject({ prompt_tokens: 20, completion_tokens: 20 });
  });

  it('fails as a whole when one prompt is wrong, and leaves nothing running', async () => {
    const { post, engine } = await start();
    const response = await post('/v1/completions', {
      model: 'base',
      prompt: [[1], [2], [byteVocabulary], [3]],
      max_tokens: 500,
    });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { param: 'prompt' } });
    await expect.poll(() => engine.stats()).toMatchObject({ running: 0, waiting: 0, freePages: 512 });
  });
});
