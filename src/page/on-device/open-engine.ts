/** From downloaded files to an engine that answers in this browser: what cli/open-model.ts is for a host. */
import { createFallbackRouter, type FallbackRouter } from '../../base/router/fallback.ts';
import { CallerError, InternalError } from '../../base/errors.ts';
import { Engine } from '../../engine/engine.ts';
import { greedy } from '../../engine/request.ts';
import { readText } from '../../model/byte-source.ts';
import { createChatEncoder, type ChatEncoder } from '../../model/chat-template.ts';
import { openCheckpoint } from '../../model/checkpoint.ts';
import type { ResidentShard } from '../../model/runner.ts';
import { parseSamplingDefaults, type SamplingDefaults } from '../../model/sampling-defaults.ts';
import { readShardFile } from '../../model/shard-file.ts';
import { createTokenizer, type Tokenizer } from '../../model/tokenizer.ts';
import { Transformer } from '../../model/transformer.ts';
import type { Device } from '../../tensor/device.ts';
import { createBrowserWasmDevice } from '../../tensor/wasm/browser.ts';
import { createBrowserWebgpuDevice } from '../../tensor/webgpu/browser.ts';
import type { DeviceChoice } from './messages.ts';
import { filesBelow, wholeFile, type ModelFiles } from './model-files.ts';

export interface LocalEngine {
  readonly device: Device;
  readonly engine: Engine;
  readonly tokenizer: Tokenizer;
  readonly chat: ChatEncoder;
  readonly samplingDefaults: SamplingDefaults;
  readonly router: FallbackRouter;
  /** By specialty. */
  readonly shards: ReadonlyMap<string, ResidentShard>;
  close(): Promise<void>;
}

const pageSize = 16;
/** Prompts go in pieces of this many tokens, so that a stop is heard soon on a slow device, too. */
const maxBatchTokens = 128;

export interface OpenedDevice {
  readonly device: Device;
  /** There is a real GPU, and it could not be used. */
  readonly gpuFailed: boolean;
}

export async function openDevice(choice: DeviceChoice, files: ModelFiles): Promise<OpenedDevice> {
  let gpuFailed = false;
  if (choice !== 'wasm') {
    try {
      const shaders = readShaders(wholeFile(files, 'kernels/shaders.json'));
      const allowFallbackAdapter = choice === 'webgpu-software';
      return { device: await createBrowserWebgpuDevice({ shaders, allowFallbackAdapter }), gpuFailed };
    } catch (error) {
      if (choice !== 'auto') throw error;
      gpuFailed = !(error instanceof InternalError && error.code === 'no_gpu');
    }
  }
  const device = await createBrowserWasmDevice({
    builds: {
      relaxed: wholeFile(files, 'kernels/relaxed.wasm'),
      simd: wholeFile(files, 'kernels/simd.wasm'),
    },
    threadScript: files.plan.manifest.threadScript,
  });
  return { device, gpuFailed };
}

/** Loads the model onto the device, and answers one token of it: shaders compile and threads start here, not later. */
export async function openEngine(device: Device, files: ModelFiles): Promise<LocalEngine> {
  const source = filesBelow(files, 'base/');
  const checkpoint = await openCheckpoint(source);
  const { config } = checkpoint;
  const generationConfig = await readText(source, 'generation_config.json');
  const tokenizer = createTokenizer({
    tokenizer: (await readText(source, 'tokenizer.json')) ?? '',
    tokenizerConfig: (await readText(source, 'tokenizer_config.json')) ?? '',
    ...(generationConfig === undefined ? {} : { generationConfig }),
  });
  if (tokenizer.vocabularySize > config.vocabularySize) {
    throw new CallerError('bad_tokenizer', 'The tokenizer and the model do not belong together.');
  }
  const baseFingerprint = files.plan.manifest.fingerprint;
  const shardFiles = [];
  for (const bytes of files.shards.values()) {
    shardFiles.push(await readShardFile(bytes, { config, baseFingerprint }));
  }
  const slots = Math.max(
    1,
    shardFiles.reduce((sum, { experts }) => sum + experts, 0),
  );
  const model = await Transformer.load(device, checkpoint, {
    pageSize,
    // One conversation at a time, at its full length.
    pages: Math.ceil(config.maxPositions / pageSize),
    maxBatchTokens,
    maxRoutes: 1,
    maxLogitRows: 1,
    experts: { slots, rank: Math.max(1, ...shardFiles.map(({ metadata }) => metadata.rank)) },
    maxExpertsPerRoute: Math.min(64, slots),
  });
  const shards = new Map<string, ResidentShard>();
  for (const file of shardFiles) shards.set(file.metadata.specialty, await model.experts.load(file));
  const engine = new Engine(model, { maxSequences: 1, maxFailures: 1 });
  const opened: LocalEngine = {
    device,
    engine,
    tokenizer,
    chat: createChatEncoder(tokenizer),
    samplingDefaults: parseSamplingDefaults(generationConfig),
    router: createFallbackRouter(wholeFile(files, 'router.onnx').buffer),
    shards,
    close: async () => {
      await engine.close();
      await device.dispose();
    },
  };
  await warmUp(opened);
  return opened;
}

async function warmUp({ engine, chat, shards }: LocalEngine): Promise<void> {
  const [shard] = shards.values();
  const events = engine.generate({
    prompt: Uint32Array.from(
      chat.encodeChat([{ role: 'user', content: '1' }], { addGenerationPrompt: true }),
    ),
    maxTokens: 2,
    stopTokens: [],
    route: { shards: shard ? [{ shard, prior: 1 }] : [] },
    sampling: greedy,
  });
  for await (const _ of events);
}

function readShaders(bytes: Uint8Array): Record<string, string> {
  const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
  const entries = typeof value === 'object' && value !== null ? Object.entries(value) : [];
  return Object.fromEntries(entries.map(([name, text]) => [name, String(text)]));
}
