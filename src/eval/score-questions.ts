/**
 * Asks a model the questions of an exam and keeps, for each, what it chose and by how much.
 *
 * By likelihood, two ways. Letters: of a question with one answer each letter is scored; of one with several, the letter
 * strings of all sets of its options, closed by the template's mark (31 for five options: exact, since no option is judged
 * apart from the others). Text: the text of each option behind the question alone, as a whole and per character. By
 * generation: a greedy answer, its letters parsed.
 */
import { invariant } from '../base/invariant.ts';
import type { Answerer, ContinuationScore, ScoreRequest } from './answerer.ts';
import type { ExamTemplate } from './exam-templates.ts';
import { indexOfBest, optionMargin } from './margins.ts';
import { letterSets } from './option-sets.ts';
import { parseAnswer } from './parse-answer.ts';
import type { ExamQuestion } from './questions/exam-question.ts';

/** What one way of answering chose. */
export interface Choice {
  /** Letters; '' where nothing could be read from a generated answer. */
  readonly chosen: string;
  readonly right: boolean;
}

/** See margins.ts. */
export interface ScoredChoice extends Choice {
  readonly margin: number | null;
}

export interface QuestionRecord {
  readonly id: string;
  readonly answer: string;
  readonly options: number;
  readonly kind: 'single' | 'multiple';
  readonly specialty: string | null;
  readonly subject?: string;
  readonly subset?: string;
  readonly letters?: ScoredChoice;
  /** Of questions with one answer only: texts of several options are no one text. */
  readonly text?: ScoredChoice;
  /** The same by log-likelihood per character (code points) of the option. */
  readonly textPerCharacter?: ScoredChoice;
  readonly generated?: Choice;
}

export interface ScoreQuestionsOptions {
  readonly template: ExamTemplate;
  readonly answer: 'likelihood' | 'generation' | 'both';
  /** Worked examples before a question. */
  readonly examples?: (question: ExamQuestion) => readonly ExamQuestion[];
  /** Tokens of a generated answer at most. */
  readonly maxTokens?: number;
  readonly onPhase?: (what: 'likelihood' | 'generation', total: number) => void;
  readonly onProgress?: (done: number) => void;
}

const DEFAULT_MAX_TOKENS = 24;

/** One record a question, in their order. Throws what the answerer throws. */
export async function scoreQuestions(
  questions: readonly ExamQuestion[],
  answerer: Pick<Answerer, 'scoreContinuations' | 'generate'>,
  options: ScoreQuestionsOptions,
): Promise<QuestionRecord[]> {
  const likelihoods = options.answer === 'generation' ? [] : await scoreAll(questions, answerer, options);
  const answers = options.answer === 'likelihood' ? [] : await generateAll(questions, answerer, options);
  return questions.map((question, at) => {
    const { id, answer, kind, specialty, subject, subset } = question;
    return {
      id,
      answer,
      options: Object.keys(question.options).length,
      kind,
      specialty,
      ...(subject === undefined ? {} : { subject }),
      ...(subset === undefined ? {} : { subset }),
      ...likelihoods[at],
      ...answers[at],
    };
  });
}

type Likelihoods = Pick<QuestionRecord, 'letters' | 'text' | 'textPerCharacter'>;

async function scoreAll(
  questions: readonly ExamQuestion[],
  answerer: Pick<Answerer, 'scoreContinuations'>,
  options: ScoreQuestionsOptions,
): Promise<Likelihoods[]> {
  const requests = questions.flatMap((question) => requestsOf(question, options));
  options.onPhase?.('likelihood', requests.length);
  const scores = await answerer.scoreContinuations(requests, options.onProgress);
  invariant(scores.length === requests.length, 'scores for each request');
  let next = 0;
  return questions.map((question) => {
    const letters = readLetters(question, scores[next++] ?? []);
    return question.kind === 'multiple'
      ? { letters }
      : { letters, ...readTexts(question, scores[next++] ?? []) };
  });
}

/** Letters first, then texts where the question has one answer. */
function requestsOf(question: ExamQuestion, { template, examples }: ScoreQuestionsOptions): ScoreRequest[] {
  const { id, specialty, kind } = question;
  const close = kind === 'multiple' ? template.close : '';
  const letters: ScoreRequest = {
    id,
    specialty,
    prompt: template.letters(question, examples?.(question) ?? []),
    continuations: candidates(question).map((set) => template.lead + set + close),
  };
  if (kind === 'multiple') return [letters];
  const texts = Object.values(question.options).map((text) => template.lead + text);
  return [letters, { id, specialty, prompt: template.text(question), continuations: texts }];
}

function candidates({ options, kind }: ExamQuestion): string[] {
  const letters = Object.keys(options);
  return kind === 'multiple' ? letterSets(letters) : letters;
}

function readLetters(question: ExamQuestion, scores: readonly ContinuationScore[]): ScoredChoice {
  return choose(
    question,
    candidates(question),
    scores.map(({ logLikelihood }) => logLikelihood),
  );
}

function readTexts(question: ExamQuestion, scores: readonly ContinuationScore[]): Likelihoods {
  const lengths = Object.values(question.options).map((text) => Array.from(text).length);
  const whole = scores.map(({ logLikelihood }) => logLikelihood);
  const perCharacter = whole.map((score, at) => score / (lengths[at] ?? 1));
  const letters = Object.keys(question.options);
  return {
    text: choose(question, letters, whole),
    textPerCharacter: choose(question, letters, perCharacter),
  };
}

function choose({ answer }: ExamQuestion, names: readonly string[], scores: readonly number[]): ScoredChoice {
  invariant(scores.length === names.length, 'a score for each candidate');
  const chosen = names[indexOfBest(scores)] ?? '';
  const margin = optionMargin(
    scores,
    names.map((name) => name === answer),
  );
  return { chosen, right: chosen === answer, margin };
}

async function generateAll(
  questions: readonly ExamQuestion[],
  answerer: Pick<Answerer, 'generate'>,
  options: ScoreQuestionsOptions,
): Promise<{ generated: Choice }[]> {
  options.onPhase?.('generation', questions.length);
  const requests = questions.map((question) => ({
    id: question.id,
    specialty: question.specialty,
    prompt: options.template.letters(question, options.examples?.(question) ?? []),
    maxTokens: options.maxTokens ?? DEFAULT_MAX_TOKENS,
  }));
  const texts = await answerer.generate(requests, options.onProgress);
  return questions.map((question, at) => {
    const text = firstLine(texts[at] ?? '');
    const chosen = parseAnswer(text, Object.keys(question.options), question.kind) ?? '';
    return { generated: { chosen, right: chosen === question.answer } };
  });
}

/** The first line with something in it: behind it a model goes on to questions of its own. */
function firstLine(text: string): string {
  return text.trimStart().split('\n')[0] ?? '';
}
