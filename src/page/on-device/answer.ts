/** One question on this device: routed by the same model as at the edge, answered by the engine beside it. */
import { CallerError } from '../../base/errors.ts';
import { selectionPolicy } from '../../base/router/policy.ts';
import { selectShards } from '../../base/router/selection.ts';
import type { ChatMessage } from '../../protocol/chat.ts';
import { parseModelName } from '../../protocol/route.ts';
import type { ShardUse } from '../../protocol/shards.ts';
import type { RoutingTrace } from '../../protocol/trace.ts';
import { usageOf } from '../../protocol/usage.ts';
import type { FromEngine, Sampling } from './messages.ts';
import type { LocalEngine } from './open-engine.ts';

export interface LocalQuestion {
  readonly model: string;
  readonly messages: readonly ChatMessage[];
  readonly sampling: Sampling;
}

type Unaddressed<Message> = Message extends { readonly id: number } ? Omit<Message, 'id'> : never;
export type AnswerPiece = Unaddressed<Extract<FromEngine, { kind: 'route' | 'text' | 'end' }>>;

/** As hosts answer a question that names no limit. */
const maxTokens = 512;

/** Throws `CallerError` for what is wrong with the question, `InternalError` where the device fails. */
export async function* answer(
  local: LocalEngine,
  { model, messages, sampling }: LocalQuestion,
  signal: AbortSignal,
): AsyncGenerator<AnswerPiece, void, void> {
  const { engine, tokenizer, chat, samplingDefaults, shards } = local;
  const trace = route(local, model, messages);
  yield { kind: 'route', trace };
  const decoder = tokenizer.createStreamDecoder();
  const events = engine.generate(
    {
      prompt: Uint32Array.from(chat.encodeChat(messages, { addGenerationPrompt: true })),
      maxTokens,
      stopTokens: tokenizer.endOfTextIds,
      route: {
        shards: trace.shards.map(({ name, prior }) => ({ shard: shards.get(name)!, prior })),
      },
      sampling: {
        temperature: sampling.temperature,
        topP: sampling.top_p,
        topK: sampling.top_k,
        minP: samplingDefaults.minP ?? 0,
        presencePenalty: 0,
        frequencyPenalty: 0,
        repetitionPenalty: samplingDefaults.repetitionPenalty ?? 1,
        seed: undefined,
      },
    },
    signal,
  );
  for await (const event of events) {
    if (event.kind === 'prompt') continue;
    const text = event.kind === 'token' ? decoder.push(event.token) : decoder.end();
    if (text !== '') yield { kind: 'text', text };
    if (event.kind !== 'finish') continue;
    const { reason: finish, promptTokens, completionTokens } = event;
    yield { kind: 'end', finish, usage: usageOf(promptTokens, completionTokens) };
  }
}

type LocalTrace = Pick<RoutingTrace, 'specialties' | 'shards' | 'router'>;

function route({ router, shards }: LocalEngine, model: string, messages: readonly ChatMessage[]): LocalTrace {
  const choice = parseModelName(model);
  const use = (specialty: string, prior: number): ShardUse => {
    const shard = shards.get(specialty);
    if (!shard) throw new CallerError('model_not_found', `There is no shard of ${specialty} on this device.`);
    return { name: specialty, version: shard.version, prior };
  };
  if (choice?.kind === 'base') return { specialties: [], shards: [], router: 'base' };
  if (choice?.kind === 'pinned') {
    return { specialties: [], shards: [use(choice.specialty, 1)], router: 'pinned' };
  }
  const { specialties } = router.route(messages);
  const chosen = selectShards(specialties, selectionPolicy, new Set(shards.keys()));
  return {
    specialties: [...specialties],
    shards: chosen.map(({ specialty, prior }) => use(specialty, prior)),
    router: 'device',
  };
}
