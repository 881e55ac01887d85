/**
 * What lm-evaluation-harness's `local-completions` model sends and how it reads the answer (its `_create_payload` and
 * `parse_logprobs`): it cuts the context off the front and one entry off the back of each list, whatever their lengths.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { limits } from '../../src/protocol/limits.ts';
import { byteVocabulary, turnEnd, turnStart } from '../support/byte-tokenizer.ts';
import { expectedLogits, HashRunner } from '../support/hash-runner.ts';
import { readJson, startTestHost, type TestHost, type TestHostOptions } from '../support/test-host.ts';

let running: TestHost | undefined;

afterEach(async () => {
  await running?.host.close();
  running = undefined;
});

interface Harness {
  choices: {
    index: number;
    logprobs: { token_logprobs: number[]; top_logprobs: Record<string, number>[] };
  }[];
}

async function loglikelihoods(
  options: TestHostOptions,
  requests: readonly { context: number[]; continuation: number[] }[],
): Promise<{ logprob: number; greedy: boolean }[]> {
  running = await startTestHost(options);
  const response = await running.post('/v1/completions', {
    model: 'base',
    prompt: requests.map(({ context, continuation }) => [...context, ...continuation]),
    temperature: 0,
    max_tokens: 1,
    logprobs: 1,
    seed: 1234,
    echo: true,
  });
  expect(response.status).toBe(200);
  const { choices } = await readJson<Harness>(response);
  expect(choices).toHaveLength(requests.length);
  return choices
    .toSorted((left, right) => left.index - right.index)
    .map(({ logprobs }, at) => {
      const from = requests[at]!.context.length;
      const own = logprobs.token_logprobs.slice(from, -1);
      const top = logprobs.top_logprobs.slice(from, -1);
      expect(own).toHaveLength(requests[at]!.continuation.length);
      return {
        logprob: own.reduce((sum, value) => sum + value, 0),
        greedy: own.every((value, token) => value === Math.max(...Object.values(top[token]!))),
      };
    });
}

const bytes = (text: string): number[] => [...new TextEncoder().encode(text)];

/** ln p of the continuation and whether each of its tokens is the likeliest, from the model itself. */
function expected(context: number[], continuation: number[]): { logprob: number; greedy: boolean } {
  let logprob = 0;
  let greedy = true;
  for (const [at, token] of continuation.entries()) {
    const past = [...context, ...continuation.slice(0, at)];
    const logits = [...expectedLogits(past, { shards: [] }, byteVocabulary)];
    logprob += logits[token]! - Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0));
    greedy &&= logits[token] === Math.max(...logits);
  }
  return { logprob, greedy };
}

describe('a request of lm-evaluation-harness', () => {
  it('gets the log-likelihood of every continuation of a batch, and whether it is the greedy one', async () => {
    const context = bytes('以下是单项选择题。\n题目：主动脉瓣\n答案是：');
    const logits = expectedLogits(context, { shards: [] }, byteVocabulary);
    const likeliest = logits.indexOf(Math.max(...logits));
    const requests = [
      { context, continuation: bytes('A') },
      { context, continuation: [likeliest] },
      { context: bytes('x'), continuation: bytes(' 二尖瓣狭窄和关闭不全') },
      ...Array.from({ length: 20 }, (_, n) => ({ context: bytes('长'.repeat(n + 1)), continuation: [n] })),
    ];
    const runner = new HashRunner({ vocabularySize: byteVocabulary });
    const answers = await loglikelihoods({ runner }, requests);
    for (const [at, { context: before, continuation }] of requests.entries()) {
      const { logprob, greedy } = expected(before, continuation);
      expect(answers[at]!.logprob).toBeCloseTo(logprob, 6);
      expect(answers[at]!.greedy).toBe(greedy);
    }
    expect(answers[1]!.greedy).toBe(true);
  });

  it('keeps the end of its prompt where the generated token ends the text', async () => {
    const context = [turnStart, ...bytes('user\nhi'), turnEnd, turnStart, ...bytes('assistant\n')];
    // The parrot says the same and then ends its turn: the entry that is cut off is that of the end.
    const [answer] = await loglikelihoods({}, [{ context, continuation: bytes('hi') }]);
    expect(answer).toEqual({ logprob: expect.closeTo(0, 6), greedy: true });
  });

  it.each<[string, number[][], string]>([
    [
      'a prompt longer than the context',
      [[1], Array.from({ length: 64 }, () => 1)],
      'context_length_exceeded',
    ],
    [
      'more prompts than a request may have',
      Array.from({ length: limits.prompts + 1 }, () => [1]),
      'invalid_request',
    ],
  ])('is refused as a whole with %s', async (_title, prompt, code) => {
    running = await startTestHost({
      runner: new HashRunner({ vocabularySize: byteVocabulary, maxPositions: 64 }),
    });
    const body = {
      model: 'base',
      prompt,
      temperature: 0,
      max_tokens: 1,
      logprobs: 1,
      seed: 1234,
      echo: true,
    };
    const response = await running.post('/v1/completions', body);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { code } });
  });
});
