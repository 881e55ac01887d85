/**
 * A bounded storm over the whole product: clients that ask, leave and err, while a shard is swapped back and forth, and
 * once the host is killed. Every answer is whole and names a version that was published; an error comes only while there is
 * no host; and at the end nothing is held that nobody uses.
 */
import { APIError, APIUserAbortError } from 'openai';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { question, startProduct, streamChat, type Product } from '../e2e/product.ts';

const CLIENTS = 6;
const ROUNDS = 40;
const TOKENS = 24;

let product: Product;

beforeAll(async () => {
  product = await startProduct();
});
afterAll(() => product?.close());

interface Tally {
  answers: number;
  left: number;
  refused: number;
  /** While the host was away. */
  failures: number;
  readonly versions: Set<string>;
  readonly surprises: string[];
}

/** From the kill until the edge knows a host again. */
let isHostAway = false;

async function ask(round: number, tally: Tally): Promise<void> {
  const models = ['sparsedoctor', 'sparsedoctor:cardiovascular', 'base'] as const;
  const model = models[round % models.length] ?? 'base';
  const leave = new AbortController();
  const leaves = round % 7 === 3;
  const beganAway = isHostAway;
  try {
    const answer = await streamChat(product.openai, {
      model,
      maxTokens: leaves ? 400 : TOKENS,
      seed: round,
      signal: leave.signal,
      onFirst: () => leaves && leave.abort(),
    });
    // The client ends a stream that it aborted without an error.
    if (leaves) {
      tally.left += 1;
      return;
    }
    tally.answers += 1;
    for (const { name, version } of answer.trace?.shards ?? []) {
      if (name === 'cardiovascular') tally.versions.add(version);
    }
    if (answer.finish !== 'length' || answer.completionTokens !== TOKENS) {
      tally.surprises.push(`cut answer: ${answer.finish}, ${answer.completionTokens} tokens`);
    }
  } catch (error) {
    if (error instanceof APIUserAbortError && leaves) tally.left += 1;
    else if (beganAway || isHostAway) tally.failures += 1;
    else tally.surprises.push(String(error));
  }
}

async function askBadly(tally: Tally): Promise<void> {
  const response = await product.fetch('/v1/chat/completions', { method: 'POST', body: '{"model":' });
  await response.body?.cancel();
  if (response.status === 400) tally.refused += 1;
  else tally.surprises.push(`bad input: ${response.status}`);
}

async function client(id: number, tally: Tally): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) {
    await ask(id * ROUNDS + round, tally);
    if (round % 5 === 4) await askBadly(tally);
    // While nobody can answer, a client waits a little, so that its rounds are not used up.
    if (isHostAway) await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

/** Back and forth until the clients are done; returns how many changes took effect. */
async function swap(isOver: () => boolean): Promise<number> {
  let changes = 0;
  for (let turn = 0; !isOver(); turn++) {
    const version = turn % 2 === 0 ? 'v2' : 'v1';
    const result = await product.stack.admin.activate('cardiovascular', version).catch(() => undefined);
    if (result?.state === 'active') changes += 1;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return changes;
}

test('a storm of clients, swaps and one killed host leaves no wrong answer and nothing behind', async () => {
  const tally: Tally = { answers: 0, left: 0, refused: 0, failures: 0, versions: new Set(), surprises: [] };
  let isOver = false;
  const clients = Array.from({ length: CLIENTS }, (_, id) => client(id, tally));
  const swaps = swap(() => isOver);
  await expect.poll(() => tally.answers, { timeout: 300_000, interval: 200 }).toBeGreaterThan(CLIENTS * 4);
  isHostAway = true;
  await product.stack.host().kill();
  await product.stack.restartHost();
  const knowsShards = async (): Promise<number> =>
    (
      await product.openai.chat.completions
        .create({ model: 'sparsedoctor:cardiovascular', messages: question, max_tokens: 1 })
        .asResponse()
        .catch((error: unknown) => ({ status: error instanceof APIError ? (error.status ?? 0) : 0 }))
    ).status;
  await expect.poll(knowsShards, { timeout: 120_000, interval: 500 }).toBe(200);
  isHostAway = false;
  await Promise.all(clients);
  isOver = true;
  const changes = await swaps;

  expect(tally.surprises).toEqual([]);
  expect([...tally.versions].sort()).toEqual(['v1', 'v2']);
  expect(tally).toMatchObject({ refused: CLIENTS * Math.floor(ROUNDS / 5) });
  expect(tally.answers + tally.left + tally.failures).toBe(CLIENTS * ROUNDS);
  expect(tally.answers).toBeGreaterThan((CLIENTS * ROUNDS) / 2);
  expect(changes).toBeGreaterThan(4);

  const metrics = async (): Promise<string> => (await product.fetch('/metrics')).text();
  await expect.poll(metrics, { timeout: 60_000, interval: 500 }).toMatch(/^vllm:num_requests_running 0$/m);
  expect(await metrics()).toMatch(/^vllm:num_requests_waiting 0$/m);
});
