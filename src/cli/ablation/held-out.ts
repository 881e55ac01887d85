/** What every arm is measured on: answers of consultations and exam questions that no arm has seen, drawn by a seed. */
import { InternalError } from '../../base/errors.ts';
import { createRandom } from '../../base/random.ts';
import { scoreDocuments } from '../../eval/bits-per-character.ts';
import { sampleQuestions } from '../../eval/choose-questions.ts';
import { readExam } from '../../eval/questions/read-exam.ts';
import type { ExamName, ExamQuestion } from '../../eval/questions/read-exam.ts';
import { scoreQuestions } from '../../eval/score-questions.ts';
import { createChatEncoder } from '../../model/chat-template.ts';
import type { Tokenizer, TokenizerFiles } from '../../model/tokenizer.ts';
import { makeHeldOutDocuments } from '../../train/data/held-out.ts';
import type { HeldOutDocument } from '../../train/data/held-out.ts';
import { loadCorpus } from '../../train/data/load-corpus.ts';
import type { Scorer } from '../../train/scorer.ts';
import type { ActiveShards } from '../../train/shard-routes.ts';
import { createPromptEncoder } from '../prompt-encoder.ts';
import { createScorerAnswerer } from '../scorer-answerer.ts';
import { trainedTemplate } from '../trained-template.ts';
import type { Profile } from './arms.ts';
import type { AblationItems, ArmResult } from './results.ts';

export interface HeldOut {
  readonly documents: readonly HeldOutDocument[];
  readonly questions: readonly (ExamQuestion & { readonly examName: ExamName })[];
  readonly items: AblationItems;
}

const EXAMS: readonly ExamName[] = ['cmb', 'cmexam', 'cmmlu-med'];
/** The same items whatever the seed of the training. */
const ITEM_SEED = 20;

export async function drawHeldOut(request: {
  readonly dataDirectory: string;
  readonly examPath: string;
  readonly tokenizer: Tokenizer;
  readonly tokenizerFiles: TokenizerFiles;
  readonly profile: Profile;
}): Promise<HeldOut> {
  const { profile, tokenizer, tokenizerFiles, dataDirectory } = request;
  const corpus = await loadCorpus({
    dataDirectory,
    split: 'valid',
    parts: ['sft'],
    tokenizer,
    tokenizerFiles,
  });
  const all = makeHeldOutDocuments(corpus, tokenizer).filter(({ characters }) => characters > 0);
  const documents = createRandom(ITEM_SEED).shuffle(all).slice(0, profile.answers);
  const questions: (ExamQuestion & { examName: ExamName })[] = [];
  for (const exam of EXAMS) {
    const { questions: official } = await readExam(exam, request.examPath);
    // A margin needs one right option; and the question has to fit into a row with each of them.
    const fitting = official.filter(({ kind, question }) => kind === 'single' && question.length <= 200);
    for (const question of sampleQuestions(fitting, profile.questions, ITEM_SEED)) {
      questions.push({ ...question, examName: exam });
    }
  }
  return {
    documents,
    questions,
    items: {
      answers: documents.map(({ id, specialty, characters }) => ({ id, specialty, characters })),
      questions: questions.map(({ id, examName: exam, specialty }) => ({ id, exam, specialty })),
    },
  };
}

export type Measures = Pick<ArmResult, 'nats' | 'textMargins' | 'letterMargins' | 'letterRight'>;

/** Every value in the order of the items. `active`: what is active for each of them. */
export async function measure(
  scorer: Scorer,
  active: ActiveShards,
  { documents, questions }: HeldOut,
  { rowLength, tokenizer }: { readonly rowLength: number; readonly tokenizer: Tokenizer },
): Promise<Measures> {
  const scores = await scoreDocuments(
    documents,
    {
      scoreWindows: (windows) =>
        scorer.score(
          windows,
          windows.map(() => active),
        ),
    },
    { maxTokens: rowLength, stride: rowLength / 2 },
  );
  const encoder = createPromptEncoder(tokenizer, createChatEncoder(tokenizer));
  const answerer = createScorerAnswerer(scorer, encoder, () => active, rowLength);
  const records = await scoreQuestions(
    questions,
    { ...answerer, generate: refuseToGenerate },
    { template: trainedTemplate, answer: 'likelihood' },
  );
  return {
    nats: scores.map(({ nats }) => nats),
    textMargins: records.map(({ textPerCharacter }) => textPerCharacter?.margin ?? 0),
    letterMargins: records.map(({ letters }) => letters?.margin ?? 0),
    letterRight: records.map(({ letters }) => (letters?.right === true ? 1 : 0)),
  };
}

function refuseToGenerate(): Promise<never> {
  return Promise.reject(new InternalError('not_generating', 'an ablation scores and generates nothing'));
}
