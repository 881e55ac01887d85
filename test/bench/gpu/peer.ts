/**
 * llama.cpp beside us, by its own llama-bench on a GGUF file of the same shape: it and we take turns. It is not part of the
 * project: docs/bench/README.md says where it comes from.
 */
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { z } from 'zod';
import { randomCheckpoint, MODELS } from './random-model.ts';
import type { ServingModel } from './serving-model.ts';
import type { Cell } from './step-bench.ts';
import { spreadOf, type Spread } from './timing.ts';

const run = promisify(execFile);

export interface PeerRow {
  readonly model: string;
  readonly weights: string;
  readonly peer: string;
  readonly test: string;
  /** Tokens a second. */
  readonly theirs: Spread;
  readonly ours: Spread;
  readonly ratio: number;
}

const resultSchema = z.array(
  z.object({
    build_commit: z.string().default('unknown'),
    backends: z.string().default('unknown'),
    gpu_info: z.string().default('unknown'),
    model_type: z.string().default('unknown'),
    n_prompt: z.number(),
    n_gen: z.number(),
    avg_ts: z.number(),
  }),
);

const ROUNDS = 3;
const GENERATED = 64;

/** A prompt of `prompt` tokens, and 64 tokens after none; ours at the same positions. */
export async function comparePeer(
  llama: string,
  gguf: string,
  serving: ServingModel,
  about: Pick<PeerRow, 'model' | 'weights'>,
  prompt: number,
): Promise<PeerRow[]> {
  const tests = [
    { test: `prompt of ${prompt}`, cell: { sequences: 1, tokens: prompt, context: prompt }, repeats: 1 },
    {
      test: `${GENERATED} tokens after none`,
      cell: { sequences: 1, tokens: 1, context: GENERATED },
      repeats: GENERATED,
    },
  ];
  const theirs: number[][] = tests.map(() => []);
  const ours: number[][] = tests.map(() => []);
  let peer = '';
  for (let round = 0; round < ROUNDS; round++) {
    const flags = ['-p', String(prompt), '-n', String(GENERATED), '-r', '1', '-ngl', '99', '-o', 'json'];
    const { stdout } = await run(llama, ['-m', gguf, ...flags], { maxBuffer: 1 << 24 });
    const results = resultSchema.parse(JSON.parse(stdout));
    for (const [index, { cell, repeats }] of tests.entries()) {
      const isPrompt = index === 0;
      const result = results.find(({ n_prompt }) => n_prompt > 0 === isPrompt);
      if (!result) throw new Error(`llama-bench gave no result for a ${tests[index]!.test}`);
      peer = `llama.cpp ${result.build_commit}, ${result.backends}, ${result.gpu_info}, ${result.model_type}`;
      theirs[index]!.push(result.avg_ts);
      ours[index]!.push(await speed(serving, cell, repeats));
    }
  }
  return tests.map(({ test }, index) => {
    const [own, other] = [spreadOf(ours[index]!), spreadOf(theirs[index]!)];
    return { ...about, peer, test, theirs: other, ours: own, ratio: own.median / other.median };
  });
}

/** Tokens a second. */
async function speed(serving: ServingModel, cell: Cell, repeats: number): Promise<number> {
  const request = { ...cell, asking: 'base' } as const;
  await serving.time(request, 1);
  return (1000 * cell.tokens) / (await serving.time(request, repeats));
}

/** The model of the bench as a GGUF file in f32, which `llama-quantize` makes smaller. It is held in memory twice. */
export async function writeRandomGguf(model: string, path: string): Promise<void> {
  const { ggufModel } = await import('../../support/gguf.ts');
  const checkpoint = randomCheckpoint(MODELS[model]!);
  const tensors = new Map<string, Float32Array>();
  for (const name of checkpoint.names) tensors.set(name, await checkpoint.tensor(name));
  await writeFile(path, ggufModel({ config: checkpoint.config, tensors }));
}
