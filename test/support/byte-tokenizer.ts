/** A real tokenizer without merges: one token per byte, ids 0 to 255, then ChatML's special tokens. */
import { BYTE_CHARACTERS } from '../../src/model/byte-alphabet.ts';
import { createChatEncoder, type ChatEncoder } from '../../src/model/chat-template.ts';
import { createTokenizer, type Tokenizer } from '../../src/model/tokenizer.ts';

export const turnStart = 256;
export const turnEnd = 257;
export const byteVocabulary = 258;

const template = `{% for message in messages %}<|im_start|>{{ message.role }}
{{ message.content }}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}`;

export function byteTokenizer(): { tokenizer: Tokenizer; chat: ChatEncoder } {
  const tokenizer = createTokenizer({
    tokenizer: JSON.stringify({
      version: '1.0',
      added_tokens: [special(turnStart, '<|im_start|>'), special(turnEnd, '<|im_end|>')],
      normalizer: null,
      pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: false },
      post_processor: null,
      decoder: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: false },
      model: {
        type: 'BPE',
        vocab: Object.fromEntries(BYTE_CHARACTERS.map((character, byte) => [character, byte])),
        merges: [],
      },
    }),
    tokenizerConfig: JSON.stringify({
      tokenizer_class: 'Qwen2Tokenizer',
      eos_token: '<|im_end|>',
      chat_template: template,
    }),
  });
  return { tokenizer, chat: createChatEncoder(tokenizer) };
}

function special(id: number, content: string): object {
  return { id, content, special: true, single_word: false, lstrip: false, rstrip: false, normalized: false };
}
