/** The bits-per-character report as Markdown. */
import type { Estimate } from '../eval/bits-per-character.ts';
import { MODELS } from './bits-report.ts';
import type { BitsReport, PartReport } from './bits-report.ts';

const TITLES = {
  ngram: 'char 5-gram (Kneser–Ney)',
  base: 'base',
  right: 'base + right shard',
  wrong: 'base + wrong shard',
};
const PARTS = { pretrain: 'Texts (pretrain/valid)', sft: 'Answers (sft/valid)' };

export function renderBits(report: BitsReport): string {
  const lines = [
    '# Bits per character on held-out text',
    '',
    'Lower is better; the value is followed by its 95 % interval (bootstrap over documents, paired for differences).',
    'All models are scored on the same characters. `npm run eval -- bits --data <directory>` makes this file.',
    '',
    `Shards ${report.shardVersion} on base \`${report.baseFingerprint.slice(0, 12)}\`.`,
    '',
  ];
  for (const part of ['pretrain', 'sft'] as const) {
    lines.push(`## ${PARTS[part]}`, '', ...renderPart(report.parts[part]), '');
  }
  return lines.join('\n');
}

function renderPart({ models, rightMinusBase, rightMinusWrong }: PartReport): string[] {
  const header = ['', ...MODELS.map((model) => TITLES[model]), 'right − base', 'right − wrong', 'documents'];
  const names = Object.keys(models.base.bySpecialty).sort();
  const row = (name: string, of: (groups: (typeof models)['base']) => Estimate | undefined): string =>
    tableRow([
      name,
      ...MODELS.map((model) => show(of(models[model]))),
      show(of(rightMinusBase), true),
      show(of(rightMinusWrong), true),
      String(of(models.base)?.documents ?? 0),
    ]);
  return [
    tableRow(header),
    tableRow(header.map(() => '---')),
    row('all', (groups) => groups.overall),
    ...names.map((name) => row(name, (groups) => groups.bySpecialty[name])),
  ];
}

function show(estimate: Estimate | undefined, signed = false): string {
  if (!estimate) return '';
  const number = (value: number): string => (signed && value > 0 ? '+' : '') + value.toFixed(3);
  return `${number(estimate.value)} (${number(estimate.low)} to ${number(estimate.high)})`;
}

function tableRow(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}
