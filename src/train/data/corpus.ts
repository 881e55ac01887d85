/** A corpus of token ids: every document one after another in flat arrays, with what is known about each. */

export type CorpusPart = 'pretrain' | 'sft' | 'mcq';

export interface CorpusDocument {
  readonly id: string;
  readonly part: CorpusPart;
  readonly source: string;
  readonly specialty: string | null;
  /** Characters (code points) of the row's text, without what the chat template adds. */
  readonly characters: number;
  /** Its tokens in the corpus, [start, end). */
  readonly start: number;
  readonly end: number;
  /**
   * Where turns of a chat begin, in corpus positions: it may be cut there and read on as a chat of its own. Null for plain
   * text, which may be cut anywhere.
   */
  readonly turns: readonly number[] | null;
}

export interface EncodedCorpus {
  readonly tokens: Uint32Array;
  /** 1 for tokens that an assistant has to say itself; in plain text all but the first. */
  readonly answers: Uint8Array;
  readonly documents: readonly CorpusDocument[];
}

export interface CorpusBuilder {
  add(
    document: Omit<CorpusDocument, 'start' | 'end' | 'turns'>,
    ids: ArrayLike<number>,
    answers: ArrayLike<number>,
    /** Relative to the document. */
    turns: readonly number[] | null,
  ): void;
  finish(): EncodedCorpus;
}

export function createCorpusBuilder(): CorpusBuilder {
  let tokens = new Uint32Array(2 ** 16);
  let answers = new Uint8Array(2 ** 16);
  let length = 0;
  const documents: CorpusDocument[] = [];
  const reserve = (wanted: number): void => {
    if (wanted <= tokens.length) return;
    const capacity = Math.max(wanted, tokens.length * 2);
    const [moreTokens, moreAnswers] = [new Uint32Array(capacity), new Uint8Array(capacity)];
    moreTokens.set(tokens);
    moreAnswers.set(answers);
    [tokens, answers] = [moreTokens, moreAnswers];
  };
  return {
    add(document, ids, learnt, turns) {
      reserve(length + ids.length);
      tokens.set(ids, length);
      answers.set(learnt, length);
      const start = length;
      length += ids.length;
      documents.push({ ...document, start, end: length, turns: turns?.map((turn) => start + turn) ?? null });
    },
    finish: () => ({ tokens: tokens.slice(0, length), answers: answers.slice(0, length), documents }),
  };
}

/** The documents that a predicate keeps; the token arrays are shared. */
function selectDocuments(corpus: EncodedCorpus, keep: (document: CorpusDocument) => boolean): EncodedCorpus {
  return { ...corpus, documents: corpus.documents.filter(keep) };
}

/** What the shard of a specialty learns from; `general` is made of the rows without a specialty. */
export function selectShardDocuments(corpus: EncodedCorpus, specialty: string): EncodedCorpus {
  const label = specialty === GENERAL ? null : specialty;
  return selectDocuments(corpus, (document) => document.part !== 'pretrain' && document.specialty === label);
}

export const GENERAL = 'general';

export interface PartSize {
  readonly part: CorpusPart;
  readonly documents: number;
  readonly characters: number;
  readonly tokens: number;
  readonly answerTokens: number;
}

export function measureParts(corpus: EncodedCorpus): PartSize[] {
  const parts: CorpusPart[] = ['pretrain', 'sft', 'mcq'];
  return parts
    .map((part) => {
      let [documents, characters, tokens, answerTokens] = [0, 0, 0, 0];
      for (const document of corpus.documents) {
        if (document.part !== part) continue;
        documents += 1;
        characters += document.characters;
        tokens += document.end - document.start;
        for (let at = document.start; at < document.end; at++) answerTokens += corpus.answers[at] ?? 0;
      }
      return { part, documents, characters, tokens, answerTokens };
    })
    .filter(({ documents }) => documents > 0);
}
