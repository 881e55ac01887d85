/** `sparsedoctor chat`: talks in the terminal, with the engine in this process or with a server. */
import { createInterface } from 'node:readline/promises';
import type { Command } from 'commander';
import { silentLogger } from '../../base/logger.ts';
import { readSettings } from '../config.ts';
import type { ServiceContext } from '../context.ts';
import { openEngineChat } from '../engine-chat.ts';
import { openServerChat } from '../server-chat.ts';
import { withModelOptions } from './serve.ts';

export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

export interface ChatSampling {
  readonly maxTokens: number;
  readonly temperature: number;
  readonly topP: number;
  readonly seed: number | undefined;
}

/** One piece of an answer, or what can be said of it at the end. */
export type ChatPiece =
  | { readonly kind: 'text'; readonly text: string }
  | {
      readonly kind: 'end';
      readonly promptTokens: number;
      readonly answerTokens: number;
      readonly note: string;
    };

/** Where answers come from. */
export interface ChatPartner {
  readonly description: string;
  answer(
    messages: readonly ChatMessage[],
    sampling: ChatSampling,
    signal: AbortSignal,
  ): AsyncIterable<ChatPiece>;
  close(): Promise<void>;
}

interface ChatFlags extends Record<string, string | boolean | undefined> {
  readonly specialty?: string;
  readonly url?: string;
  readonly system?: string;
  readonly stats?: boolean;
  readonly maxTokens: string;
  readonly temperature: string;
  readonly topP: string;
  readonly seed?: string;
}

export function registerChatCommand(program: Command, context: ServiceContext): void {
  withModelOptions(
    program.command('chat').description('talk in the terminal').argument('[question]', 'ask this and end'),
  )
    .option(
      '--specialty <names>',
      'up to three specialties, separated by commas; without, the base model answers',
    )
    .option('--url <url>', 'ask a server instead, with SPARSEDOCTOR_API_KEY')
    .option('--system <text>', 'system message')
    .option('--max-tokens <n>', 'longest answer', '256')
    .option('--temperature <t>', '0 always takes the likeliest token', '0.7')
    .option('--top-p <p>', 'share of the probability that is sampled from', '0.9')
    .option('--seed <n>', 'same seed, same answer')
    .option('--stats', 'print time to first token and tokens per second')
    .action(async (question: string | undefined, flags: ChatFlags) => {
      const partner = await openPartner(flags, context);
      try {
        context.print(partner.description);
        const talk = createTalk(partner, flags, context);
        if (question === undefined) await converse(talk, context);
        else await talk(question, new AbortController().signal);
      } finally {
        await partner.close();
      }
    });
}

async function openPartner(flags: ChatFlags, context: ServiceContext): Promise<ChatPartner> {
  const { model, shards, threads, device, maxConcurrent, cachePages, expertSlots, expertRank } = flags;
  const given = { model, shards, threads, device, maxConcurrent, cachePages, expertSlots, expertRank };
  const texts = Object.fromEntries(Object.entries(given).filter(([, value]) => typeof value === 'string'));
  const settings = await readSettings(texts, context.environment);
  const specialties = flags.specialty?.split(',').map((name) => name.trim()) ?? [];
  return flags.url === undefined
    ? openEngineChat(settings, specialties, silentLogger)
    : openServerChat(flags.url, settings.apiKey, specialties);
}

type Talk = (question: string, signal: AbortSignal) => Promise<void>;

function createTalk(partner: ChatPartner, flags: ChatFlags, context: ServiceContext): Talk {
  const messages: ChatMessage[] =
    flags.system === undefined ? [] : [{ role: 'system', content: flags.system }];
  const sampling: ChatSampling = {
    maxTokens: Number(flags.maxTokens),
    temperature: Number(flags.temperature),
    topP: Number(flags.topP),
    seed: flags.seed === undefined ? undefined : Number(flags.seed),
  };
  return async (question, signal) => {
    messages.push({ role: 'user', content: question });
    const begun = performance.now();
    let first: number | undefined;
    let content = '';
    for await (const piece of partner.answer(messages, sampling, signal)) {
      if (piece.kind === 'text') {
        first ??= performance.now();
        content += piece.text;
        context.write(piece.text);
        continue;
      }
      context.write('\n');
      if (piece.note !== '') context.print(`(${piece.note})`);
      if (flags.stats === true) context.print(describe(piece, begun, first ?? performance.now()));
    }
    messages.push({ role: 'assistant', content });
  };
}

function describe(end: Extract<ChatPiece, { kind: 'end' }>, begun: number, first: number): string {
  const seconds = (performance.now() - first) / 1000;
  const speed = end.answerTokens > 1 ? ((end.answerTokens - 1) / seconds).toFixed(1) : '–';
  return `(${end.promptTokens} prompt tokens, first text after ${((first - begun) / 1000).toFixed(2)} s; ${end.answerTokens} answer tokens, ${speed} tokens/s)`;
}

/** Line by line until the input ends. */
async function converse(talk: Talk, context: ServiceContext): Promise<void> {
  const lines = createInterface({
    input: context.input,
    output: context.output,
    terminal: context.isTerminal,
  });
  lines.setPrompt(context.isTerminal ? '> ' : '');
  lines.prompt();
  const ended = new AbortController();
  lines.once('close', () => ended.abort());
  for await (const line of lines) {
    if (line.trim() !== '') await talk(line, ended.signal);
    lines.prompt();
  }
}
