/** A table of shares as cells whose strength is the value; the caption must say what the strongest is. */
import type { PlotSize } from './render.ts';
import { renderSvg } from './render.ts';
import { ACCENT, labelWidth } from './theme.ts';

export interface HeatMap extends PlotSize {
  readonly description: string;
  readonly xTitle: string;
  readonly yTitle: string;
  readonly columns: readonly string[];
  readonly rows: readonly { readonly name: string; readonly values: readonly number[] }[];
  /** The value of the strongest cell; by default the largest there is. */
  readonly most?: number;
}

export function heatMap(map: HeatMap): Promise<string> {
  const { description, xTitle, yTitle, columns, rows } = map;
  const { width = 700, height = Math.max(60, rows.length * 20) } = map;
  const most = map.most ?? Math.max(1e-9, ...rows.flatMap(({ values }) => values));
  const values = rows.flatMap(({ name, values: cells }) =>
    cells.map((value, at) => ({
      row: name,
      column: columns[at] ?? String(at),
      value: Math.min(value, most),
    })),
  );
  return renderSvg({
    description,
    width,
    height,
    data: { values },
    mark: { type: 'rect', fill: ACCENT },
    encoding: {
      x: {
        field: 'column',
        type: 'ordinal',
        sort: [...columns],
        title: xTitle,
        scale: { paddingInner: columns.length > 60 ? 0 : 0.06 },
        axis: { labelAngle: 0, labelOverlap: true, ticks: false, domain: false },
      },
      y: {
        field: 'row',
        type: 'ordinal',
        sort: rows.map(({ name }) => name),
        title: yTitle,
        scale: { paddingInner: 0.08 },
        axis: { ticks: false, domain: false, minExtent: labelWidth(rows.map(({ name }) => name)) + 6 },
      },
      fillOpacity: {
        field: 'value',
        type: 'quantitative',
        // A cell of nothing is still seen to be one.
        scale: { domain: [0, most], range: [0.04, 1] },
        legend: null,
      },
    },
  });
}
