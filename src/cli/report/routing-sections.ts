/** Sections on where tokens go: load of experts, whether routing collapses, and what the experts' outputs look like. */
import { PCA } from 'ml-pca';
import { heatMap } from '../plots/heat-map.ts';
import { lineChart } from '../plots/line-chart.ts';
import { scatter } from '../plots/scatter.ts';
import type { Figure, Section } from './html.ts';
import { placeName } from './read-run.ts';
import type { LayerOutputs, LayerRouting, RunRecord } from './read-run.ts';

type SpecialtyName = (key: string) => string;

export async function loadSection({ routing }: RunRecord, nameOf: SpecialtyName): Promise<Section | null> {
  const last = routing.at(-1);
  if (!last || last.routing.length === 0) return null;
  const layers = last.routing.toSorted((a, b) => a.layer - b.layer);
  const experts = Math.max(...layers.map(({ load }) => load.length));
  const columns = Array.from({ length: experts }, (_, expert) => String(expert));
  const figures: Figure[] = [
    {
      caption: `All tokens; ${strongest(layers.flatMap(({ load }) => load))}`,
      content: await heatMap({
        description: 'Share of the load by layer and expert',
        xTitle: 'expert',
        yTitle: 'layer',
        columns,
        rows: layers.map((one) => ({ name: placeName(one), values: one.load })),
      }),
    },
  ];
  const most = Math.max(
    0,
    ...layers.flatMap(({ loadBySpecialty = {} }) => Object.values(loadBySpecialty).flat()),
  );
  for (const one of layers) {
    const { loadBySpecialty = {} } = one;
    const rows = Object.entries(loadBySpecialty).map(([name, values]) => ({ name: nameOf(name), values }));
    if (rows.length === 0) continue;
    figures.push({
      caption: `Layer ${placeName(one)}, by specialty; ${strongest(Object.values(loadBySpecialty).flat())}`,
      isNarrow: experts <= 16,
      content: await heatMap({
        description: `Share of the load by specialty and expert in layer ${placeName(one)}`,
        xTitle: 'expert',
        yTitle: '',
        columns,
        rows,
        most,
        ...(experts <= 16 ? { width: Math.max(160, experts * 18) } : {}),
      }),
    });
  }
  return {
    title: 'Load of the experts',
    text: `Shares of the chosen experts at step ${last.step}; a row adds up to 1, the maps by specialty have one scale. One strong column in every row is a collapse; blocks along the diagonal are specialisation.`,
    figures,
  };
}

function strongest(shares: readonly number[]): string {
  return `strongest ${(Math.max(0, ...shares) * 100).toFixed(1)}\u00a0%`;
}

const MEASURES = [
  ['entropy', 'Gate entropy, nats', 'How undecided the gate is. Near 0 it always takes the same expert.'],
  [
    'mutualInformation',
    'Mutual information, nats',
    'Of chosen expert and specialty. 0: routing does not know the specialty.',
  ],
  ['silhouette', 'Silhouette', 'How well outputs of different experts keep apart, −1 to 1.'],
  [
    'withinVariance',
    'Variance within experts',
    '1 − |mean ẑ|² of an expert. Near 0 its output does not depend on the token.',
  ],
] as const;

export async function collapseSection({ routing }: RunRecord): Promise<Section | null> {
  const figures: Figure[] = [];
  const layers = [...new Set(routing.flatMap(({ routing: all }) => all.map(placeName)))].toSorted((a, b) =>
    a.localeCompare(b, 'en', { numeric: true }),
  );
  for (const [field, title, caption] of MEASURES) {
    const lines = layers.map((layer) => ({
      name: `layer ${layer}`,
      points: routing.flatMap(({ step, routing: all }): [number, number][] => {
        const value = all.find((one: LayerRouting) => placeName(one) === layer)?.[field];
        return typeof value === 'number' ? [[step, value]] : [];
      }),
    }));
    if (lines.every(({ points }) => points.length === 0)) continue;
    const content = await lineChart({
      description: `${title} by step and layer`,
      xTitle: 'step',
      yTitle: title,
      width: 325,
      height: 200,
      isOrdered: true,
      lines,
    });
    figures.push({ content, caption, isNarrow: true });
  }
  if (figures.length === 0) return null;
  return {
    title: 'Is routing collapsing?',
    text: 'Measured on the batches before each look, layer by layer.',
    figures,
  };
}

export async function outputsSection({ outputs }: RunRecord, nameOf: SpecialtyName): Promise<Section | null> {
  const figures: Figure[] = [];
  for (const layer of outputs.toSorted((a, b) => a.layer - b.layer))
    figures.push(...(await layerMap(layer, nameOf)));
  if (figures.length === 0) return null;
  return {
    title: 'Outputs of the experts',
    text: 'Each point is one token at one chosen expert: the normalised output that contrast compares, on its first two principal components. Left by expert, right by specialty.',
    figures,
  };
}

/** Points fewer than this have no plane. */
const FEWEST_POINTS = 3;

async function layerMap(one: LayerOutputs, nameOf: SpecialtyName): Promise<Figure[]> {
  const { points } = one;
  const layer = placeName(one);
  if (points.length < FEWEST_POINTS || (points[0]?.z.length ?? 0) < 2) return [];
  const data = points.map(({ z }) => z);
  const pca = new PCA(data);
  const plane = pca.predict(data, { nComponents: 2 }).to2DArray();
  const shares = pca.getExplainedVariance();
  const axis = (at: 0 | 1): string => `component ${at + 1} (${((shares[at] ?? 0) * 100).toFixed(0)} %)`;
  const place = (at: number): { x: number; y: number } => ({
    x: plane[at]?.[0] ?? 0,
    y: plane[at]?.[1] ?? 0,
  });
  const experts = [...new Set(points.map(({ expert }) => expert))].toSorted((a, b) => a - b);
  const specialties = [...new Set(points.map(({ specialty }) => specialty))].toSorted();
  const views = [
    ['expert', experts.map(String), (at: number) => String(points[at]!.expert)],
    ['specialty', specialties.map(nameOf), (at: number) => nameOf(points[at]!.specialty)],
  ] as const;
  const figures: Figure[] = [];
  for (const [by, groups, groupOf] of views) {
    const content = await scatter({
      description: `Outputs of the experts of layer ${layer} by ${by}`,
      title: `Layer ${layer} by ${by}`,
      xTitle: axis(0),
      yTitle: axis(1),
      groups,
      points: points.map((_, at) => ({ ...place(at), group: groupOf(at) })),
      width: 340,
      height: 280,
    });
    figures.push({ content, isNarrow: true });
  }
  return figures;
}
