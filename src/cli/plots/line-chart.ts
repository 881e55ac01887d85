/** Lines over one axis, each perhaps with the unsmoothed values faintly behind it. */
import type { PlotSize } from './render.ts';
import { renderSvg } from './render.ts';
import { legendColumns, orderedColours, seriesColours } from './theme.ts';

export interface Line {
  readonly name: string;
  /** [x, y]; of many thousands some hundred means are drawn. */
  readonly points: readonly (readonly [number, number])[];
  /** Smooths with this time constant in points, and draws the values faintly. */
  readonly smooth?: number;
  readonly hasMarks?: boolean;
}

export interface LineChart extends PlotSize {
  /** For people who do not see the picture. */
  readonly description: string;
  readonly xTitle: string;
  readonly yTitle: string;
  readonly lines: readonly Line[];
  /** The lines have an order, such as layers: so do their colours. */
  readonly isOrdered?: boolean;
  readonly yFromZero?: boolean;
}

/** More points than pixels say nothing. */
const MOST_POINTS = 400;

export function lineChart(chart: LineChart): Promise<string> {
  const { description, xTitle, yTitle, lines, width = 800, height = 240 } = chart;
  const drawn = lines.filter(({ points }) => points.length > 0);
  const names = drawn.map(({ name }) => name);
  const range = chart.isOrdered ? orderedColours(names.length) : seriesColours(names.length);
  const rows = (part: (line: Line) => readonly (readonly [number, number])[]) =>
    drawn.flatMap((line) => part(line).map(([x, y]) => ({ x, y, series: line.name })));
  const encoding = {
    x: {
      field: 'x',
      type: 'quantitative',
      title: xTitle,
      scale: { nice: false, zero: false },
      axis: { grid: false, tickCount: 8 },
    },
    y: {
      field: 'y',
      type: 'quantitative',
      title: yTitle,
      scale: { zero: chart.yFromZero ?? false },
      axis: { tickCount: 6 },
    },
    color: {
      field: 'series',
      type: 'nominal',
      scale: { domain: names, range },
      legend:
        names.length > 1
          ? { title: null, symbolType: 'stroke', symbolOpacity: 1, ...legendColumns(names, width) }
          : null,
    },
  } as const;
  return renderSvg({
    description,
    width,
    height,
    layer: [
      {
        data: { values: rows(({ points, smooth }) => (smooth === undefined ? [] : thinned(points))) },
        mark: { type: 'line', opacity: 0.25, strokeWidth: 1 },
        encoding,
      },
      {
        data: { values: rows(({ points, smooth }) => thinned(smoothed(points, smooth))) },
        mark: { type: 'line', strokeWidth: 2, strokeJoin: 'round' },
        encoding,
      },
      {
        data: { values: rows(({ points, hasMarks }) => (hasMarks ? thinned(points) : [])) },
        mark: { type: 'point', filled: true, size: 36, opacity: 1 },
        encoding,
      },
    ],
  });
}

/** Exponential moving average, corrected for its start. */
function smoothed(
  points: readonly (readonly [number, number])[],
  constant = 0,
): readonly (readonly [number, number])[] {
  if (constant === 0) return points;
  const keep = Math.exp(-1 / constant);
  let [sum, weight] = [0, 0];
  return points.map(([x, y]) => {
    sum = sum * keep + y;
    weight = weight * keep + 1;
    return [x, sum / weight];
  });
}

function thinned(points: readonly (readonly [number, number])[]): readonly (readonly [number, number])[] {
  const size = Math.ceil(points.length / MOST_POINTS);
  if (size <= 1) return points;
  const means: [number, number][] = [];
  for (let from = 0; from < points.length; from += size) {
    const part = points.slice(from, from + size);
    const mean = (at: 0 | 1): number => part.reduce((sum, point) => sum + point[at], 0) / part.length;
    means.push([mean(0), mean(1)]);
  }
  return means;
}
