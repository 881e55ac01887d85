/**
 * llama.cpp as a second opinion, through node-llama-cpp's prebuilt CPU binary: float32 weights, float32 KV cache, one
 * thread, no flash attention. It never builds or downloads anything: without its binary it fails, and says so.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getLlama, LlamaLogLevel, type Llama, type LlamaModel, type Token } from 'node-llama-cpp';

export interface LlamaRun {
  /** A GGUF model file's bytes. */
  readonly model: Uint8Array;
  /** A GGUF adapter file's bytes. */
  readonly lora?: Uint8Array;
  readonly tokens: Iterable<number>;
  readonly vocabularySize: number;
}

let started: Promise<Llama> | undefined;

/** Raw logits [T][V] of one sequence. */
export async function llamaLogits(run: LlamaRun): Promise<Float64Array[]> {
  started ??= getLlama({
    gpu: false,
    build: 'never',
    skipDownload: true,
    usePrebuiltBinaries: true,
    progressLogs: false,
    logLevel: LlamaLogLevel.error,
    maxThreads: 1,
  });
  const llama = await started;
  const folder = await mkdtemp(join(tmpdir(), 'sparsedoctor-gguf-'));
  try {
    const modelPath = join(folder, 'model.gguf');
    await writeFile(modelPath, run.model);
    let lora: { adapters: { filePath: string; scale: number }[] } | undefined;
    if (run.lora !== undefined) {
      const filePath = join(folder, 'lora.gguf');
      await writeFile(filePath, run.lora);
      lora = { adapters: [{ filePath, scale: 1 }] };
    }
    const model = await llama.loadModel({ modelPath, gpuLayers: 0, defaultContextFlashAttention: false });
    try {
      return await evaluate(model, lora, [...run.tokens], run.vocabularySize);
    } finally {
      await model.dispose();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function evaluate(
  model: LlamaModel,
  lora: { adapters: { filePath: string; scale: number }[] } | undefined,
  tokens: readonly number[],
  vocabularySize: number,
): Promise<Float64Array[]> {
  const context = await model.createContext({
    sequences: 1,
    contextSize: Math.max(64, tokens.length + 1),
    threads: 1,
    flashAttention: false,
    experimentalKvCacheKeyType: 'F32',
    experimentalKvCacheValueType: 'F32',
    ...(lora === undefined ? {} : { lora }),
  });
  try {
    const generateNext = { logits: true, options: { temperature: 0 } } as const;
    const items = tokens.map((token): [Token, { generateNext: typeof generateNext }] => [
      // node-llama-cpp brands its token ids and offers no way to make one.
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion
      token as Token,
      { generateNext },
    ]);
    const results = await context.getSequence().controlledEvaluate(items);
    return results.map((result) => {
      const logits = result?.next.logits;
      if (logits === undefined || logits.size !== vocabularySize) {
        throw new Error(
          `llama.cpp gave ${logits?.size ?? 'no'} logits for a vocabulary of ${vocabularySize}`,
        );
      }
      const row = new Float64Array(vocabularySize);
      for (const [token, logit] of logits) row[token] = logit;
      return row;
    });
  } finally {
    await context.dispose();
  }
}
