/** The product as `npm start` runs it, for tests: real host, real workerd, ports that are free, a folder of its own. */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import { z } from 'zod';
import { parseSettings, projectRoot } from '../../src/cli/config.ts';
import { startStack, type Stack } from '../../src/cli/stack.ts';
import { routingTraceSchema, type RoutingTrace } from '../../src/protocol/trace.ts';
import { writeTestWeights } from '../support/weights.ts';

export interface ProductRequest {
  readonly method?: string;
  readonly body?: string | Uint8Array<ArrayBuffer>;
  readonly headers?: Readonly<Record<string, string>>;
  /** Instead of the client's. */
  readonly key?: string;
}

export interface Product {
  readonly stack: Stack;
  readonly openai: OpenAI;
  /** Folders of the weights it runs on. */
  readonly model: string;
  readonly shards: string;
  fetch(path: string, init?: ProductRequest): Promise<Response>;
  close(): Promise<void>;
}

/** Those that ship, once they are there; else small random ones. Tests hold for both. */
async function weights(folder: string): Promise<{ model: string; shards: string }> {
  const model = join(projectRoot, 'weights', 'base');
  const shards = join(projectRoot, 'weights', 'shards');
  const shipped = [
    join(model, 'model.safetensors'),
    ...['v1', 'v2'].map((version) => join(shards, 'cardiovascular', `${version}.safetensors`)),
  ];
  return shipped.every((path) => existsSync(path)) ? { model, shards } : writeTestWeights(folder);
}

export async function startProduct(): Promise<Product> {
  const folder = await mkdtemp(join(tmpdir(), 'sparsedoctor-e2e-'));
  const { model, shards } = await weights(folder);
  const settings = parseSettings({
    flags: {
      model,
      shards,
      edgePort: '0',
      hostPort: '0',
      state: join(folder, 'state'),
      threads: '2',
      cachePages: '512',
    },
    environment: {},
  });
  const stack = await startStack({ settings, environment: process.env, variables: { HOST_TTL_MS: '10000' } });
  return {
    stack,
    model,
    shards,
    openai: new OpenAI({
      baseURL: `${stack.edgeUrl}/v1`,
      apiKey: stack.apiKey,
      maxRetries: 0,
      timeout: 120_000,
    }),
    fetch: (path, { key = stack.apiKey, ...init } = {}) =>
      fetch(stack.edgeUrl + path, {
        ...init,
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...init.headers },
      }),
    close: async () => {
      await stack.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export const question = [
  { role: 'user' as const, content: '最近总是胸闷、心慌，血压也高，需要做什么检查？' },
];

const traced = z.looseObject({ sparsedoctor: routingTraceSchema });

/** The routing trace of an answer or of a chunk; undefined where it has none. */
export function traceOf(value: unknown): RoutingTrace | undefined {
  return traced.safeParse(value).data?.sparsedoctor;
}

export interface Streamed {
  readonly text: string;
  readonly chunks: number;
  readonly finish: string | null;
  readonly trace: RoutingTrace | undefined;
  readonly completionTokens: number | undefined;
}

export interface StreamedChatOptions {
  readonly model: string;
  readonly maxTokens: number;
  readonly seed?: number;
  /** Called at the first text. */
  readonly onFirst?: () => void;
  readonly signal?: AbortSignal;
}

/** A streamed chat that goes on to its full length, whatever the model says. */
export async function streamChat(openai: OpenAI, options: StreamedChatOptions): Promise<Streamed> {
  // Beyond OpenAI's own fields, the client passes on what it is given.
  const body = {
    model: options.model,
    messages: question,
    stream: true as const,
    stream_options: { include_usage: true },
    max_tokens: options.maxTokens,
    temperature: 0.8,
    seed: options.seed ?? 1,
    ignore_eos: true,
  };
  const stream = await openai.chat.completions.create(body, options.signal ? { signal: options.signal } : {});
  let text = '';
  let chunks = 0;
  let finish: string | null = null;
  let trace: RoutingTrace | undefined;
  let completionTokens: number | undefined;
  for await (const chunk of stream) {
    const delta = chunk.choices[0]?.delta.content ?? '';
    if (delta !== '') {
      if (chunks === 0) options.onFirst?.();
      chunks += 1;
      text += delta;
    }
    finish = chunk.choices[0]?.finish_reason ?? finish;
    trace = traceOf(chunk) ?? trace;
    completionTokens = chunk.usage?.completion_tokens ?? completionTokens;
  }
  return { text, chunks, finish, trace, completionTokens };
}
