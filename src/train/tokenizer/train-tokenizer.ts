/** Trains a byte-level BPE tokenizer of the Qwen family and writes it as Hugging Face's tokenizer.json. */
import { CallerError } from '../../base/errors.ts';
import { spellBytes } from '../../model/byte-alphabet.ts';
import { learnMerges } from './byte-pair-merges.ts';
import { countPieces, SPLIT_CONFIG } from './pretokenize.ts';
import { CHAT_TEMPLATE, END_OF_TEXT, END_OF_TURN, SPECIAL_TOKENS } from './special-tokens.ts';

export interface TokenizerOptions {
  /** Entries in all: 256 bytes, the merges and the special tokens. */
  readonly vocabularySize: number;
  /** Longest token in bytes; keeps boilerplate sentences from becoming tokens. */
  readonly maxTokenBytes: number;
  /** Longest sequence written to tokenizer_config.json. */
  readonly maxPositions: number;
}

const DEFAULT_TOKENIZER_OPTIONS: TokenizerOptions = {
  vocabularySize: 8192,
  maxTokenBytes: 24,
  maxPositions: 2048,
};

export interface TrainedTokenizer {
  /** Text of tokenizer.json. */
  readonly tokenizer: string;
  /** Text of tokenizer_config.json. */
  readonly config: string;
}

/** The same texts in the same order and the same options give the same bytes. */
export function trainTokenizer(
  texts: Iterable<string>,
  options: TokenizerOptions = DEFAULT_TOKENIZER_OPTIONS,
): TrainedTokenizer {
  const wanted = options.vocabularySize - 256 - SPECIAL_TOKENS.length;
  if (wanted < 0) {
    throw new CallerError(
      'bad_vocabulary_size',
      `A vocabulary needs at least ${256 + SPECIAL_TOKENS.length} entries.`,
    );
  }
  const { tokens, pairs } = learnMerges(countPieces(texts), {
    merges: wanted,
    maxTokenBytes: options.maxTokenBytes,
  });
  if (pairs.length < wanted) {
    throw new CallerError(
      'too_little_text',
      `The texts allow only ${pairs.length} of ${wanted} merges: give more text or a smaller vocabulary.`,
    );
  }
  const spelled = tokens.map(spellBytes);
  const added = SPECIAL_TOKENS.map((token, index) => ({
    id: spelled.length + index,
    content: token.content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: token.special,
  }));
  return {
    tokenizer: toText(describeTokenizer(spelled, pairs, added)),
    config: toText(describeConfig(added, options)),
  };
}

interface AddedToken {
  readonly id: number;
  readonly content: string;
}

function describeTokenizer(
  spelled: readonly string[],
  pairs: readonly [number, number][],
  added: readonly AddedToken[],
): object {
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: false };
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: added,
    // Qwen normalises to NFC; here text comes back exactly as it went in.
    normalizer: null,
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [SPLIT_CONFIG, byteLevel],
    },
    post_processor: null,
    decoder: byteLevel,
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: '',
      end_of_word_suffix: '',
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(spelled.map((token, id) => [token, id])),
      merges: pairs.map(([left, right]) => `${spelled[left]} ${spelled[right]}`),
    },
  };
}

function describeConfig(added: readonly AddedToken[], options: TokenizerOptions): object {
  return {
    tokenizer_class: 'Qwen2Tokenizer',
    add_bos_token: false,
    add_prefix_space: false,
    added_tokens_decoder: Object.fromEntries(added.map(({ id, ...token }) => [String(id), token])),
    additional_special_tokens: SPECIAL_TOKENS.filter(({ special }) => special).map(({ content }) => content),
    bos_token: null,
    chat_template: CHAT_TEMPLATE,
    clean_up_tokenization_spaces: false,
    eos_token: END_OF_TURN,
    errors: 'replace',
    model_max_length: options.maxPositions,
    pad_token: END_OF_TEXT,
    split_special_tokens: false,
    unk_token: null,
  };
}

function toText(value: object): string {
  return `${JSON.stringify(value, null, 1)}\n`;
}
