/** Chat with an edge or a host over HTTP. */
import { z } from 'zod';
import { CallerError } from '../base/errors.ts';
import { parseErrorBody } from '../protocol/errors.ts';
import { pinnedModelName, ROUTED_MODEL } from '../protocol/route.ts';
import { decodeEvents, doneData } from '../protocol/sse.ts';
import type { ChatPartner } from './chat-partner.ts';

const chunkSchema = z.object({
  choices: z.array(z.object({ delta: z.object({ content: z.string().nullish() }) })),
  usage: z.object({ prompt_tokens: z.number(), completion_tokens: z.number() }).nullish(),
  sparsedoctor: z
    .object({ shards: z.array(z.object({ name: z.string(), version: z.string() })), host: z.string() })
    .optional(),
});

export function openServerChat(
  url: string,
  key: string | undefined,
  specialties: readonly string[],
): Promise<ChatPartner> {
  const [specialty, ...others] = specialties;
  if (others.length > 0) {
    throw new CallerError(
      'unsupported_value',
      'A server takes one --specialty; without it, its router chooses.',
    );
  }
  const model = specialty === undefined ? ROUTED_MODEL : pinnedModelName(specialty);
  return Promise.resolve({
    description: `${model} at ${url}`,
    close: () => Promise.resolve(),
    async *answer(messages, sampling, signal) {
      const response = await fetch(new URL('/v1/chat/completions', url), {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
        },
        body: JSON.stringify({
          model,
          messages,
          stream: true,
          stream_options: { include_usage: true },
          max_tokens: sampling.maxTokens,
          temperature: sampling.temperature,
          top_p: sampling.topP,
          seed: sampling.seed,
        }),
        signal,
      }).catch((cause: unknown) => {
        throw new CallerError('server_unreachable', `No server answers at ${url}. Is it running?`, { cause });
      });
      if (!response.ok || response.body === null)
        throw refused(response.status, await response.json().catch(() => null));
      let usage = { prompt_tokens: 0, completion_tokens: 0 };
      let note = '';
      for await (const data of decodeEvents(response.body)) {
        if (data === doneData) break;
        const json: unknown = JSON.parse(data);
        const chunk = chunkSchema.safeParse(json);
        if (!chunk.success) throw refused(response.status, json);
        const text = chunk.data.choices[0]?.delta.content ?? '';
        if (text !== '') yield { kind: 'text', text };
        usage = chunk.data.usage ?? usage;
        const trace = chunk.data.sparsedoctor;
        if (trace)
          note = `${trace.host}: ${trace.shards.map(({ name, version }) => `${name} ${version}`).join(', ') || 'base'}`;
      }
      yield { kind: 'end', promptTokens: usage.prompt_tokens, answerTokens: usage.completion_tokens, note };
    },
  });
}

function refused(status: number, json: unknown): CallerError {
  const error = parseErrorBody(json);
  return new CallerError(error?.code ?? 'server_refused', error?.message ?? `The server answered ${status}.`);
}
