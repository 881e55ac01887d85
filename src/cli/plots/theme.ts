/**
 * How plots look. Colours of ink and grounds are CSS variables, so that one SVG fits a light and a dark page; those of
 * series are fixed and stand out from both.
 */
import type { Config } from 'vega-lite';

const INK = 'var(--plot-ink, #1c2422)';
export const QUIET = 'var(--plot-quiet, #5a6562)';
const LINE = 'var(--plot-line, #e1dfd5)';

/** Of one-colour marks; as opacity steps it is the scale of heat maps. */
export const ACCENT = 'var(--plot-accent, #1b6b5a)';

/** At least 3:1 on white and on near-black, and told apart by people who see fewer colours, neighbours above all. */
const SERIES = [
  '#2a8c76',
  '#d0662b',
  '#5b7fd1',
  '#c04f8c',
  '#8a8a1f',
  '#8b62c9',
  '#3a94b8',
  '#c4534f',
  '#5f9e3a',
  '#a8763c',
  '#6d7f8c',
  '#b06fb3',
  '#4f8f63',
] as const;

/** The variables' values: a page that holds plots sets these, and so does an SVG that stands alone. */
export const PLOT_COLOURS = `:root{--plot-ink:#1c2422;--plot-quiet:#5a6562;--plot-line:#e1dfd5;--plot-accent:#1b6b5a;--plot-ground:#fffefb}
@media (prefers-color-scheme:dark){:root{--plot-ink:#e2e8e5;--plot-quiet:#9aa7a2;--plot-line:#2a3431;--plot-accent:#74c9b2;--plot-ground:#1a211f}}`;

const LABEL_SIZE = 12;

const FONT =
  "system-ui, -apple-system, 'PingFang SC', 'Noto Sans SC', 'Noto Sans SC Variable', 'Noto Sans CJK SC', 'Microsoft YaHei', sans-serif";

/** A colour of each series: the fixed ones, then around the circle of hues. */
export function seriesColours(count: number): string[] {
  return Array.from({ length: count }, (_, at) => {
    const fixed = count <= SERIES.length ? SERIES[at] : undefined;
    return (
      fixed ?? `hsl(${Math.round((at * 360) / count)} ${at % 2 === 0 ? 50 : 65}% ${at % 3 === 0 ? 42 : 54}%)`
    );
  });
}

/** Width of a label at most, px: the renderer has no fonts, and takes Chinese characters for narrower than they are. */
export function labelWidth(names: readonly string[]): number {
  const widths = names.map((name) =>
    Array.from(name, (one) => (one > '\u2e7f' ? 12.5 : 7.5)).reduce((sum, width) => sum + width, 0),
  );
  return Math.ceil(Math.max(0, ...widths));
}

/** Columns of a legend that is no wider than the plot, and the room that the renderer forgets between them. */
export function legendColumns(
  names: readonly string[],
  width: number,
): { columns: number; columnPadding: number } {
  const columns = Math.max(1, Math.floor(width / (labelWidth(names) * 1.2 + 34)));
  // It takes any character for 0.8 of its size.
  const forgotten = names.map((name) => labelWidth([name]) - 0.8 * LABEL_SIZE * name.length);
  return { columns, columnPadding: Math.ceil(Math.max(0, ...forgotten)) + 12 };
}

/** Colours of an order, such as layers from the first to the last. */
export function orderedColours(count: number): string[] {
  return Array.from({ length: count }, (_, at) => {
    const place = count === 1 ? 0 : at / (count - 1);
    return `hsl(${Math.round(265 - 225 * place)} 52% ${Math.round(56 - 8 * Math.sin(Math.PI * place))}%)`;
  });
}

export const theme: Config = {
  // A picture has one label; names of single marks would be most of its bytes.
  aria: false,
  background: 'transparent',
  font: FONT,
  padding: 4,
  view: { stroke: null },
  title: { color: INK, fontSize: 14, fontWeight: 600, anchor: 'start', offset: 10 },
  axis: {
    labelColor: QUIET,
    titleColor: QUIET,
    labelFontSize: LABEL_SIZE,
    titleFontSize: 12,
    titleFontWeight: 'normal',
    gridColor: LINE,
    domainColor: LINE,
    tickColor: LINE,
    labelLimit: 240,
    titlePadding: 8,
  },
  legend: {
    labelColor: INK,
    titleColor: QUIET,
    labelFontSize: LABEL_SIZE,
    titleFontSize: 12,
    titleFontWeight: 'normal',
    labelLimit: 240,
    symbolStrokeWidth: 3,
    symbolSize: 160,
    orient: 'top',
    direction: 'horizontal',
  },
  header: { labelColor: INK, titleColor: QUIET, labelFontSize: 12 },
  text: { color: INK, fontSize: 11 },
};
