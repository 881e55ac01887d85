/** The section `peer`: llama.cpp where one is named, in each of the formats; else how to come by it. */
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openLlamaBench, openNodeLlama } from './llama.ts';
import { comparePeer, GENERATED } from './peer.ts';
import { writeRandomGguf } from './peer-gguf.ts';
import { MODELS } from './random-model.ts';
import { mergeRows } from './report.ts';
import type { BenchContext } from './run-model.ts';
import { ServingModel } from './serving-model.ts';
import type { Formats } from './step-model.ts';
import { PAGE_SIZE } from './step-request.ts';
import { openWatched } from './watched-gpu.ts';

const HOW = `llama.cpp was not compared: name a llama-bench built with Vulkan, or node-llama-cpp (see docs/bench/README.md):
  npm run bench:gpu -- --only peer --models 0.6b --weights q8 --llama …/llama-bench
  npm run bench:gpu -- --only peer --models 0.6b --weights q8 --llama node-llama-cpp`;

export async function runPeer(context: BenchContext): Promise<void> {
  const { options, report, say } = context;
  if (options.llama === undefined) {
    report.skipped.push({ section: 'peer', what: 'llama.cpp', why: 'no --llama was given' });
    say(`\n${HOW}`);
    return;
  }
  for (const model of options.models) {
    for (const formats of options.formats) await compare(context, options.llama, model, formats);
  }
}

async function compare(
  { gpu, options, report, memoryBytes, say, save }: BenchContext,
  program: string,
  model: string,
  formats: Formats,
): Promise<void> {
  const { maxTokens } = options;
  const config = MODELS[model]!;
  const gguf = join(tmpdir(), `sparsedoctor-${model}-${formats.weights}.gguf`);
  if (!existsSync(gguf)) {
    say(`writing ${gguf}`);
    await writeRandomGguf(config, formats.weights, gguf);
  }
  const positions = maxTokens + GENERATED;
  const { isSoftware } = report.machine;
  const llama =
    program === 'node-llama-cpp'
      ? await openNodeLlama(gguf, isSoftware, positions)
      : openLlamaBench(program, gguf);
  const watched = await openWatched(gpu, memoryBytes);
  try {
    const pages = Math.ceil(positions / PAGE_SIZE);
    const serving = await ServingModel.open(watched.device, { config, formats, shards: 1, pages, maxTokens });
    const about = { model, weights: formats.weights };
    const rows = await comparePeer(llama, serving, about, maxTokens, options.repeats.rounds);
    report.peer = mergeRows(report.peer, rows, (row) => [row.model, row.weights, row.test]);
    for (const { test, ours, theirs, ratio, peer } of rows) {
      const speeds = `ours ${ours.median.toFixed(0)} tokens/s, ${peer} ${theirs.median.toFixed(0)}`;
      say(`${model} ${formats.weights}, ${test}: ${speeds}: ratio ${ratio.toFixed(2)}`);
    }
    await save();
  } finally {
    await watched.device.dispose();
    await llama.close();
  }
}
