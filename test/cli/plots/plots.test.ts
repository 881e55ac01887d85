/** Plots show what they are given: marks where the values are, a name for those who do not see, text that cannot break out. */
import { expect, test } from 'vitest';
import { forestPlot } from '../../../src/cli/plots/forest-plot.ts';
import { heatMap } from '../../../src/cli/plots/heat-map.ts';
import { lineChart } from '../../../src/cli/plots/line-chart.ts';
import { standaloneSvg } from '../../../src/cli/plots/render.ts';
import { scatter } from '../../../src/cli/plots/scatter.ts';

const axes = { xTitle: 'x', yTitle: 'y' };
/** Each `d` of the marks of a class. */
const paths = (svg: string, mark: string): string[] =>
  [...svg.matchAll(new RegExp(`class="mark-${mark} role-mark[^"]*"[^>]*>(.*?)</g>`, 'g'))].flatMap((group) =>
    [...group[1]!.matchAll(/ d="([^"]*)"/g)].map((match) => match[1]!),
  );

test('a line goes through its points, from the left to the right end', async () => {
  const line = {
    name: 'loss',
    points: [
      [0, 0],
      [5, 1],
      [10, 0],
    ],
  } as const;
  const svg = await lineChart({ ...axes, description: 'A peak', lines: [line], width: 200, height: 100 });
  expect(paths(svg, 'line')).toEqual(['M0,100L100,0L200,100']);
  expect(svg).toContain('role="img" aria-label="A peak"');
});

test('a line of very many points is drawn by means, smoothed only where asked', async () => {
  const points = Array.from({ length: 10_000 }, (_, at): [number, number] => [at, at % 2]);
  const drawn = async (smooth?: number): Promise<number[]> => {
    const line = { name: 'a', points, ...(smooth === undefined ? {} : { smooth }) };
    const svg = await lineChart({ ...axes, description: 'd', lines: [line] });
    return paths(svg, 'line').map((path) => path.split('L').length);
  };
  expect(await drawn()).toEqual([400]);
  expect(await drawn(20)).toEqual([400, 400]);
});

test('a cell is as strong as its value', async () => {
  const rows = [{ name: '心血管', values: [0, 0.5, 1] }];
  const svg = await heatMap({ ...axes, description: 'd', columns: ['a', 'b', 'c'], rows });
  const strengths = [...svg.matchAll(/fill-opacity="([\d.]+)"/g)].map((match) => Number(match[1]));
  expect(strengths).toEqual([0.04, 0.52, 1]);
  expect(svg).toContain('>心血管</text>');
});

test('a point of a scatter plot has the colour of its group', async () => {
  const points = [0, 1, 2].map((at) => ({ x: at, y: at, group: at === 1 ? 'b' : 'a' }));
  const svg = await scatter({ ...axes, description: 'd', groups: ['a', 'b'], points });
  const fills = [
    ...svg.matchAll(/<path transform[^>]*fill="(#\w+)" (?:stroke-width="[\d.]+" )?opacity="0\.7"/g),
  ];
  expect(fills.map((match) => match[1])).toEqual(['#2a8c76', '#d0662b', '#2a8c76']);
});

test('an estimate has its interval around it, and the reference a line', async () => {
  const rows = [
    { label: 'LoRA-MoE − LoRA', estimate: 0, low: -1, high: 1 },
    { label: '神经', estimate: 0.5, low: 0, high: 1 },
  ];
  const svg = await forestPlot({ description: 'd', xTitle: 'nats', reference: 0, rows, width: 200 });
  const rules = [...svg.matchAll(/<line transform="translate\(([\d.]+),[\d.]+\)" x2="(-?[\d.]+)"/g)];
  const spans = rules.map((match) => [Number(match[1]), Math.abs(Number(match[2]))]);
  // The axis goes from −1.2 to 1.2, so that no interval ends at its edge.
  const rounded = spans.map((span) => span.map(Math.round));
  expect(rounded).toContainEqual([17, 167]);
  expect(rounded).toContainEqual([100, 83]);
  expect(svg).toContain('stroke-dasharray="4,4"');
});

test('nothing said in a plot is markup', async () => {
  const name = '<b>"a" & b</b>';
  const lines = [name, 'other'].map((one) => ({
    name: one,
    points: [
      [0, 1],
      [1, 2],
    ] as const,
  }));
  const svg = await lineChart({ ...axes, description: name, lines });
  expect(svg).not.toContain('<b>');
  expect(svg).toContain('aria-label="&#60;b&#62;&#34;a&#34; &#38; b&#60;/b&#62;"');
});

test('a file of its own brings its colours, for light and dark', async () => {
  const points = [
    [0, 1],
    [1, 2],
  ] as const;
  const svg = standaloneSvg(await lineChart({ ...axes, description: 'd', lines: [{ name: 'a', points }] }));
  expect(svg).toMatch(/^<svg [^>]*><style>.*prefers-color-scheme:dark.*<\/style>/s);
});
