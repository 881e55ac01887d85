import { afterAll, expect, test } from 'vitest';
import { createPromptEncoder } from '../../src/cli/prompt-encoder.ts';
import { createScorerAnswerer } from '../../src/cli/scorer-answerer.ts';
import { ContinuationScorer } from '../../src/engine/continuation-scorer.ts';
import { officialTemplate } from '../../src/eval/exam-templates.ts';
import type { ExamQuestion } from '../../src/eval/questions/exam-question.ts';
import { Transformer } from '../../src/model/transformer.ts';
import { createWasmDevice } from '../../src/tensor/wasm/node.ts';
import { Scorer } from '../../src/train/scorer.ts';
import { byteTokenizer, byteVocabulary } from '../support/byte-tokenizer.ts';
import { tinyModel, tinyShard } from '../support/tiny-model.ts';

const device = await createWasmDevice({ threads: 1 });
afterAll(() => device.dispose());

const question: ExamQuestion = {
  id: 'q',
  source: 'cmexam-test',
  question: '首选的药',
  options: { A: '青霉素', B: '阿司匹林' },
  answer: 'B',
  kind: 'single',
  specialty: 'cardiovascular',
};

test('the trainer’s forward pass gives the log-likelihoods of the engine', async () => {
  const model = await tinyModel({ vocabularySize: byteVocabulary + 6 });
  const shard = await tinyShard(model);
  const { tokenizer, chat } = byteTokenizer();
  const encoder = createPromptEncoder(tokenizer, chat);
  const prompt = officialTemplate('cmexam').letters(question, []);
  const requests = [' A', ' B', ' 青霉素'].map((one) => {
    return { id: 'q', prompt, continuations: [one], specialty: question.specialty };
  });
  const scorer = await Scorer.create(device, model.checkpoint, [shard], { rows: 2, rowLength: 128 });
  const trained = createScorerAnswerer(scorer, encoder, () => ({ shards: [0], priors: [1] }), 128);
  const scores = await trained.scoreContinuations(requests);

  const transformer = await Transformer.load(device, model.checkpoint, {
    pages: 64,
    experts: { slots: 4, rank: 4 },
  });
  const route = { shards: [{ shard: await transformer.experts.load(shard), prior: 1 }] };
  const groups = requests.map(({ continuations }) => {
    return { route, sequences: continuations.map((one) => encoder.encodeWith(prompt, one)) };
  });
  const expected = await new ContinuationScorer(transformer).score(groups);
  expect(scores.map(([score]) => score?.tokens)).toEqual([2, 2, 10]);
  for (const [at, [score]] of scores.entries())
    expect(score?.logLikelihood).toBeCloseTo(expected[at]![0]!, 4);

  const short = createScorerAnswerer(scorer, encoder, () => ({ shards: [], priors: [] }), 16);
  await expect(short.scoreContinuations(requests)).rejects.toMatchObject({ code: 'context_length_exceeded' });
});
