/** `sparsedoctor chat`: talks in the terminal, with the engine in this process or with a server. */
import { createInterface } from 'node:readline/promises';
import type { Command } from 'commander';
import { CallerError } from '../../base/errors.ts';
import { silentLogger } from '../../base/logger.ts';
import { readSettings } from '../config.ts';
import type { ChatMessage, ChatPartner, ChatPiece, ChatSampling } from '../chat-partner.ts';
import type { ServiceContext } from '../context.ts';
import { openEngineChat } from '../engine-chat.ts';
import { openServerChat } from '../server-chat.ts';
import { withModelOptions } from './serve.ts';

interface ChatFlags extends Record<string, string | boolean | undefined> {
  readonly specialty?: string;
  readonly url?: string;
  readonly system?: string;
  readonly stats?: boolean;
  readonly maxTokens: string;
  readonly temperature?: string;
  readonly topP?: string;
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
    .option('--temperature <t>', "0 always takes the likeliest token (default: the model's own)")
    .option('--top-p <p>', "share of the probability that is sampled from (default: the model's own)")
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
  const { weights, experts, cache } = flags;
  const sizes = { maxConcurrent, cachePages, expertSlots, expertRank };
  const given = { model, shards, threads, device, ...sizes, weights, experts, cache };
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
    maxTokens: number('--max-tokens', flags.maxTokens) ?? 0,
    temperature: number('--temperature', flags.temperature),
    topP: number('--top-p', flags.topP),
    seed: number('--seed', flags.seed),
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

function number(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value) && value >= 0) return value;
  throw new CallerError('bad_settings', `${flag} takes a number from 0 on, not "${text}".`);
}
