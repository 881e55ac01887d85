/** Sections on what a run has learnt, and how fast. */
import { lineChart } from '../plots/line-chart.ts';
import type { Line } from '../plots/line-chart.ts';
import { table } from './html.ts';
import type { Section } from './html.ts';
import type { RunRecord, StepMetrics } from './read-run.ts';

/** Steps over which curves are smoothed: of a short run fewer, since an average lags behind. */
function smoothing(steps: readonly StepMetrics[]): number {
  return Math.min(15, steps.length / 20);
}

type SpecialtyName = (key: string) => string;

export async function lossSection({ steps, validations }: RunRecord): Promise<Section> {
  const loss = steps.map(({ step, loss: value }): [number, number] => [step, value]);
  const validation = validations.map(({ step, validation: value }): [number, number] => [step, value]);
  const content = await lineChart({
    description: 'Training and validation loss by step',
    xTitle: 'step',
    yTitle: 'nats a token',
    height: 300,
    lines: [
      { name: 'training', points: loss, smooth: smoothing(steps) },
      { name: 'validation', points: validation, hasMarks: validation.length < 60 },
    ],
  });
  return {
    title: 'Loss',
    text: 'Mean negative log-likelihood of a target token. The strong training line is a moving average; the faint one is each step.',
    figures: [{ content }],
  };
}

export async function specialtySection(
  { validations }: RunRecord,
  nameOf: SpecialtyName,
): Promise<Section | null> {
  const measured = validations.filter(({ bySpecialty }) => bySpecialty !== undefined);
  const pointsOf = (name: string): [number, number][] =>
    measured.flatMap(({ step, bySpecialty }): [number, number][] => {
      const value = bySpecialty?.[name];
      return typeof value === 'number' ? [[step, value]] : [];
    });
  const all = new Set(measured.flatMap(({ bySpecialty = {} }) => Object.keys(bySpecialty)));
  const names = [...all].filter((name) => pointsOf(name).length > 0);
  if (names.length === 0) return null;
  const lines = names.map((name): Line => ({ name: nameOf(name), points: pointsOf(name) }));
  const chart = await lineChart({
    description: 'Validation loss of each specialty by step',
    xTitle: 'step',
    yTitle: 'nats a token',
    height: 300,
    lines,
  });
  const rows = names.map((name) => {
    const values = pointsOf(name).map(([, value]) => value);
    const first = values[0]!;
    const last = values.at(-1) ?? first;
    const best = Math.min(...values);
    return [
      `${nameOf(name)} ${name}`,
      ...[first, best, last].map((value) => value.toFixed(3)),
      `${last > first ? '+' : '−'}${Math.abs(last - first).toFixed(3)}`,
    ];
  });
  return {
    title: 'Validation by specialty',
    text: 'Each specialty is scored on its own held-out rows.',
    figures: [{ content: chart }, { content: table(['specialty', 'first', 'best', 'last', 'change'], rows) }],
  };
}

const AUXILIARY = [
  ['contrast', 'contrast', 'Contrastive loss, without its weight'],
  ['balance', 'balance', 'Load balance loss, without its weight; 1 where experts share evenly'],
  ['zLoss', 'z-loss', 'Router z-loss, without its weight'],
] as const;

export async function auxiliarySection({ steps }: RunRecord): Promise<Section | null> {
  const figures = [];
  for (const [field, name, caption] of AUXILIARY) {
    const points = pointsOf(steps, field);
    if (points.length === 0) continue;
    const content = await lineChart({
      description: `${caption} by step`,
      xTitle: 'step',
      yTitle: name,
      width: 325,
      height: 180,
      lines: [{ name, points, smooth: smoothing(steps) }],
    });
    figures.push({ content, caption, isNarrow: true });
  }
  if (figures.length === 0) return null;
  return {
    title: 'Auxiliary losses',
    text: 'What is added to the loss to shape routing. A contrastive loss may be low without anything learnt about tokens: look at the variance within experts below.',
    figures,
  };
}

export async function paceSection({ steps }: RunRecord): Promise<Section> {
  const speed = steps.flatMap(({ step, tokens, ms }): [number, number][] =>
    ms === undefined || tokens === undefined ? [] : [[step, (tokens * 1000) / ms]],
  );
  const charts = [
    ['learned tokens/s', 'Tokens with a target, by second of training', speed],
    ['gradient norm', 'Norm of the gradient before clipping', pointsOf(steps, 'gradientNorm')],
    ['learning rate', 'Learning rate', pointsOf(steps, 'learningRate')],
  ] as const;
  const figures = [];
  for (const [name, caption, points] of charts) {
    if (points.length === 0) continue;
    const isSmooth = name !== 'learning rate';
    const content = await lineChart({
      description: `${caption} by step`,
      xTitle: 'step',
      yTitle: name,
      width: 325,
      height: 180,
      yFromZero: true,
      lines: [{ name, points, ...(isSmooth ? { smooth: smoothing(steps) } : {}) }],
    });
    figures.push({ content, caption, isNarrow: true });
  }
  return {
    title: 'Pace and steps',
    text: 'Speed counts the steps alone, without validation and saving.',
    figures,
  };
}

function pointsOf(
  steps: readonly StepMetrics[],
  field: 'contrast' | 'balance' | 'zLoss' | 'gradientNorm' | 'learningRate',
): [number, number][] {
  return steps.flatMap((metrics): [number, number][] => {
    const value = metrics[field];
    return value === undefined ? [] : [[metrics.step, value]];
  });
}
