import { describe, expect, it } from 'vitest';
import type { Answerer, ExamPrompt } from '../../src/eval/answerer.ts';
import { chooseExamples, sampleQuestions } from '../../src/eval/choose-questions.ts';
import { compareRecords } from '../../src/eval/compare-records.ts';
import { examFigures } from '../../src/eval/exam-report.ts';
import { renderExam } from '../../src/eval/exam-table.ts';
import { officialTemplate } from '../../src/eval/exam-templates.ts';
import type { ExamQuestion } from '../../src/eval/questions/exam-question.ts';
import { scoreQuestions } from '../../src/eval/score-questions.ts';

function question(change: Partial<ExamQuestion> & { id: string }): ExamQuestion {
  return {
    source: 'cmexam-test',
    question: `关于${change.id}，正确的是`,
    options: { A: '肺炎', B: '慢性支气管炎', C: '哮喘' },
    answer: 'B',
    kind: 'single',
    specialty: 'respiratory_infection',
    ...change,
  };
}

const textOf = (prompt: ExamPrompt): string => (prompt.kind === 'text' ? prompt.text : '');

/** Scores continuations by a list of what it likes, and always answers the same. */
function answererOf(
  likes: Readonly<Record<string, number>>,
  says: string,
): Pick<Answerer, 'scoreContinuations' | 'generate'> {
  return {
    scoreContinuations: async (requests) =>
      requests.map(({ continuations }) =>
        continuations.map((one) => ({ logLikelihood: likes[one.trim()] ?? -10, tokens: one.length })),
      ),
    generate: async (requests) => requests.map(() => says),
  };
}

describe('the published prompts', () => {
  it('of CMB', () => {
    const asked = question({
      id: '1',
      exam: { type: '医师考试', class: '执业医师' },
      kind: 'multiple',
      answer: 'AB',
    });
    const template = officialTemplate('cmb');
    expect(textOf(template.letters(asked, []))).toBe(
      '以下是中国医师考试中执业医师考试的一道多项选择题，不需要做任何分析和解释，直接输出答案选项。\n关于1，正确的是\nA. 肺炎\nB. 慢性支气管炎\nC. 哮喘\n答案是',
    );
    const shot = textOf(template.letters(question({ id: '2' }), [question({ id: '3' })]));
    expect(shot).toMatch(/C\. 哮喘\n答案是B。\n\n以下是中国医学考试的一道单项选择题/u);
  });

  it('of CMExam', () => {
    const template = officialTemplate('cmexam');
    const asked = question({ id: '1' });
    const prompt = '问题: 关于1，正确的是, \n 选项: A 肺炎\nB 慢性支气管炎\nC 哮喘\n答案:';
    expect(textOf(template.letters(asked, []))).toBe(prompt);
    expect(textOf(template.text(asked))).toBe('问题: 关于1，正确的是\n答案:');
    expect(template.lead).toBe(' ');
  });

  it('of CMMLU', () => {
    const asked = question({ id: '1', subject: 'anatomy' });
    expect(textOf(officialTemplate('cmmlu-med').letters(asked, [question({ id: '2' })]))).toBe(
      '以下是关于解剖学的单项选择题，请直接给出正确答案的选项。\n\n' +
        '题目：关于2，正确的是\nA. 肺炎\nB. 慢性支气管炎\nC. 哮喘\n答案是：B\n\n' +
        '题目：关于1，正确的是\nA. 肺炎\nB. 慢性支气管炎\nC. 哮喘\n答案是：',
    );
  });
});

describe('scoreQuestions', () => {
  const template = officialTemplate('cmexam');

  it('chooses by letters, by text, by text per character and by generation', async () => {
    const answerer = answererOf({ A: -3, B: -1, C: -2, 肺炎: -4, 慢性支气管炎: -9, 哮喘: -5 }, '答案: C');
    const [record] = await scoreQuestions([question({ id: '1' })], answerer, { template, answer: 'both' });
    expect(record).toMatchObject({
      letters: { chosen: 'B', right: true, margin: expect.closeTo(1.5) },
      text: { chosen: 'A', right: false, margin: expect.closeTo(-4.5) },
      textPerCharacter: { chosen: 'B', right: true, margin: expect.closeTo(-1.5 + 2.25) },
      generated: { chosen: 'C', right: false },
    });
  });

  it('scores every set of letters where several answers may be right, closed', async () => {
    let asked: readonly string[] = [];
    const answerer = answererOf({ AC: -1, A: -2 }, '');
    const [record] = await scoreQuestions(
      [question({ id: '1', kind: 'multiple', answer: 'AC' })],
      {
        ...answerer,
        scoreContinuations(requests) {
          asked = requests.flatMap(({ continuations }) => continuations);
          return answerer.scoreContinuations(requests);
        },
      },
      { template, answer: 'likelihood' },
    );
    expect(asked).toEqual([' A\n', ' B\n', ' C\n', ' AB\n', ' AC\n', ' BC\n', ' ABC\n']);
    expect(record?.letters).toMatchObject({ chosen: 'AC', right: true });
    expect(record).not.toHaveProperty('text');
  });

  it('counts an answer without letters as wrong, and apart', async () => {
    const records = await scoreQuestions([question({ id: '1' })], answererOf({}, '我不知道'), {
      template,
      answer: 'generation',
    });
    expect(examFigures(records).overall).toMatchObject({ generated: { right: 0, rows: 1 }, unread: 1 });
    expect(examFigures(records).overall).not.toHaveProperty('letters');
  });
});

describe('examFigures', () => {
  const template = officialTemplate('cmmlu-med');
  const questions = [
    question({ id: '1', subject: 'anatomy', answer: 'A', specialty: null }),
    question({ id: '2', subject: 'anatomy', answer: 'A' }),
    question({ id: '3', subject: 'virology', answer: 'B' }),
    question({ id: '4', subject: 'virology', answer: 'A' }),
    question({ id: '5', subject: 'virology', answer: 'C' }),
    question({ id: '6', subject: 'virology', answer: 'A' }),
  ];
  const ask = (likes: Record<string, number>) =>
    scoreQuestions(questions, answererOf(likes, ''), { template, answer: 'likelihood' });

  it('breaks down by subject and specialty, with the trivial baseline beside', async () => {
    const figures = examFigures(await ask({ B: 0 }));
    expect(figures.overall).toMatchObject({
      questions: 6,
      letters: { right: 1, rows: 6 },
      majority: { answer: 'A', accuracy: 4 / 6 },
      chance: expect.closeTo(1 / 3),
      chosen: { B: 6 },
    });
    expect(figures.bySubject['anatomy']?.letters).toMatchObject({ right: 0, rows: 2 });
    expect(figures.bySpecialty['none']?.questions).toBe(1);
    // Every subject weighs the same: (0 + 1/4) / 2.
    expect(figures.macro?.mean).toBeCloseTo(1 / 8);
    expect(figures.macro!.low).toBeLessThanOrEqual(figures.macro!.mean);
    expect(figures.macro!.high).toBeGreaterThan(figures.macro!.mean);
  });

  it('compares two models in pairs', async () => {
    const [left, right] = [await ask({ A: 0 }), await ask({ B: 0 })];
    expect(compareRecords(left, right).letters?.value).toBeCloseTo(3 / 6);
    expect(compareRecords(left, left).lettersMargin).toMatchObject({
      value: 0,
      low: 0,
      high: 0,
      detectable: 0,
    });
    expect(() => compareRecords(left, right.toReversed())).toThrow(
      expect.objectContaining({ code: 'unequal_items' }),
    );
  });

  it('are shown under the name of the part that the data is', async () => {
    const records = await ask({ A: 0 });
    const table = renderExam({
      exam: 'cmmlu-med',
      data: {
        description: 'CMMLU-Med test: seven subjects 6 of 1333 questions',
        files: [],
        questions: 6,
        leftOut: 0,
        sample: { limit: 6, seed: 4 },
      },
      template: template.name,
      fewShot: 0,
      models: [{ name: 'base', description: 'engine', seconds: 1, figures: examFigures(records) }],
      differences: [],
    });
    expect(table).toContain(
      '# CMMLU-Med test: seven subjects 6 of 1333 questions; a sample of 6 of these, seed 4',
    );
    expect(table).toMatch(/\| all \| 6 \| 66\.7 % \(30\.0 % to 90\.3 %\)/u);
    expect(table).toContain('| subject: virology | 4 |');
  });
});

describe('sampleQuestions and chooseExamples', () => {
  const questions = Array.from({ length: 50 }, (_, n) => question({ id: String(n) }));

  it('draws the same questions for the same seed, in the order of the set', () => {
    const ids = (seed: number) => sampleQuestions(questions, 10, seed).map(({ id }) => Number(id));
    expect(ids(1)).toEqual(ids(1));
    expect(ids(1)).not.toEqual(ids(2));
    expect(ids(1)).toEqual(ids(1).toSorted((a, b) => a - b));
    expect(sampleQuestions(questions, undefined, 1)).toHaveLength(50);
  });

  it('takes examples of the same subject in order, never the question itself', () => {
    const pool = [
      question({ id: 'v1', subject: 'virology' }),
      question({ id: 'a1', subject: 'anatomy' }),
      question({ id: 'a2', subject: 'anatomy' }),
      question({ id: 'm1', kind: 'multiple', answer: 'AB' }),
      question({ id: 'c1', source: 'cmb-val' }),
    ];
    const ids = (asked: ExamQuestion) => chooseExamples(asked, pool, 2).map(({ id }) => id);
    expect(ids(question({ id: 'q', subject: 'anatomy' }))).toEqual(['a1', 'a2']);
    expect(ids(pool[1]!)).toEqual(['a2']);
    expect(ids(question({ id: 'q', kind: 'multiple', answer: 'BC' }))).toEqual(['m1']);
    expect(ids(question({ id: 'q' }))).toEqual(['v1', 'a1']);
    expect(ids(question({ id: 'q', source: 'cmb-test' }))).toEqual(['c1']);
  });
});
