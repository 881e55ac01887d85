/** The report of a training run as one HTML file. */
import { specialtyName, stringsOf } from '../../page/strings.ts';
import { escapeHtml, page } from './html.ts';
import type { Section, Tile } from './html.ts';
import { auxiliarySection, lossSection, paceSection, specialtySection } from './learning-sections.ts';
import type { RunRecord } from './read-run.ts';
import { collapseSection, loadSection, outputsSection } from './routing-sections.ts';

/** `title` names the run; nothing in the report depends on when or where it is made. */
export async function renderReport(run: RunRecord, title: string): Promise<string> {
  const strings = stringsOf('zh');
  const nameOf = (key: string): string => specialtyName(strings, key);
  const sections = [
    await lossSection(run),
    await specialtySection(run, nameOf),
    await auxiliarySection(run),
    await loadSection(run, nameOf),
    await collapseSection(run),
    await outputsSection(run, nameOf),
    await paceSection(run),
    configSection(run),
  ];
  const last = Math.max(run.steps.at(-1)?.step ?? 0, run.validations.at(-1)?.step ?? 0);
  const lost = run.unreadable > 0 ? ` ${run.unreadable} lines of its metrics could not be read.` : '';
  const subtitle = `Report of a training run, up to step ${last.toLocaleString('en')}.${lost}`;
  const present = sections.filter((section) => section !== null);
  return page(title, subtitle, tilesOf(run), present);
}

function tilesOf({ steps, validations, routing }: RunRecord): Tile[] {
  const tiles: Tile[] = [{ name: 'Steps', value: (steps.at(-1)?.step ?? 0).toLocaleString('en') }];
  const recent = steps.slice(-50).map(({ loss }) => loss);
  if (recent.length > 0) tiles.push({ name: 'Loss, last 50 steps', value: mean(recent).toFixed(3) });
  const last = validations.at(-1);
  if (last) {
    const best = validations.reduce((most, one) => (one.validation < most.validation ? one : most));
    tiles.push({ name: 'Validation, last', value: last.validation.toFixed(3) });
    tiles.push({ name: `Best, at step ${best.step}`, value: best.validation.toFixed(3) });
  }
  const tokens = steps.reduce((sum, step) => sum + (step.tokens ?? 0), 0);
  if (tokens > 0) tiles.push({ name: 'Tokens learned', value: compact(tokens) });
  const timed = steps.filter(({ ms }) => ms !== undefined);
  const seconds = timed.reduce((sum, { ms = 0 }) => sum + ms, 0) / 1000;
  if (seconds > 0) {
    const learned = timed.reduce((sum, step) => sum + (step.tokens ?? 0), 0);
    tiles.push({ name: 'Learned tokens/s', value: compact(learned / seconds) });
    tiles.push({ name: 'Time in steps', value: duration(seconds) });
  }
  const layers = routing.at(-1)?.routing ?? [];
  const known = layers.flatMap(({ mutualInformation }) => mutualInformation ?? []);
  if (known.length > 0) tiles.push({ name: 'Mutual information', value: `${mean(known).toFixed(3)} nats` });
  return tiles;
}

function configSection({ config }: RunRecord): Section | null {
  if (config === null || config === undefined) return null;
  const content = `<pre>${escapeHtml(JSON.stringify(config, null, 2))}</pre>`;
  return { title: 'Config', text: 'What the run was started with.', figures: [{ content }] };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function compact(value: number): string {
  return value.toLocaleString('en', { notation: 'compact', maximumSignificantDigits: 3 });
}

function duration(seconds: number): string {
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${Math.max(1, minutes)} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
