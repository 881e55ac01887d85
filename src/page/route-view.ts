/** What the edge decided, shown twice: chips above the answer, and the whole route in a line that opens below it. */
import type { Turn } from './conversation.ts';
import { el, present } from './dom.ts';
import { formatMs, formatPercent, formatRate } from './format.ts';
import { deviceName } from './on-device/device-name.ts';
import { specialtyName, type Strings } from './strings.ts';
import { baseModel, pinnedSpecialty } from './wire.ts';

const chipLimit = 4;
/** Less likely specialties are only in the line below, unless their experts answer. */
const chipProbability = 0.05;
const barProbability = 0.005;
const barLimit = 8;

export function chips(turn: Turn, strings: Strings): HTMLElement | null {
  const items = chipItems(turn, strings);
  return items.length === 0 ? null : el('ul', { class: 'chips', 'aria-label': strings.chipsLabel }, ...items);
}

function chipItems({ trace, model }: Turn, strings: Strings): HTMLElement[] {
  if (trace.router === undefined) return [];
  const pinned = pinnedSpecialty(model);
  if (pinned !== null) return [chip(specialtyName(strings, pinned), strings.chipPinned, { active: true })];
  if (model === baseModel) return [chip(strings.chipBase, '', {})];
  if (trace.router === 'none') return [chip(strings.chipRouterDown, '', {})];
  const active = new Set(trace.shards?.map(({ name }) => name));
  const shown = (trace.specialties ?? [])
    .filter(({ specialty, probability }) => active.has(specialty) || probability >= chipProbability)
    .slice(0, chipLimit)
    .map(({ specialty, probability }) => {
      const isActive = active.has(specialty);
      const percent = formatPercent(probability);
      return chip(specialtyName(strings, specialty), percent, {
        share: probability,
        active: isActive,
        title: isActive ? strings.chipExpert : '',
      });
    });
  if (trace.shards?.length === 0) shown.push(chip(strings.chipGeneral, strings.chipBase, {}));
  return shown;
}

function chip(
  name: string,
  value: string,
  options: { readonly share?: number; readonly active?: boolean; readonly title?: string },
): HTMLElement {
  const item = el(
    'li',
    { class: options.active ? 'chip active' : 'chip' },
    el('span', { class: 'chip-name' }, name),
    value !== '' && el('span', { class: 'chip-value' }, value),
    Boolean(options.title) && el('span', { class: 'hidden' }, options.title ?? ''),
  );
  item.style.setProperty('--share', String(options.share ?? 0));
  return item;
}

export function routeLine(turn: Turn, strings: Strings, open: boolean): HTMLDetailsElement | null {
  const { trace } = turn;
  if (trace.router === undefined) return null;
  const summary = [
    trace.shards && strings.routeShards(trace.shards.length),
    trace.host,
    trace.queue_ms !== undefined && strings.routeQueue(formatMs(trace.queue_ms)),
    turn.device && strings.deviceHere,
    turn.device && rateOf(turn) !== null && strings.routeRate(formatRate(rateOf(turn) ?? 0)),
  ].filter(Boolean);
  const details = el(
    'details',
    { class: 'route' },
    el(
      'summary',
      {},
      el('span', { class: 'route-label' }, strings.routeLabel),
      el('span', { class: 'route-summary' }, summary.join(' · ')),
    ),
    el('dl', { class: 'route-body' }, ...present(rows(turn, strings))),
  );
  details.open = open;
  return details;
}

function rows(turn: Turn, strings: Strings): (HTMLElement | null)[] {
  const { trace, usage, model } = turn;
  return [
    row(strings.routeSpecialties, bars(turn, strings)),
    row(strings.routeVersions, shardRows(turn, strings)),
    row(
      strings.routeRouter,
      trace.router === undefined ? null : (strings.routers[trace.router] ?? trace.router),
    ),
    row(strings.routeHost, trace.host ?? null),
    row(strings.deviceComputes, turn.device && deviceName(turn.device, strings)),
    row(strings.routeQueueName, trace.queue_ms === undefined ? null : formatMs(trace.queue_ms)),
    row(strings.routeModel, model),
    row(strings.routeTokens, usage && strings.routeTokensValue(usage.prompt_tokens, usage.completion_tokens)),
    row(strings.routeSpeed, speed(turn, strings)),
    row(
      strings.routeHistory,
      turn.historyTurns > 0 || turn.historyCut
        ? strings.routeHistoryValue(turn.historyTurns, turn.historyCut)
        : null,
    ),
  ];
}

function row(name: string, value: Node | string | null): HTMLElement | null {
  if (value === null) return null;
  return el('div', { class: 'route-row' }, el('dt', {}, name), el('dd', {}, value));
}

function bars({ trace }: Turn, strings: Strings): HTMLElement | null {
  const shown = (trace.specialties ?? [])
    .filter(({ probability }) => probability >= barProbability)
    .slice(0, barLimit);
  if (shown.length === 0) return null;
  const active = new Set(trace.shards?.map(({ name }) => name));
  return el(
    'ul',
    { class: 'bars' },
    ...shown.map(({ specialty, probability }) => {
      const item = el(
        'li',
        { class: active.has(specialty) ? 'bar-row active' : 'bar-row' },
        el('span', { class: 'bar-name' }, specialtyName(strings, specialty)),
        el('span', { class: 'bar-track', 'aria-hidden': 'true' }, el('span', { class: 'bar-fill' })),
        el('span', { class: 'bar-value' }, formatPercent(probability)),
      );
      item.style.setProperty('--share', String(probability));
      return item;
    }),
  );
}

function shardRows({ trace }: Turn, strings: Strings): HTMLElement | string | null {
  if (!trace.shards) return null;
  if (trace.shards.length === 0) return strings.routeShards(0);
  return el(
    'ul',
    { class: 'shards' },
    ...trace.shards.map(({ name, version, prior }) =>
      el(
        'li',
        {},
        `${specialtyName(strings, name)} `,
        el('code', {}, `${name}@${version}`),
        el('span', { class: 'quiet' }, ` ${strings.routePrior(formatPercent(prior))}`),
      ),
    ),
  );
}

function speed(turn: Turn, strings: Strings): string | null {
  const rate = rateOf(turn);
  if (rate === null || turn.firstTextAt === null) return null;
  return strings.routeSpeedValue(formatRate(rate), formatMs(turn.firstTextAt - turn.askedAt));
}

/** Tokens per second, from the first text to the end; null where that cannot be said. */
function rateOf({ usage, firstTextAt, endedAt, status }: Turn): number | null {
  if (!usage || usage.completion_tokens < 2 || firstTextAt === null || endedAt === null || status !== 'done')
    return null;
  const seconds = (endedAt - firstTextAt) / 1000;
  return seconds > 0 ? (usage.completion_tokens - 1) / seconds : null;
}
