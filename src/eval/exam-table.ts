/** The results of an exam as Markdown tables. */
import type { Proportion } from '../base/proportion.ts';
import type { RecordDifferences } from './compare-records.ts';
import type { ExamFigures, GroupReport, MeanEstimate } from './exam-report.ts';
import type { Difference } from './two-way-bootstrap.ts';

export interface ExamResult {
  readonly exam: string;
  readonly data: {
    /** Which part of the official set: a table has to name it so. */
    readonly description: string;
    readonly files: readonly { readonly name: string; readonly sha256: string }[];
    readonly questions: number;
    /** Rows of the files that could not be used. */
    readonly leftOut: number;
    readonly sample: { readonly limit: number; readonly seed: number } | null;
  };
  readonly template: string;
  readonly fewShot: number;
  readonly baseFingerprint?: string;
  readonly models: readonly {
    readonly name: string;
    readonly description: string;
    readonly seconds: number;
    readonly figures: ExamFigures;
  }[];
  /** Each model but the first against the first. */
  readonly differences: readonly {
    readonly name: string;
    readonly to: string;
    readonly values: RecordDifferences;
  }[];
}

export function renderExam(result: ExamResult): string {
  const { data, models } = result;
  const sample = data.sample ? `; a sample of ${data.questions} of these, seed ${data.sample.seed}` : '';
  return [
    `# ${data.description}${sample}`,
    '',
    `Prompt: ${result.template}, ${result.fewShot === 0 ? 'no worked examples' : `${result.fewShot} worked examples`}.`,
    'Accuracy with 95 % Wilson intervals, margins in nats with 95 % intervals. docs/evaluation.md says how to read them.',
    '',
    ...models.flatMap(({ name, description, figures }) => [
      `## ${name}`,
      '',
      description,
      '',
      ...renderFigures(figures),
      '',
    ]),
    ...renderDifferences(result.differences),
  ].join('\n');
}

type Column = readonly [title: string, cell: (group: GroupReport) => string | undefined];

const COLUMNS: readonly Column[] = [
  ['questions', ({ questions }) => String(questions)],
  ['by letters', ({ letters }) => letters && showShare(letters)],
  ['by text', ({ text }) => text && showShare(text)],
  ['by text, per character', ({ textPerCharacter }) => textPerCharacter && showShare(textPerCharacter)],
  ['generated', ({ generated, unread }) => generated && `${showShare(generated)}, ${unread ?? 0} unread`],
  ['always one answer', ({ majority }) => `${percent(majority.accuracy)} (${majority.answer})`],
  ['chance', ({ chance }) => percent(chance)],
  ['margin, letters', ({ lettersMargin }) => lettersMargin && showMean(lettersMargin)],
  ['margin, text', ({ textMargin }) => textMargin && showMean(textMargin)],
  ['margin, text per character', ({ textPerCharacterMargin: mean }) => mean && showMean(mean)],
];

function renderFigures(figures: ExamFigures): string[] {
  const rows: [string, GroupReport][] = [['all', figures.overall]];
  const add = (kind: string, groups: Readonly<Record<string, GroupReport>>): void => {
    const named = Object.entries(groups);
    // One group that is everything says nothing new.
    if (named.length === 1 && named[0]?.[1].questions === figures.overall.questions) return;
    for (const [name, group] of named) rows.push([`${kind}: ${name}`, group]);
  };
  add('answers', figures.byKind);
  add('part', figures.bySubset);
  add('subject', figures.bySubject);
  add('specialty', figures.bySpecialty);
  const columns = COLUMNS.filter(([, cell]) => cell(figures.overall) !== undefined);
  const lines = [
    line(['', ...columns.map(([title]) => title)]),
    line(['---', ...columns.map(() => '---')]),
    ...rows.map(([name, group]) => line([name, ...columns.map(([, cell]) => cell(group) ?? '')])),
  ];
  const { macro } = figures;
  if (macro) {
    const interval = `${percent(macro.low)} to ${percent(macro.high)}`;
    lines.push('', `Mean over subjects, by letters: ${percent(macro.mean)} (${interval}).`);
  }
  const chosen = Object.entries(figures.overall.chosen ?? {});
  if (chosen.length > 0) {
    const most = chosen.toSorted(([, left], [, right]) => right - left).slice(0, 8);
    lines.push('', `Chosen by letters: ${most.map(([answer, count]) => `${answer} ${count}`).join(', ')}.`);
  }
  return lines;
}

function renderDifferences(differences: ExamResult['differences']): string[] {
  if (differences.length === 0) return [];
  const titles = [
    'accuracy by letters',
    'generated',
    'margin, letters',
    'margin, text',
    'margin, text per character',
  ];
  return [
    '## Differences on the same questions',
    '',
    'Paired bootstrap, 95 %; behind it the smallest difference that would have been found in 80 of 100 repetitions.',
    '',
    line(['', ...titles]),
    line(['---', ...titles.map(() => '---')]),
    ...differences.map(({ name, to, values }) =>
      line([`${name} − ${to}`, ...measuresOf(values).map((one) => (one ? showDifference(one) : ''))]),
    ),
    '',
  ];
}

function measuresOf(values: RecordDifferences): (Difference | undefined)[] {
  const { letters, generated, lettersMargin, textMargin, textPerCharacterMargin } = values;
  return [letters, generated, lettersMargin, textMargin, textPerCharacterMargin];
}

function showShare({ accuracy, interval }: Proportion): string {
  return `${percent(accuracy)} (${percent(interval[0])} to ${percent(interval[1])})`;
}

function showMean({ mean, low, high }: MeanEstimate): string {
  return `${signed(mean)} (${signed(low)} to ${signed(high)})`;
}

function showDifference({ value, low, high, detectable }: Difference): string {
  return `${signed(value)} (${signed(low)} to ${signed(high)}), ${detectable.toFixed(3)}`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function signed(value: number): string {
  return `${value > 0 ? '+' : ''}${value.toFixed(3)}`;
}

function line(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}
