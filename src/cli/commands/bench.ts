/** `sparsedoctor bench`: tokens per second of prompt and of answer, alone and in batches, on this machine. */
import type { Command } from 'commander';
import { silentLogger } from '../../base/logger.ts';
import { createRandom } from '../../base/random.ts';
import { greedy } from '../../engine/request.ts';
import type { Route } from '../../model/runner.ts';
import { readSettings } from '../config.ts';
import type { ServiceContext } from '../context.ts';
import { openModel, type OpenModel } from '../open-model.ts';
import { listShardFiles, newestOfEach } from '../shard-files.ts';
import { withModelOptions } from './serve.ts';

const PROMPT_TOKENS = 128;
const ANSWER_TOKENS = 128;
const batches = [1, 2, 4, 8, 16];
/** Code is compiled as it runs: the first answers are slower. */
const WARM_UPS = 5;
/** Of each cell; the median counts. */
const RUNS = 3;

export function registerBenchCommand(program: Command, context: ServiceContext): void {
  withModelOptions(
    program.command('bench').description('measure tokens per second, with and without experts'),
  ).action(async (flags: Record<string, string | undefined>) => {
    const settings = await readSettings(flags, context.environment);
    const shards = newestOfEach(await listShardFiles(settings.shards)).slice(0, 3);
    const model = await openModel(settings, shards, silentLogger);
    context.print(
      `${model.device.description}; weights ${settings.weights}; ${PROMPT_TOKENS} prompt and ${ANSWER_TOKENS} answer tokens each`,
    );
    context.print('requests  shards  prompt tokens/s  answer tokens/s  dispatches a layer');
    try {
      for (let run = 0; run < WARM_UPS; run++) await measure(model, 1, []);
      for (const size of batches.filter((size) => size <= settings.maxConcurrent)) {
        for (const used of [[], shards.slice(0, 1), shards].filter(
          (list, i, all) => all[i - 1]?.length !== list.length,
        )) {
          const uses = used.map(({ specialty, version }) => ({
            name: specialty,
            version,
            prior: 1 / used.length,
          }));
          const runs: Speeds[] = [];
          for (let run = 0; run < RUNS; run++) runs.push(await measure(model, size, uses));
          const prompt = median(runs.map((speeds) => speeds.prompt));
          const answer = median(runs.map((speeds) => speeds.answer));
          const cells = [String(size).padStart(8), String(used.length).padStart(6)];
          context.print(
            [
              ...cells,
              prompt.toFixed(0).padStart(15),
              answer.toFixed(1).padStart(15),
              String(model.transformer.dispatchesPerLayer).padStart(18),
            ].join('  '),
          );
        }
      }
    } finally {
      await model.close();
    }
  });
}

interface Speeds {
  readonly prompt: number;
  readonly answer: number;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

type Uses = Parameters<OpenModel['shards']['acquire']>[0];

/** Tokens per second over all requests: of the prompts until each has its first token, of the answers from then on. */
async function measure(model: OpenModel, size: number, uses: Uses): Promise<Speeds> {
  const lease = model.shards.acquire(uses);
  const begun = performance.now();
  let lastFirst = begun;
  let afterFirsts = 0;
  const run = async (seed: number): Promise<void> => {
    let count = 0;
    for await (const event of model.engine.generate(requestOf(model, lease.route, seed))) {
      if (event.kind !== 'token') continue;
      count += 1;
      if (count === 1) {
        lastFirst = performance.now();
        afterFirsts = 0;
      } else {
        afterFirsts += 1;
      }
    }
  };
  await Promise.all(Array.from({ length: size }, (_, seed) => run(seed)));
  const ended = performance.now();
  lease.release();
  return {
    prompt: (size * PROMPT_TOKENS * 1000) / (lastFirst - begun),
    answer: (afterFirsts * 1000) / (ended - lastFirst),
  };
}

function requestOf(model: OpenModel, route: Route, seed: number) {
  const random = createRandom(seed);
  const prompt = Uint32Array.from({ length: PROMPT_TOKENS }, () =>
    random.integer(model.config.vocabularySize),
  );
  return { prompt, maxTokens: ANSWER_TOKENS, sampling: greedy, stopTokens: [], route };
}
