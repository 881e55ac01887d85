/** Estimates with their intervals, one a row, against a line that means no difference. */
import type { PlotSize } from './render.ts';
import { renderSvg } from './render.ts';
import { QUIET, labelWidth, seriesColours } from './theme.ts';

export interface ForestPlot extends PlotSize {
  readonly description: string;
  readonly xTitle: string;
  /** Where there is no difference. */
  readonly reference?: number;
  readonly rows: readonly {
    readonly label: string;
    readonly estimate: number;
    readonly low: number;
    readonly high: number;
    /** Rows of a group have its colour. */
    readonly group?: string;
  }[];
}

export function forestPlot(plot: ForestPlot): Promise<string> {
  const { description, xTitle, reference, rows, width = 520 } = plot;
  const height = plot.height ?? Math.max(48, rows.length * 30);
  const groups = [...new Set(rows.map(({ group = '' }) => group))];
  const values = rows.map((row) => ({ ...row, group: row.group ?? '' }));
  const color = {
    field: 'group',
    type: 'nominal',
    scale: { domain: groups, range: seriesColours(groups.length) },
    legend: groups.length > 1 ? { title: null, symbolStrokeWidth: 0, symbolSize: 90 } : null,
  } as const;
  const y = {
    field: 'label',
    type: 'ordinal',
    sort: [...new Set(rows.map(({ label }) => label))],
    title: null,
    axis: {
      ticks: false,
      domain: false,
      labelPadding: 8,
      // Widths are guessed without a DOM, and too long: room is made by minExtent.
      labelLimit: 0,
      grid: false,
      minExtent: labelWidth(rows.map(({ label }) => label)) + 12,
    },
  } as const;
  const yOffset = { field: 'group', scale: { domain: groups } } as const;
  return renderSvg({
    description,
    width,
    height,
    layer: [
      {
        data: { values: reference === undefined ? [] : [{ reference }] },
        mark: { type: 'rule', strokeDash: [4, 4], color: QUIET },
        encoding: { x: { field: 'reference', type: 'quantitative' } },
      },
      {
        data: { values },
        mark: { type: 'rule', strokeWidth: 2.5 },
        encoding: {
          x: {
            field: 'low',
            type: 'quantitative',
            title: xTitle,
            scale: { zero: false, padding: 12 },
            axis: { tickCount: 7 },
          },
          x2: { field: 'high' },
          y,
          color,
          yOffset,
        },
      },
      {
        data: { values },
        mark: { type: 'point', filled: true, size: 80, opacity: 1 },
        encoding: { x: { field: 'estimate', type: 'quantitative' }, y, color, yOffset },
      },
    ],
  });
}
