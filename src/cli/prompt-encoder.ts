/** Prompts of an evaluation as token ids, and where in them a continuation begins. */
import { CallerError } from '../base/errors.ts';
import type { ScoredSequence } from '../engine/continuation-scorer.ts';
import type { ExamPrompt } from '../eval/answerer.ts';
import type { ChatEncoder } from '../model/chat-template.ts';
import type { Tokenizer } from '../model/tokenizer.ts';

export interface PromptEncoder {
  /** The prompt alone, for an answer. */
  encode(prompt: ExamPrompt): number[];
  /**
   * Prompt and continuation tokenized as one text. The continuation begins with the first token that reaches beyond the
   * prompt's last byte: a token that joins the two is the continuation's.
   */
  encodeWith(prompt: ExamPrompt, continuation: string): ScoredSequence;
}

/** Without a chat encoder chat prompts are refused. */
export function createPromptEncoder(tokenizer: Tokenizer, chat: ChatEncoder | null): PromptEncoder {
  // The continuations of a question share its prompt, and it alone.
  let last: { prompt: ExamPrompt; split: Split } | undefined;
  const split = (prompt: ExamPrompt): Split => {
    if (last?.prompt !== prompt) last = { prompt, split: splitPrompt(prompt, chat) };
    return last.split;
  };
  const bytesOf = (ids: readonly number[]): number =>
    ids.reduce((sum, id) => sum + tokenizer.tokenBytes(id).length, 0);
  return {
    encode(prompt) {
      const { head, text } = split(prompt);
      return [...head, ...tokenizer.encode(text)];
    },
    encodeWith(prompt, continuation) {
      const { head, text } = split(prompt);
      const promptBytes = bytesOf(tokenizer.encode(text));
      const ids = tokenizer.encode(text + continuation);
      let [from, bytes] = [0, 0];
      for (const id of ids) {
        bytes += tokenizer.tokenBytes(id).length;
        if (bytes > promptBytes) break;
        from += 1;
      }
      if (from === ids.length || head.length + from === 0) {
        throw new CallerError(
          'empty_continuation',
          'A continuation has no token, or nothing stands before it.',
        );
      }
      return { ids: Uint32Array.from([...head, ...ids]), from: head.length + from };
    },
  };
}

interface Split {
  /** Ids that end with a token of the chat's markup: nothing joins across it. */
  readonly head: readonly number[];
  /** What is tokenized together with the continuation. */
  readonly text: string;
}

function splitPrompt(prompt: ExamPrompt, chat: ChatEncoder | null): Split {
  if (prompt.kind === 'text') return { head: [], text: prompt.text };
  if (!chat) {
    throw new CallerError('no_chat_template', 'Chat prompts need a tokenizer with a chat template.');
  }
  return { head: chat.encodeChat(prompt.messages, { addGenerationPrompt: true }), text: prompt.begun };
}
