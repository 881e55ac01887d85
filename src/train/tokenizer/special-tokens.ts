/** The special tokens of Qwen3's chats and the chat template that writes them. */

export const END_OF_TEXT = '<|endoftext|>';
const START_OF_TURN = '<|im_start|>';
export const END_OF_TURN = '<|im_end|>';

/** In the order of their ids, after all other tokens. Qwen3 does not count the marks of thinking as special. */
export const SPECIAL_TOKENS: readonly { readonly content: string; readonly special: boolean }[] = [
  { content: END_OF_TEXT, special: true },
  { content: START_OF_TURN, special: true },
  { content: END_OF_TURN, special: true },
  { content: '<think>', special: false },
  { content: '</think>', special: false },
];

/** ChatML as Qwen writes it, without a default system prompt. */
export const CHAT_TEMPLATE =
  `{%- for message in messages %}{{- '${START_OF_TURN}' + message.role + '\\n' + message.content + '${END_OF_TURN}' + '\\n' }}{%- endfor %}` +
  `{%- if add_generation_prompt %}{{- '${START_OF_TURN}assistant\\n' }}{%- endif %}`;
