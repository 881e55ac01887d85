/** From files to a running engine: device, model, tokenizer, and the shards that it holds. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CallerError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { ShardStore } from '../backend/shard-store.ts';
import { Engine } from '../engine/engine.ts';
import { createChatEncoder, type ChatEncoder } from '../model/chat-template.ts';
import { openCheckpoint } from '../model/checkpoint.ts';
import type { ModelConfig } from '../model/config.ts';
import { fingerprint } from '../model/fingerprint.ts';
import { parseSamplingDefaults, type SamplingDefaults } from '../model/sampling-defaults.ts';
import { createTokenizer, type Tokenizer } from '../model/tokenizer.ts';
import type { ModelRunner } from '../model/runner.ts';
import type { Transformer } from '../model/transformer.ts';
import type { Device } from '../tensor/device.ts';
import { openOnDevice } from './devices.ts';
import type { Settings } from './config.ts';
import { directorySource } from './directory-source.ts';
import { readTokenizerFiles } from './files.ts';
import { findGpu } from './find-gpu.ts';
import { loadTransformer } from './load-transformer.ts';
import type { ShardPath } from './shard-files.ts';

export interface OpenModel {
  readonly device: Device;
  readonly config: ModelConfig;
  readonly formats: Pick<Settings, 'weights' | 'experts' | 'cache'>;
  readonly fingerprint: string;
  readonly tokenizer: Tokenizer;
  readonly chat: ChatEncoder;
  readonly samplingDefaults: SamplingDefaults;
  readonly transformer: Transformer;
  readonly engine: Engine;
  /** What the engine computes with: free for others only while the engine is idle. */
  readonly runner: ModelRunner;
  readonly shards: ShardStore;
  /** Ends the engine and gives the device back. */
  close(): Promise<void>;
}

export type ModelSettings = Pick<
  Settings,
  | 'model'
  | 'device'
  | 'threads'
  | 'maxConcurrent'
  | 'cachePages'
  | 'expertSlots'
  | 'expertRank'
  | 'weights'
  | 'experts'
  | 'cache'
>;

export async function openModel(
  settings: ModelSettings,
  local: readonly ShardPath[],
  logger: Logger,
): Promise<OpenModel> {
  const checkpoint = await openCheckpoint(directorySource(settings.model));
  const { config } = checkpoint;
  const generationConfig = await readFile(join(settings.model, 'generation_config.json'), 'utf8').catch(
    () => undefined,
  );
  const samplingDefaults = parseSamplingDefaults(generationConfig);
  const tokenizer = await openTokenizer(settings.model, generationConfig);
  const chat = createChatEncoder(tokenizer);
  if (tokenizer.vocabularySize > config.vocabularySize) {
    const sizes = `${tokenizer.vocabularySize} tokens, the model ${config.vocabularySize}`;
    throw new CallerError(
      'bad_tokenizer',
      `The tokenizer of ${settings.model} has ${sizes}: they do not belong together.`,
    );
  }
  const baseFingerprint = await fingerprint(checkpoint);
  const formats = { weights: settings.weights, experts: settings.experts, cache: settings.cache };
  const request = { name: settings.device, threads: settings.threads, findGpu, logger };
  return openOnDevice(request, async (device): Promise<OpenModel> => {
    const model = await loadTransformer(device, checkpoint, settings, logger);
    logger.info({ fingerprint: baseFingerprint, ...formats }, 'model loaded');
    const engine = new Engine(model, { maxSequences: settings.maxConcurrent, logger });
    void device.lost?.then((error) => engine.fail(error));
    const shards = new ShardStore({ pool: model.experts, expectations: { config, baseFingerprint }, logger });
    for (const file of local) await addShard(shards, file);
    const close = async (): Promise<void> => {
      await engine.close();
      await device.dispose();
    };
    return {
      device,
      config,
      formats,
      fingerprint: baseFingerprint,
      tokenizer,
      chat,
      samplingDefaults,
      transformer: model,
      engine,
      runner: model,
      shards,
      close,
    };
  });
}

async function openTokenizer(folder: string, generationConfig: string | undefined): Promise<Tokenizer> {
  const files = await readTokenizerFiles(folder);
  return createTokenizer(generationConfig === undefined ? files : { ...files, generationConfig });
}

async function addShard(shards: ShardStore, file: ShardPath): Promise<void> {
  try {
    const { specialty, version } = await shards.add(await readFile(file.path));
    if (specialty === file.specialty && version === file.version) return;
    throw new CallerError('bad_shard_path', `it holds ${specialty} ${version}: rename it`);
  } catch (error) {
    if (!(error instanceof CallerError)) throw error;
    throw new CallerError(error.code, `${file.path}: ${error.message}`, { param: file.path, cause: error });
  }
}
