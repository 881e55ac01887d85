/**
 * Turns a chat into token ids by the model's own Jinja template.
 *
 * What people write must never become a special token, or a message could close its turn and speak as the system. So
 * before rendering, the first character of every such spelling in a message is replaced by a private-use character that
 * occurs in none of them; the template sees otherwise ordinary text and may trim or cut it. After rendering, only the
 * template's own spellings are tokens; then the characters are put back and the rest is encoded as plain text.
 */
import { Template } from '@huggingface/jinja';
import { CallerError } from '../base/errors.ts';
import type { Tokenizer } from './tokenizer.ts';

export interface TemplateMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

export interface ChatOptions {
  /** Ends with the beginning of an assistant turn, ready for an answer. */
  readonly addGenerationPrompt: boolean;
  /** Further variables of the template, such as Qwen3's enable_thinking. */
  readonly variables?: Readonly<Record<string, unknown>>;
}

export interface LearntChat {
  readonly ids: number[];
  /** 1 for each id that an assistant has to say itself: its answers and the token that ends them. */
  readonly answers: Uint8Array;
  /** Where the chat could begin anew: its start, and each place after an answer. Indexes into ids. */
  readonly turns: number[];
}

export interface ChatEncoder {
  encodeChat(messages: readonly TemplateMessage[], options: ChatOptions): number[];
  /** The chat as a trainer sees it. Each answer is encoded as it is generated: apart from what stands before it. */
  encodeLearntChat(messages: readonly TemplateMessage[]): LearntChat;
}

/** Private use, U+E000 to U+F8FF: assigned to no character. */
const PRIVATE_USE_START = 0xe000;
const PRIVATE_USE_END = 0xf8ff;

export function createChatEncoder(tokenizer: Tokenizer): ChatEncoder {
  const source = tokenizer.chatTemplate;
  if (source === null) {
    throw new CallerError(
      'no_chat_template',
      'tokenizer_config.json has no chat_template: add one, or use plain completions.',
      {
        param: 'tokenizer_config.json',
      },
    );
  }
  const template = parseTemplate(source);
  const ends = new Set(tokenizer.endOfTextIds);

  const render = (messages: readonly TemplateMessage[], options: ChatOptions): string => {
    try {
      return template.render({
        ...options.variables,
        messages: messages.map(({ role, content }) => ({ role, content })),
        add_generation_prompt: options.addGenerationPrompt,
      });
    } catch (cause) {
      throw new CallerError('bad_chat', 'The chat template of this model does not accept these messages.', {
        param: 'messages',
        cause,
      });
    }
  };

  return {
    encodeChat(messages, options) {
      const guard = createGuard(tokenizer, messages);
      return guard.encode(
        render(
          messages.map((message) => guard.protect(message)),
          options,
        ),
      );
    },
    encodeLearntChat(messages) {
      const guard = createGuard(tokenizer, messages);
      const safe = messages.map((message) => guard.protect(message));
      const ids: number[] = [];
      const answers: number[] = [];
      const turns: number[] = [];
      let done = '';
      /** Adds the text by which the rendering has grown. */
      const grow = (rendered: string, learnt: boolean): void => {
        if (!rendered.startsWith(done)) {
          throw new CallerError(
            'unsupported_template',
            'This chat template rewrites earlier turns, so it cannot be trained on yet.',
            {
              param: 'chat_template',
            },
          );
        }
        const added = guard.encode(rendered.slice(done.length));
        done = rendered;
        const last = learnt ? added.findIndex((id) => ends.has(id)) : -1;
        for (const [index, id] of added.entries()) {
          ids.push(id);
          answers.push(index <= last ? 1 : 0);
        }
      };
      for (const [index, message] of safe.entries()) {
        if (message.role !== 'assistant') continue;
        turns.push(ids.length);
        grow(render(safe.slice(0, index), { addGenerationPrompt: true }), false);
        grow(render(safe.slice(0, index + 1), { addGenerationPrompt: false }), true);
      }
      grow(render(safe, { addGenerationPrompt: false }), false);
      return { ids, answers: Uint8Array.from(answers), turns };
    },
  };
}

interface Guard {
  protect(message: TemplateMessage): TemplateMessage;
  /** Ids of a rendering of protected messages. */
  encode(rendered: string): number[];
}

function createGuard(tokenizer: Tokenizer, messages: readonly TemplateMessage[]): Guard {
  const firsts = [...new Set(tokenizer.addedTokens.map(({ content }) => content.charAt(0)))];
  const substitutes = unusedCharacters(firsts.length, messages);
  const substituteOf = new Map(firsts.map((first, index) => [first, substitutes[index] ?? '']));
  const firstOf = new Map(firsts.map((first, index) => [substitutes[index] ?? '', first]));
  const matchSubstitutes = alternatives(substitutes);
  // An assistant may think aloud: those marks are not special, and templates look for them.
  const spellings = (role: TemplateMessage['role']): RegExp | null =>
    alternatives(
      tokenizer.addedTokens
        .filter(({ special }) => special || role !== 'assistant')
        .map(({ content }) => content),
    );
  const patterns = {
    system: spellings('system'),
    user: spellings('user'),
    assistant: spellings('assistant'),
  };
  const markup = alternatives(tokenizer.addedTokens.map(({ content }) => content));

  const restore = (text: string): string =>
    matchSubstitutes === null
      ? text
      : text.replace(matchSubstitutes, (character) => firstOf.get(character) ?? character);

  return {
    protect({ role, content }) {
      const pattern = patterns[role];
      if (pattern === null) return { role, content };
      const safe = content.replace(
        pattern,
        (found) => `${substituteOf.get(found.charAt(0)) ?? ''}${found.slice(1)}`,
      );
      return { role, content: safe };
    },
    encode(rendered) {
      const ids: number[] = [];
      let from = 0;
      const plain = (to: number): void => {
        for (const id of tokenizer.encode(restore(rendered.slice(from, to)))) ids.push(id);
      };
      if (markup !== null) {
        for (const match of rendered.matchAll(markup)) {
          plain(match.index);
          for (const id of tokenizer.encodeMarkup(match[0])) ids.push(id);
          from = match.index + match[0].length;
        }
      }
      plain(rendered.length);
      return ids;
    },
  };
}

/** Matches any of the texts, the longest first; null when there are none. */
function alternatives(texts: readonly string[]): RegExp | null {
  if (texts.length === 0) return null;
  const ordered = [...texts].sort((left, right) => right.length - left.length);
  return new RegExp(ordered.map((text) => text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')).join('|'), 'g');
}

function unusedCharacters(count: number, messages: readonly TemplateMessage[]): string[] {
  const used = new Set<number>();
  for (const { content } of messages) {
    for (let at = 0; at < content.length; at++) {
      const unit = content.charCodeAt(at);
      if (unit >= PRIVATE_USE_START && unit <= PRIVATE_USE_END) used.add(unit);
    }
  }
  const free: string[] = [];
  for (let unit = PRIVATE_USE_START; unit <= PRIVATE_USE_END && free.length < count; unit++) {
    if (!used.has(unit)) free.push(String.fromCharCode(unit));
  }
  if (free.length < count) {
    throw new CallerError('bad_chat', 'The messages use every private-use character of Unicode: send text.', {
      param: 'messages',
    });
  }
  return free;
}

function parseTemplate(source: string): Template {
  try {
    return new Template(source);
  } catch (cause) {
    throw new CallerError('bad_tokenizer', 'The chat_template of tokenizer_config.json is not valid Jinja.', {
      param: 'tokenizer_config.json',
      cause,
    });
  }
}
