/**
 * Tokens that a device chooses, held against the engine's own sampler in doubles: the same ones, but where the draw lies
 * within rounding of a boundary, and with the frequencies that the logits say.
 */
import assert from 'node:assert/strict';
import { createRandom, type Random } from '../../src/base/random.ts';
import { logprobsOf, sampleToken } from '../../src/engine/sampler.ts';
import { SeenTokens } from '../../src/engine/seen-tokens.ts';
import { buildDrawTables } from '../../src/model/draw-tables.ts';
import type { SamplingSettings, TokenDraw } from '../../src/model/runner.ts';
import { NONE, type Device } from '../../src/tensor/device.ts';
import { LIMITS, sample, SETTINGS } from '../../src/tensor/sampling-ops.ts';
import { createTensor, readTensor, writeTensor } from '../../src/tensor/tensors.ts';

export type Draw = Pick<TokenDraw, 'sampling' | 'uniform' | 'seen'>;

export interface Sampled {
  /** NONE where the row is broken. */
  readonly tokens: Uint32Array;
  readonly logprobs: Float32Array;
}

export const plain: SamplingSettings = {
  temperature: 1,
  topP: 1,
  topK: 0,
  minP: 0,
  presencePenalty: 0,
  frequencyPenalty: 0,
  repetitionPenalty: 1,
};
export const nothingSeen = new Uint32Array(0);

/** How far from a boundary a draw, or an end of top-p or min-p, must lie for all devices to agree: shares of the whole. */
const ROUNDING = 2e-6;

/** logits [draws, V]. `latest` [draws]: tokens that what was seen lacks one mention of. */
export async function sampleOnDevice(
  device: Device,
  logits: Float32Array,
  draws: readonly Draw[],
  latest?: Uint32Array,
): Promise<Sampled> {
  const rows = draws.length;
  const tables = buildDrawTables(draws.map((draw) => ({ ...draw, after: 0 })));
  const entries = tables.seen.length / 2;
  const input = createTensor(device, 'logits', [rows, logits.length / rows]);
  const settings = createTensor(device, 'settings', [rows, SETTINGS]);
  const limits = createTensor(device, 'limits', [rows, LIMITS], 'u32');
  const seen = createTensor(device, 'seen', [entries, 2], 'u32');
  const raw = createTensor(device, 'raw', [entries]);
  const tokens = createTensor(device, 'tokens', [rows], 'u32');
  const sampled = createTensor(device, 'sampled', [rows, 2]);
  await writeTensor(device, input, logits);
  await writeTensor(device, settings, tables.settings);
  await writeTensor(device, limits, tables.limits);
  if (entries > 0) await writeTensor(device, seen, tables.seen);
  if (latest) await writeTensor(device, tokens, latest);
  const carried = latest !== undefined;
  await device.submit([sample(input, { settings, limits, seen }, raw, { tokens, sampled }, carried)]);
  const chosen = new Uint32Array(await device.read(tokens.buffer, 0, rows * 4));
  const pairs = await readTensor(device, sampled);
  for (const { buffer } of [input, settings, limits, seen, raw, tokens, sampled]) device.free(buffer);
  for (const [row, token] of chosen.entries()) assert.equal(pairs[2 * row], token === NONE ? -1 : token);
  return { tokens: chosen, logprobs: pairs.filter((_, index) => index % 2 === 1) };
}

/** `rounds` times a row of each way of sampling over V random logits. */
export async function checkDraws(device: Device, V: number, rounds: number): Promise<void> {
  const random = createRandom(V);
  const draws = Array.from({ length: rounds }, () => ways(random, V)).flat();
  const rows = draws.map(() => randomRow(random, V));
  const { tokens, logprobs } = await sampleOnDevice(device, joined(rows), draws);
  let certain = 0;
  for (const [index, draw] of draws.entries()) {
    const row = rows[index]!;
    const token = tokens[index]!;
    const allowed = tokensWithinRounding(row, draw);
    const where = `row ${index} ${JSON.stringify(draw.sampling)}, draw ${draw.uniform}`;
    assert(allowed.has(token), `${where}: token ${token} is none of ${[...allowed].join(' ')}`);
    if (allowed.size === 1) certain += 1;
    const { logprob } = logprobsOf(row, token, 0);
    assert(Math.abs(logprobs[index]! - logprob) < 1e-5, `${where}: ${logprobs[index]} for ${logprob}`);
  }
  assert(certain > 0.97 * draws.length, `only ${certain} of ${draws.length} draws are far from a boundary`);
}

/** Draws that divide [0, 1) evenly: each token is chosen as often as its share says, give or take one. */
export async function checkShares(device: Device, draws: number): Promise<void> {
  const shares = [0.4, 0.01, 0.25, 0, 0.25, 0.09];
  const logits = shares.map((share) => Math.log(share));
  const rows = Array.from({ length: draws }, (_, n) => ({
    sampling: plain,
    uniform: (n + 0.5) / draws,
    seen: nothingSeen,
  }));
  const { tokens } = await sampleOnDevice(device, joined(rows.map(() => Float32Array.from(logits))), rows);
  for (const [token, share] of shares.entries()) {
    const count = tokens.filter((chosen) => chosen === token).length;
    assert(Math.abs(count - share * draws) <= (share > 0 ? 1 : 0), `token ${token}: ${count} of ${draws}`);
  }
}

/** A row's token is the same alone, and wherever it lies among others. */
export async function checkRowsAlike(device: Device): Promise<void> {
  const V = 777;
  const random = createRandom(5);
  const draws = ways(random, V);
  const rows = draws.map(() => randomRow(random, V));
  const together = await sampleOnDevice(device, joined([...rows, ...rows]), [...draws, ...draws]);
  for (const [index, draw] of draws.entries()) {
    const alone = await sampleOnDevice(device, rows[index]!, [draw]);
    for (const at of [index, index + rows.length]) {
      assert.equal(together.tokens[at], alone.tokens[0]);
      assert.equal(together.logprobs[at], alone.logprobs[0]);
    }
  }
}

/** A token that only the device knows counts as it does when it is listed, bit for bit. */
export async function checkCarried(device: Device): Promise<void> {
  const V = 64;
  const random = createRandom(6);
  const prompt = Uint32Array.from({ length: 12 }, () => random.integer(V));
  const latest = Uint32Array.from({ length: 24 }, (_, n) => (n % 2 ? prompt[n >> 1]! : random.integer(V)));
  const sampling = { ...plain, repetitionPenalty: 1.7, presencePenalty: 0.5, frequencyPenalty: 0.3 };
  const drawsAfter = (answers: readonly (readonly number[])[]): Draw[] =>
    answers.map((answer) => {
      const { pairs } = new SeenTokens(prompt, Uint32Array.from(answer), 20);
      return { sampling: { ...sampling, temperature: answer.length - 1 }, uniform: 0.7, seen: pairs };
    });
  const rows = joined(Array.from(latest, () => randomRow(random, V)));
  const listed = Array.from(latest, (token, n) => (n % 3 ? [3, token] : [token]));
  const draws = drawsAfter(listed);
  const lacking = drawsAfter(listed.map((answer) => answer.slice(0, -1))).map(({ seen, uniform }, n) => {
    return { sampling: draws[n]!.sampling, uniform, seen };
  });
  const expected = await sampleOnDevice(device, rows, draws);
  assert.deepEqual(await sampleOnDevice(device, rows, lacking, latest), expected);
  const without = await sampleOnDevice(device, rows, lacking);
  assert.notDeepEqual(without.tokens, expected.tokens);
}

/** What the sampler would choose if rounding moved the draw and the ends of top-p and min-p. */
function tokensWithinRounding(row: Float32Array, { sampling, uniform, seen }: Draw): Set<number> {
  const signs = [-1, 0, 1];
  const moved = signs.flatMap((a) => signs.flatMap((b) => signs.map((c) => [a, b, c] as const)));
  const tokens = moved.map(([a, b, c]) => {
    const topP = sampling.topP < 1 ? Math.min(1 - 1e-12, sampling.topP + b * ROUNDING) : 1;
    const minP = sampling.minP * (1 + c * ROUNDING);
    const draw = Math.min(1 - 2 ** -32, Math.max(0, uniform + a * ROUNDING));
    return sampleToken(row, { sampling: { ...sampling, topP, minP }, uniform: draw, seen });
  });
  return new Set(tokens);
}

function ways(random: Random, V: number): Draw[] {
  const prompt = Uint32Array.from({ length: 20 }, () => random.integer(V));
  const answer = Uint32Array.from({ length: 20 }, () => random.integer(V));
  const seen = new SeenTokens(prompt, answer, 40).pairs;
  const settings: Partial<SamplingSettings>[] = [
    { temperature: 0 },
    {},
    { temperature: 0.3 },
    { topK: 1 },
    { topK: 40, topP: 0.9, temperature: 0.6 },
    { topP: 0.05 },
    { topP: 0.99 },
    { minP: 0.1 },
    { temperature: 1.9, topK: 100, topP: 0.8, minP: 0.02 },
    { temperature: 0, repetitionPenalty: 1.5 },
    { temperature: 0.6, topK: 40, topP: 0.9, repetitionPenalty: 1.1 },
    { presencePenalty: 1.5, frequencyPenalty: 0.5 },
  ];
  return settings.map((some) => ({ sampling: { ...plain, ...some }, uniform: random.uniform(), seen }));
}

/** Every tenth token is masked, and every seventh has the logit of the one before. */
function randomRow(random: Random, V: number): Float32Array {
  const row = Float32Array.from({ length: V }, () => 3 * random.normal());
  return row.map((logit, v) => (v % 10 === 9 ? -Infinity : v % 7 === 6 ? row[v - 1]! : logit));
}

function joined(rows: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(rows.reduce((sum, row) => sum + row.length, 0));
  let at = 0;
  for (const row of rows) {
    whole.set(row, at);
    at += row.length;
  }
  return whole;
}
