/** What a public source is: where its files come from, under which licence, and how they become rows. */
import type { DecodedText } from '../../../base/decode-text.ts';

/** A row as a source gives it, before cleaning, labels and checks. */
interface DraftBase {
  /** Unique, and the same whenever the same file is read. */
  readonly id: string;
  /** Label that the source itself gives (its department, or one for all of it); undefined: to be guessed from the text. */
  readonly specialty?: string | null;
}

export interface TextDraft extends DraftBase {
  readonly part: 'pretrain';
  readonly kind: 'paper' | 'classic' | 'note';
  readonly title: string;
  readonly text: string;
  /** Rows of one document share it and stay in one split. */
  readonly group: string;
}

export interface ChatDraft extends DraftBase {
  readonly part: 'sft';
  readonly messages: readonly { readonly role: 'user' | 'assistant'; readonly content: string }[];
  readonly department?: string;
}

export interface QuestionDraft extends DraftBase {
  readonly part: 'mcq';
  readonly question: string;
  readonly options: Readonly<Record<string, string>>;
  /** Letters in any order. */
  readonly answer: string;
  readonly explanation?: string;
  readonly subject?: string;
}

/** A short text that only the router learns from. */
export interface QueryDraft extends DraftBase {
  readonly part: 'router';
  readonly text: string;
}

export type Draft = TextDraft | ChatDraft | QuestionDraft | QueryDraft;

/** The files of a source that are there. */
export interface SourceFolder {
  /** Relative paths with `/`, sorted. */
  readonly paths: readonly string[];
  bytes(path: string): Promise<Uint8Array>;
  text(path: string): Promise<DecodedText>;
  /** For what cannot be read as a row. */
  reject(path: string, line: number | null, reason: string): void;
}

export interface Source {
  /** In `source` of its rows, and in reports. */
  readonly id: string;
  /** owner/name on GitHub. */
  readonly repository: string;
  /** The commit that the reader was made for: later ones may differ. */
  readonly commit: string;
  /** Which files of the repository, relative to its root. */
  readonly files: RegExp;
  /** The same in words, for who has to fetch them. */
  readonly where: string;
  readonly license: string;
  /** Rows that may not be used commercially are kept in files of their own. */
  readonly nonCommercial?: true;
  /** In words, when a language model wrote or rewrote the rows. */
  readonly synthetic?: string;
  /** Whether names and numbers of people may be in it. */
  readonly personal?: true;
  /** Part of the rows that is taken, by a hash of their id; 1 when missing. */
  readonly share?: number;
  read(folder: SourceFolder): AsyncIterable<Draft>;
}
