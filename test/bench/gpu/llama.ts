/**
 * llama.cpp, which is measured beside us: by its own llama-bench, or through node-llama-cpp, whose package for Vulkan is
 * no part of the project (docs/bench/README.md says how to get either).
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { z } from 'zod';

const run = promisify(execFile);

/** Tokens a second. */
export interface LlamaSpeed {
  /** Version and device, as far as it tells. */
  readonly name: string;
  readonly prompt: number;
  readonly generated: number;
}

export interface Llama {
  /** A prompt of so many tokens, then so many generated after none. */
  run(prompt: number, generated: number): Promise<LlamaSpeed>;
  close(): Promise<void>;
}

const resultSchema = z.array(
  z.object({
    build_commit: z.string().default('unknown'),
    backends: z.string().default('unknown'),
    gpu_info: z.string().default('unknown'),
    n_prompt: z.number(),
    avg_ts: z.number(),
  }),
);

/** Every layer on the GPU, everything else as it comes. */
export function openLlamaBench(program: string, gguf: string): Llama {
  return {
    async run(prompt, generated) {
      const flags = ['-p', String(prompt), '-n', String(generated), '-r', '1', '-ngl', '99', '-o', 'json'];
      const { stdout } = await run(program, ['-m', gguf, ...flags], { maxBuffer: 1 << 24 });
      const results = resultSchema.parse(JSON.parse(stdout));
      const read = results.find(({ n_prompt }) => n_prompt > 0);
      const written = results.find(({ n_prompt }) => n_prompt === 0);
      if (!read || !written) throw new Error(`${program} did not report both a prompt and an answer`);
      const name = `llama-bench ${read.build_commit}, ${read.backends}, ${read.gpu_info}`;
      return { name, prompt: read.avg_ts, generated: written.avg_ts };
    },
    close: () => Promise.resolve(),
  };
}

/** On Vulkan with flash attention; on the CPU where the bench itself is only rehearsed. Never builds or downloads. */
export async function openNodeLlama(gguf: string, isRehearsal: boolean, positions: number): Promise<Llama> {
  const { getLlama, LlamaLogLevel } = await import('node-llama-cpp');
  const llama = await getLlama({
    gpu: isRehearsal ? false : 'vulkan',
    build: 'never',
    skipDownload: true,
    usePrebuiltBinaries: true,
    progressLogs: false,
    logLevel: LlamaLogLevel.disabled,
    // All layers are on the GPU, and with as many threads as it would choose it was seen to hang on busy cores.
    maxThreads: 1,
  });
  const devices = isRehearsal ? ['CPU'] : await llama.getGpuDeviceNames();
  if (devices.length === 0) throw new Error('llama.cpp found no GPU by Vulkan');
  const name = `llama.cpp ${llama.llamaCppRelease.release}, ${devices.join(', ')}`;
  const model = await llama.loadModel({ modelPath: gguf, gpuLayers: isRehearsal ? 0 : 'max' });
  const contextSize = Math.max(256, positions);
  const context = await model.createContext({ contextSize, batchSize: 512, flashAttention: !isRehearsal });
  const sequence = context.getSequence();
  const [token] = model.tokenize('a');
  if (token === undefined) throw new Error(`${gguf} has no token for "a"`);
  return {
    async run(prompt, generated) {
      await sequence.clearHistory();
      let start = performance.now();
      await sequence.evaluateWithoutGeneratingNewTokens(Array.from({ length: prompt }, () => token));
      const read = performance.now() - start;
      await sequence.clearHistory();
      start = performance.now();
      let written = 0;
      const options = { temperature: 0.7, topK: 20, topP: 0.8, yieldEogToken: true };
      for await (const next of sequence.evaluate([token], options)) {
        written += Number(next >= 0);
        if (written === generated) break;
      }
      const wrote = performance.now() - start;
      return { name, prompt: (1000 * prompt) / read, generated: (1000 * written) / wrote };
    },
    close: () => llama.dispose(),
  };
}
