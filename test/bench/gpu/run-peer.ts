/** The section `peer`: llama.cpp where its llama-bench and a model file are named; else how to come by them. */
import { comparePeer } from './peer.ts';
import { MODELS } from './random-model.ts';
import { mergeRows } from './report.ts';
import type { BenchContext } from './run-model.ts';
import { ServingModel } from './serving-model.ts';
import { PAGE_SIZE } from './step-request.ts';
import { openWatched } from './watched-gpu.ts';

const HOW = `llama.cpp was not compared. To do so, with a Vulkan build of llama.cpp (its releases have one):
  npm run bench:gpu -- --models 0.6b --write-gguf random.gguf
  llama-quantize random.gguf random-q8.gguf q8_0
  npm run bench:gpu -- --only peer,model --models 0.6b --weights q8 --llama …/llama-bench --gguf random-q8.gguf`;

export async function runPeer({ gpu, options, report, memoryBytes, say, save }: BenchContext): Promise<void> {
  const { llama, gguf } = options.peer;
  const [model] = options.models;
  const [formats] = options.formats;
  if (llama === undefined || gguf === undefined || model === undefined || formats === undefined) {
    report.skipped.push({ section: 'peer', what: 'llama.cpp', why: 'neither --llama nor --gguf was given' });
    say(`\n${HOW}`);
    return;
  }
  const watched = await openWatched(gpu, memoryBytes);
  const { maxTokens } = options;
  const pages = Math.ceil(maxTokens / PAGE_SIZE) + 8;
  const sizes = { config: MODELS[model]!, formats, shards: 1, pages, maxTokens };
  const serving = await ServingModel.open(watched.device, sizes);
  const about = { model, weights: formats.weights };
  const rows = await comparePeer(llama, gguf, serving, about, maxTokens);
  report.peer = mergeRows(report.peer, rows, (row) => [row.model, row.weights, row.test]);
  for (const { test, ours, theirs, ratio, peer } of rows) {
    say(
      `${model} ${formats.weights}, ${test}: ours ${ours.median.toFixed(0)} tokens/s, ${peer} ${theirs.median.toFixed(0)}: ratio ${ratio.toFixed(2)}`,
    );
  }
  await save();
  await watched.device.dispose();
}
