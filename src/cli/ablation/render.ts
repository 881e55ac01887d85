/** docs/results.md and its plots, from the summary alone. */
import type { Difference } from '../../eval/two-way-bootstrap.ts';
import { forestPlot } from '../plots/forest-plot.ts';
import { standaloneSvg } from '../plots/render.ts';
import type { AblationSummary, ArmDifference, ArmSummary, MeasureName, Spread } from './compare.ts';
import type { ArmResult } from './results.ts';

export interface RenderedAblation {
  readonly markdown: string;
  /** By file name. */
  readonly plots: ReadonlyMap<string, string>;
}

interface Measure {
  readonly name: MeasureName;
  readonly title: string;
  readonly unit: string;
  readonly lowerIsBetter: boolean;
}

const MEASURES: readonly Measure[] = [
  {
    name: 'bits',
    title: 'Bits per character of held-out answers',
    unit: 'bits per character',
    lowerIsBetter: true,
  },
  {
    name: 'textMargin',
    title: 'Margin of the right option, its text',
    unit: 'nats per character',
    lowerIsBetter: false,
  },
  {
    name: 'letterMargin',
    title: 'Margin of the right option, its letter',
    unit: 'nats',
    lowerIsBetter: false,
  },
];

/** `plotFolder` is where the Markdown finds the plots. */
export async function renderAblation(
  summary: AblationSummary,
  results: readonly ArmResult[],
  plotFolder: string,
): Promise<RenderedAblation> {
  const plots = new Map<string, string>();
  const sections: string[] = [];
  for (const measure of MEASURES) {
    const file = `${measure.name}.svg`;
    plots.set(file, await plotMeasure(summary, measure));
    sections.push(...renderMeasure(summary, measure, `${plotFolder}/${file}`));
  }
  const markdown = [
    '# Ablation: what each part of the method adds',
    '',
    ...introduce(summary, results),
    '## Arms',
    '',
    ...renderArms(summary),
    '',
    ...sections,
    '## By specialty',
    '',
    'Bits per character of held-out answers, mean over seeds.',
    '',
    ...renderSpecialties(summary),
    '',
    ...renderRouting(summary),
  ].join('\n');
  return { markdown: `${markdown.trimEnd()}\n`, plots };
}

function introduce({ arms }: AblationSummary, results: readonly ArmResult[]): string[] {
  const first = results.find(({ steps }) => steps > 0) ?? results[0]!;
  const commits = [...new Set(results.flatMap(({ commit }) => commit?.slice(0, 10) ?? []))];
  return [
    `\`npm run ablation -- --data <directory>\` makes this file from the JSON in \`docs/results/ablation\` (a file an arm`,
    'and seed, with the value of every answer and question; the config of each run is in it). What is there already is not',
    'run again; `--render-only` only writes this page.',
    '',
    `${Math.max(...arms.map(({ seeds }) => seeds))} seeds; ${first.steps} steps, ${first.trainTokens.toLocaleString('en')} tokens a run;`,
    `base \`${first.baseFingerprint.slice(0, 12)}\`; ${first.device}; commit ${commits.join(', ') || 'unknown'}.`,
    `${first.nats.length} held-out answers, ${first.textMargins.length} exam questions.`,
    '',
    'Intervals are 95 %: seeds and items are both drawn anew 2,000 times, items in pairs. With so few seeds the part of the',
    'seeds is somewhat underestimated. “Detectable” is the smallest true difference that this design would find four times',
    'out of five. A base this small is near chance on exams: accuracy is given for completeness; the margins and bits are',
    'what tells arms apart.',
    '',
  ];
}

function renderArms({ arms, exams }: AblationSummary): string[] {
  return table(
    [
      'arm',
      'seeds',
      'trained parameters',
      'tokens/s',
      'peak memory',
      'bits/character',
      'margin, text',
      'margin, letter',
      ...exams.map((exam) => `${exam} right`),
    ],
    arms.map((arm) => [
      arm.title,
      String(arm.seeds),
      arm.trainedParameters.toLocaleString('en'),
      arm.tokensPerSecond?.toFixed(0) ?? '–',
      arm.tokensPerSecond === null ? '–' : `${(arm.peakBytes / 2 ** 20).toFixed(0)} MiB`,
      showSpread(arm.bits, 4),
      showSpread(arm.textMargin, 4),
      showSpread(arm.letterMargin, 4),
      ...exams.map((exam) => showPercent(arm.accuracy[exam])),
    ]),
  );
}

function renderMeasure(summary: AblationSummary, measure: Measure, plot: string): string[] {
  const { name, title, unit, lowerIsBetter } = measure;
  return [
    `## ${title}`,
    '',
    `In ${unit}; ${lowerIsBetter ? 'below' : 'above'} zero the first arm of a pair is better.`,
    '',
    `![${title}: differences between arms](${plot})`,
    '',
    ...table(
      ['difference', 'value', '95 % interval', 'detectable', 'verdict'],
      summary.differences.map((difference) => [
        pairTitle(summary.arms, difference),
        signed(difference.measures[name].value),
        `${signed(difference.measures[name].low)} to ${signed(difference.measures[name].high)}`,
        difference.measures[name].detectable.toFixed(4),
        verdict(difference.measures[name], lowerIsBetter),
      ]),
    ),
    '',
  ];
}

function renderSpecialties({ arms, differences, specialties }: AblationSummary): string[] {
  const last = differences.find(({ left, right }) => left === 'sparsedoctor' && right === 'lora-moe');
  return table(
    ['', ...arms.map(({ title }) => title), ...(last ? ['SparseDoctor − LoRA-MoE'] : [])],
    specialties.map((specialty) => [
      specialty,
      ...arms.map((arm) => arm.bitsBySpecialty[specialty]?.mean.toFixed(3) ?? '–'),
      ...(last ? [showDifference(last.bySpecialty[specialty])] : []),
    ]),
  );
}

function renderRouting({ arms }: AblationSummary): string[] {
  const routed = arms.filter(({ routing }) => routing !== null);
  if (routed.length === 0) return [];
  return [
    '## Routing at the end of training',
    '',
    'Means over layers and seeds. Entropy of the gate and mutual information of expert and specialty in nats; silhouette and',
    'within-expert variance of the normalised embeddings, by expert. A variance near 0 would mean that the contrastive loss',
    'was cheated by outputs that do not depend on the token. Greatest load: the share of choices of the busiest expert.',
    '',
    ...table(
      ['arm', 'entropy', 'mutual information', 'silhouette', 'within-expert variance', 'greatest load'],
      routed.map(({ title, routing }) => [
        title,
        routing!.entropy.toFixed(3),
        routing!.mutualInformation.toFixed(4),
        routing!.silhouette?.toFixed(3) ?? '–',
        routing!.withinVariance?.toFixed(3) ?? '–',
        `${(100 * routing!.greatestLoad).toFixed(1)} %`,
      ]),
    ),
  ];
}

/** Arms by their short names: titles of both would not fit beside the plot. */
async function plotMeasure(
  summary: AblationSummary,
  { name, title, unit, lowerIsBetter }: Measure,
): Promise<string> {
  const svg = await forestPlot({
    description: `${title}: differences between arms with 95 % intervals`,
    xTitle: `${unit}, first minus second (${lowerIsBetter ? 'below' : 'above'} 0 the first is better)`,
    reference: 0,
    rows: summary.differences.map(({ left, right, measures }) => ({
      label: `${left} − ${right}`,
      estimate: measures[name].value,
      low: measures[name].low,
      high: measures[name].high,
    })),
  });
  return standaloneSvg(svg);
}

function pairTitle(arms: readonly ArmSummary[], { left, right }: ArmDifference): string {
  const title = (name: string): string => arms.find((arm) => arm.name === name)?.title ?? name;
  return `${title(left)} − ${title(right)}`;
}

function verdict({ low, high }: Difference, lowerIsBetter: boolean): string {
  if (low <= 0 && high >= 0) return 'not told apart';
  return high < 0 === lowerIsBetter ? 'better' : 'worse';
}

function showDifference(difference: Difference | undefined): string {
  return difference
    ? `${signed(difference.value)} (${signed(difference.low)} to ${signed(difference.high)})`
    : '–';
}

function showSpread({ mean, deviation }: Spread, digits: number): string {
  return `${mean.toFixed(digits)} ± ${deviation.toFixed(digits)}`;
}

function showPercent(spread: Spread | undefined): string {
  return spread ? `${(100 * spread.mean).toFixed(1)} ± ${(100 * spread.deviation).toFixed(1)} %` : '–';
}

function signed(value: number): string {
  return (value > 0 ? '+' : '') + value.toFixed(4);
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string[] {
  return [header, header.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`);
}
