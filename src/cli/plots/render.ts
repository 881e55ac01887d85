/** From a Vega-Lite specification to an SVG, without a browser or a canvas. */
import * as vega from 'vega';
import { compile, type TopLevelSpec } from 'vega-lite';
import { PLOT_COLOURS, theme } from './theme.ts';

export interface PlotSize {
  /** Of the plot itself, axes and legend come on top; px. */
  readonly width?: number;
  readonly height?: number;
}

/** An `<svg>` element for an HTML page that sets the variables of `PLOT_COLOURS`; see `standaloneSvg` for a file. */
export async function renderSvg(spec: TopLevelSpec & { readonly description: string }): Promise<string> {
  const view = new vega.View(vega.parse(compile(spec, { config: theme }).spec), { renderer: 'none' });
  try {
    const svg = await view.toSVG();
    const label = spec.description.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
    return rounded(svg).replace(/^<svg/, `<svg role="img" aria-label="${label}"`);
  } finally {
    view.finalize();
  }
}

/** Hundredths of a pixel, which is most of a scatter plot's bytes; text stays as it is. */
function rounded(svg: string): string {
  return svg.replace(/ (?:transform|d)="[^"]*"/g, (attribute) =>
    attribute.replace(/-?\d+\.\d{3,}(?:e-?\d+)?/g, (number) =>
      String(Math.round(Number(number) * 100) / 100),
    ),
  );
}

/** As a file of its own: light or dark by the reader's setting, with a ground. */
export function standaloneSvg(svg: string): string {
  const style = `<style>${PLOT_COLOURS} svg{background:var(--plot-ground)}</style>`;
  return svg.replace(/^<svg[^>]*>/, (opening) => `${opening}${style}`);
}
