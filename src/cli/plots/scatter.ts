/** Points of a plane, coloured by group. The axes have no units: only distances mean something. */
import type { PlotSize } from './render.ts';
import { renderSvg } from './render.ts';
import { legendColumns, seriesColours } from './theme.ts';

export interface Scatter extends PlotSize {
  readonly description: string;
  readonly title?: string;
  readonly xTitle: string;
  readonly yTitle: string;
  /** In the order of their colours and of the legend. */
  readonly groups: readonly string[];
  readonly points: readonly { readonly x: number; readonly y: number; readonly group: string }[];
}

/** A legend of more is no help. */
const MOST_IN_LEGEND = 24;

export function scatter(plot: Scatter): Promise<string> {
  const { description, title, groups, points, width = 300, height = 300 } = plot;
  const axis = { grid: false, ticks: false, labels: false } as const;
  return renderSvg({
    description,
    ...(title === undefined ? {} : { title }),
    width,
    height,
    data: { values: points.map((point) => ({ ...point })) },
    mark: { type: 'circle', size: 22, opacity: 0.7 },
    encoding: {
      x: { field: 'x', type: 'quantitative', title: plot.xTitle, scale: { zero: false }, axis },
      y: { field: 'y', type: 'quantitative', title: plot.yTitle, scale: { zero: false }, axis },
      color: {
        field: 'group',
        type: 'nominal',
        scale: { domain: [...groups], range: seriesColours(groups.length) },
        legend:
          groups.length > MOST_IN_LEGEND
            ? null
            : {
                title: null,
                symbolOpacity: 1,
                symbolStrokeWidth: 0,
                symbolSize: 90,
                ...legendColumns(groups, width),
              },
      },
    },
  });
}
