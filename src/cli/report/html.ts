/** An HTML page of sections with figures: everything is in it, so it needs no network and no script. */
import { PLOT_COLOURS } from '../plots/theme.ts';

export interface Section {
  readonly title: string;
  /** What one sees and how to read it. */
  readonly text: string;
  readonly figures: readonly Figure[];
}

export interface Figure {
  readonly caption?: string;
  /** SVG of our own plots, or a table of `table`. */
  readonly content: string;
  /** Narrow figures stand beside each other. */
  readonly isNarrow?: boolean;
}

export interface Tile {
  readonly name: string;
  readonly value: string;
}

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** The first column names the row; all others are numbers. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const body = rows.map((row) => `<tr>${cells('td', row)}</tr>`).join('');
  return `<table><thead><tr>${cells('th', head)}</tr></thead><tbody>${body}</tbody></table>`;
}

function cells(tag: string, values: readonly string[]): string {
  return values.map((value) => `<${tag}>${escapeHtml(value)}</${tag}>`).join('');
}

export function page(
  title: string,
  subtitle: string,
  tiles: readonly Tile[],
  sections: readonly Section[],
): string {
  const tileHtml = tiles
    .map(({ name, value }) => `<div><dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd></div>`)
    .join('');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>${escapeHtml(title)}</title>
<style>${PLOT_COLOURS}${STYLE}</style>
</head>
<body>
<header><h1>${escapeHtml(title)}</h1><p>${escapeHtml(subtitle)}</p><dl>${tileHtml}</dl></header>
<main>${sections.map(sectionHtml).join('\n')}</main>
</body>
</html>
`;
}

function sectionHtml({ title, text, figures }: Section): string {
  const content = figures
    .map(({ caption, content: inner, isNarrow }) => {
      const below = caption === undefined ? '' : `<figcaption>${escapeHtml(caption)}</figcaption>`;
      return `<figure${isNarrow ? ' class="narrow"' : ''}><div class="scroll">${inner}</div>${below}</figure>`;
    })
    .join('');
  return `<section><h2>${escapeHtml(title)}</h2><p>${escapeHtml(text)}</p><div class="figures">${content}</div></section>`;
}

const STYLE = `
:root{color-scheme:light dark;--paper:#f7f6f1}
@media (prefers-color-scheme:dark){:root{--paper:#121716}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--plot-ink);font:16px/1.55 system-ui,-apple-system,'PingFang SC','Noto Sans SC','Noto Sans SC Variable','Microsoft YaHei',sans-serif}
header,main{max-width:62rem;margin:0 auto;padding:1.5rem clamp(1rem,4vw,2rem)}
h1{font-size:1.6rem;line-height:1.25;margin:.5rem 0 .25rem;overflow-wrap:anywhere}
h2{font-size:1.15rem;margin:0 0 .35rem}
p{margin:0;color:var(--plot-quiet);max-width:46rem}
dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(9.5rem,1fr));gap:.75rem;margin:1.25rem 0 0}
dl div,section{background:var(--plot-ground);border:1px solid var(--plot-line);border-radius:14px}
dl div{padding:.7rem .9rem}
dt{color:var(--plot-quiet);font-size:.8rem}
dd{margin:0;font-size:1.15rem;font-weight:600;font-variant-numeric:tabular-nums}
main{padding-top:0;display:grid;gap:1.25rem}
section{padding:1.25rem clamp(.9rem,3vw,1.5rem);min-width:0}
.figures{display:flex;flex-wrap:wrap;gap:1rem 1.5rem}
figure{margin:1rem 0 0;flex:1 1 100%;min-width:0}
figure.narrow{flex:0 1 auto;max-width:100%}
.scroll{overflow-x:auto}
figcaption{contain:inline-size;color:var(--plot-quiet);font-size:.85rem}
svg{display:block;max-width:100%;height:auto}
svg text{font-family:inherit}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.9rem}
th,td{padding:.3rem .9rem .3rem 0;text-align:right;border-bottom:1px solid var(--plot-line);white-space:nowrap}
th{color:var(--plot-quiet);font-weight:500}
th:first-child,td:first-child{text-align:left}
pre{margin:0;font:.8rem/1.5 ui-monospace,Menlo,Consolas,monospace;overflow-x:auto}
@media (max-width:50rem){svg{max-width:none}}
@media print{body{background:none}section{break-inside:avoid}}
`;
