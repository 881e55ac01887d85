/** The report on weight formats as Markdown. */
import type { FormatRow, FormatsReport } from './formats-report.ts';

const HEADER = [
  'weights',
  'MB',
  'bits per character',
  'minus f32',
  'divergence from f32 (nats a token)',
  'error of logits (RMS)',
  'same likeliest token',
];

export function renderFormats({ baseFingerprint, documents, formats }: FormatsReport): string {
  const tokens = formats.at(-1)?.difference?.tokens ?? 0;
  return [
    '# Weights in f32, f16, q8 and q4',
    '',
    'The base with its matrices, embedding and head included, in each format; norms are f32 in all. Lower bits are better;',
    'intervals are 95 % (bootstrap over documents, paired for differences).',
    '`npm run eval -- formats --data <directory>` makes this file.',
    '',
    `Base \`${baseFingerprint.slice(0, 12)}\`, ${documents} documents of sft/valid, ${tokens} tokens of answers.`,
    '',
    tableRow(HEADER),
    tableRow(HEADER.map(() => '---')),
    ...formats.map((row) => tableRow(cells(row))),
    '',
  ].join('\n');
}

function cells({ format, bytes, bitsPerCharacter: bits, minusF32, difference }: FormatRow): string[] {
  return [
    format,
    (bytes / 1e6).toFixed(2),
    `${bits.value.toFixed(4)} (${bits.low.toFixed(3)} to ${bits.high.toFixed(3)})`,
    minusF32 ? `${signed(minusF32.value)} (${signed(minusF32.low)} to ${signed(minusF32.high)})` : '',
    difference ? difference.divergence.toExponential(2) : '',
    difference ? difference.logitError.toPrecision(3) : '',
    difference ? `${(difference.sameChoice * 100).toFixed(2)} %` : '',
  ];
}

function signed(value: number): string {
  return (value > 0 ? '+' : '') + value.toFixed(4);
}

function tableRow(columns: readonly string[]): string {
  return `| ${columns.join(' | ')} |`;
}
