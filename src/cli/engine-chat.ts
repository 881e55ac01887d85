/** Chat with an engine in this process: no HTTP, no edge. */
import { CallerError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { ShardUse } from '../protocol/shards.ts';
import type { ChatPartner } from './chat-partner.ts';
import type { Settings } from './config.ts';
import { openModel } from './open-model.ts';
import { listShardFiles, newestOfEach, type ShardPath } from './shard-files.ts';

export async function openEngineChat(
  settings: Settings,
  specialties: readonly string[],
  logger: Logger,
): Promise<ChatPartner> {
  const files = chooseFiles(newestOfEach(await listShardFiles(settings.shards)), specialties);
  const model = await openModel(settings, files, logger);
  const uses = files.map(({ specialty, version }): Pick<ShardUse, 'name' | 'version' | 'prior'> => {
    return { name: specialty, version, prior: 1 / files.length };
  });
  const { engine, tokenizer, chat, samplingDefaults } = model;
  const shown = files.map(({ specialty, version }) => `${specialty} ${version}`).join(', ');
  return {
    description: `${model.device.description}; weights ${model.formats.weights}; ${shown === '' ? 'base model' : shown}`,
    close: () => model.close(),
    async *answer(messages, sampling, signal) {
      const lease = model.shards.acquire(uses);
      const decoder = tokenizer.createStreamDecoder();
      const events = engine.generate(
        {
          prompt: Uint32Array.from(chat.encodeChat(messages, { addGenerationPrompt: true })),
          maxTokens: sampling.maxTokens,
          stopTokens: tokenizer.endOfTextIds,
          route: lease.route,
          onReleased: () => lease.release(),
          sampling: {
            temperature: sampling.temperature ?? samplingDefaults.temperature ?? 1,
            topP: sampling.topP ?? samplingDefaults.topP ?? 1,
            topK: samplingDefaults.topK ?? 0,
            minP: samplingDefaults.minP ?? 0,
            presencePenalty: 0,
            frequencyPenalty: 0,
            repetitionPenalty: samplingDefaults.repetitionPenalty ?? 1,
            seed: sampling.seed,
          },
        },
        signal,
      );
      for await (const event of events) {
        if (event.kind === 'token') yield { kind: 'text', text: decoder.push(event.token) };
        if (event.kind !== 'finish') continue;
        yield { kind: 'text', text: decoder.end() };
        yield {
          kind: 'end',
          promptTokens: event.promptTokens,
          answerTokens: event.completionTokens,
          note: event.reason === 'length' ? 'cut off: --max-tokens' : '',
        };
      }
    },
  };
}

function chooseFiles(files: readonly ShardPath[], specialties: readonly string[]): ShardPath[] {
  return specialties.map((name) => {
    const file = files.find(({ specialty }) => specialty === name);
    if (file !== undefined) return file;
    const known =
      files.length === 0
        ? 'There are no shards'
        : `There are: ${files.map(({ specialty }) => specialty).join(', ')}`;
    throw new CallerError('shard_not_found', `There is no shard of "${name}". ${known}.`);
  });
}
