/** From what a source gives to a row of the data files: cleaned, without personal data, labelled, checked. */
import { cleanText, replacePersonal, type PersonalKind } from './clean-text.ts';
import type { RowTexts } from './dedupe/contamination.ts';
import { textsOfChat, textsOfQuestion } from './dedupe/row-texts.ts';
import { mcqRowSchema, pretrainRowSchema, sftRowSchema } from './rows.ts';
import type { ChatDraft, Draft, QuestionDraft, Source } from './sources/source.ts';
import { guessSpecialty } from './weak-label.ts';

export interface FinishedRow {
  readonly part: Draft['part'];
  readonly id: string;
  /** As it is written. */
  readonly row: Readonly<Record<string, unknown>>;
  readonly specialty: string | null;
  readonly specialtySource: 'gold' | 'weak' | null;
  /** What decides the split. */
  readonly group: string;
  readonly texts: RowTexts;
  /** What two rows that say the same have in common. */
  readonly content: string;
  /** What a person would type, for the router; null for texts. */
  readonly query: string | null;
}

/** Of a paper, its beginning says what it is about. */
const LABEL_CHARACTERS = 2000;

/** The row, or what is wrong with it. */
export function finishRow(
  draft: Draft,
  source: Source,
  onPersonal: (kind: PersonalKind) => void,
): FinishedRow | string {
  const clean = createCleaner(source, draft, onPersonal);
  const identity = { id: draft.id, source: source.id, license: source.license };
  if (draft.part === 'pretrain') {
    const [title, text] = [clean(draft.title), clean(draft.text)];
    const label = labelOf(draft, `${title}\n${text}`);
    const row = { ...identity, kind: draft.kind, title, ...label, text };
    const texts = { questions: [], all: [text] };
    return check(row, pretrainRowSchema) ?? finished(draft, row, label, texts, text, null, draft.group);
  }
  if (draft.part === 'router') {
    const text = clean(draft.text);
    const label = labelOf(draft, text);
    const row = { ...identity, text, ...label };
    return (
      check(row, pretrainRowSchema) ??
      finished(draft, row, label, { questions: [text], all: [text] }, text, text)
    );
  }
  return draft.part === 'sft' ? finishChat(draft, source, clean) : finishQuestion(draft, source, clean);
}

function finishChat(draft: ChatDraft, source: Source, clean: (text: string) => string): FinishedRow | string {
  const cleaned = draft.messages.map(({ role, content }) => ({ role, content: clean(content) }));
  const messages = trimChat(cleaned);
  const query = messages[0]?.content ?? '';
  const label = labelOf(draft, query);
  const row = {
    id: draft.id,
    source: source.id,
    license: source.license,
    messages,
    ...label,
    ...(source.synthetic === undefined ? {} : { synthetic: source.synthetic }),
    ...(draft.department === undefined || draft.department === '' ? {} : { department: draft.department }),
  };
  const content = messages.map((message) => message.content).join('\n');
  return check(row, sftRowSchema) ?? finished(draft, row, label, textsOfChat(messages), content, query);
}

/** Starts with the user and ends with the assistant; of one who speaks twice in a row, the messages are joined. */
function trimChat(messages: ChatDraft['messages']): ChatDraft['messages'] {
  const joined: { role: 'user' | 'assistant'; content: string }[] = [];
  for (const { role, content } of messages) {
    const last = joined.at(-1);
    if (last?.role === role) last.content = `${last.content}\n${content}`;
    else if (joined.length > 0 || role === 'user') joined.push({ role, content });
  }
  if (joined.at(-1)?.role === 'user') joined.pop();
  return joined;
}

function finishQuestion(
  draft: QuestionDraft,
  source: Source,
  clean: (text: string) => string,
): FinishedRow | string {
  const question = clean(draft.question);
  const options = Object.fromEntries(
    Object.entries(draft.options).map(([letter, text]) => [letter, clean(text)] as const),
  );
  const letters = draft.answer
    .normalize('NFKC')
    .toUpperCase()
    .replaceAll(/[\s,、;]/gu, '');
  const answer = [...new Set(letters)].sort().join('');
  if (Object.keys(options).length < 2) return 'options: fewer than two';
  if (Object.values(options).some((text) => text === '')) return 'options: one is empty';
  const explanation = clean(draft.explanation ?? '');
  const label = labelOf(draft, [question, ...Object.values(options)].join('\n'));
  const row = {
    id: draft.id,
    source: source.id,
    license: source.license,
    question,
    options,
    answer,
    qtype: answer.length > 1 ? ('multi' as const) : ('single' as const),
    ...(explanation === '' ? {} : { explanation }),
    ...(draft.subject === undefined || draft.subject === '' ? {} : { subject: draft.subject }),
    ...label,
  };
  const content = [question, ...Object.values(options)].join('\n');
  return check(row, mcqRowSchema) ?? finished(draft, row, label, textsOfQuestion(row), content, question);
}

interface Label {
  readonly specialty: string | null;
  readonly specialty_src: 'gold' | 'weak' | null;
}

function labelOf(draft: Draft, text: string): Label {
  if (draft.specialty !== undefined) {
    return { specialty: draft.specialty, specialty_src: draft.specialty === null ? null : 'gold' };
  }
  const specialty = guessSpecialty(text.slice(0, LABEL_CHARACTERS));
  return { specialty, specialty_src: specialty === null ? null : 'weak' };
}

function createCleaner(
  source: Source,
  draft: Draft,
  onPersonal: (kind: PersonalKind) => void,
): (text: string) => string {
  if (source.personal !== true) return cleanText;
  const kind = draft.part === 'pretrain' ? 'paper' : 'conversation';
  return (text) => replacePersonal(cleanText(text), kind, onPersonal);
}

interface Checker {
  safeParse(row: unknown): {
    readonly success: boolean;
    readonly error?:
      | { readonly issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[] }
      | undefined;
  };
}

/** Null when the row is good. */
function check(row: object, schema: Checker): string | null {
  const issue = schema.safeParse(row).error?.issues[0];
  return issue === undefined ? null : `${issue.path.join('.') || 'row'}: ${issue.message}`;
}

function finished(
  draft: Draft,
  row: Readonly<Record<string, unknown>>,
  label: Label,
  texts: RowTexts,
  content: string,
  query: string | null,
  group = draft.id,
): FinishedRow {
  const { specialty, specialty_src: specialtySource } = label;
  return { part: draft.part, id: draft.id, row, specialty, specialtySource, group, texts, content, query };
}
