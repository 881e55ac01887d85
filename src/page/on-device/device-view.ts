/** The state of the engine on this device, as elements of the dialog and as the words of the pill. */
import { el } from '../dom.ts';
import { formatMegabytes } from '../format.ts';
import type { Strings } from '../strings.ts';
import { deviceName } from './device-name.ts';
import type { DeviceState } from './device-responder.ts';
import type { ProblemCode, ReadyState } from './messages.ts';

type Loading = Extract<DeviceState, { kind: 'loading' }>;

/** `wayOut`: what can be pressed after a failure. */
export function stateParts(
  state: DeviceState,
  strings: Strings,
  wayOut: (code: ProblemCode) => HTMLElement,
): HTMLElement[] {
  if (state.kind === 'planned') {
    const { total, missing } = state;
    const text =
      missing === 0
        ? strings.deviceStored(formatMegabytes(total))
        : strings.deviceDownload(formatMegabytes(missing));
    return [el('p', {}, text)];
  }
  if (state.kind === 'loading') return loadingParts(state, strings);
  if (state.kind === 'starting') {
    return [
      el('p', { class: 'loading' }, strings.deviceStarting),
      el('progress', { 'aria-label': strings.deviceStarting }),
    ];
  }
  if (state.kind === 'ready') return readyParts(state.state, strings);
  if (state.kind === 'failed') {
    return [
      el('p', { class: 'problem', role: 'alert' }, strings.deviceProblems[state.code]),
      el('p', { class: 'buttons' }, wayOut(state.code)),
    ];
  }
  return [el('p', { class: 'quiet' }, strings.devicePlanning)];
}

/** Changes bar and numbers in place; false where there are none yet. */
export function showProgress(body: HTMLElement, state: Loading, strings: Strings): boolean {
  const bar = body.querySelector('progress');
  const amount = body.querySelector('.amount');
  if (!bar || !amount) return false;
  bar.max = Math.max(1, state.total);
  bar.value = state.received;
  amount.textContent = amountText(state, strings);
  return true;
}

export function pillText(state: DeviceState, strings: Strings): string {
  if (state.kind === 'loading' && state.total > 0) {
    return `${Math.floor((100 * state.received) / state.total)}%`;
  }
  return state.kind === 'failed' ? strings.devicePillFailed : strings.devicePill;
}

function loadingParts(state: Loading, strings: Strings): HTMLElement[] {
  const bar = el('progress', { 'aria-label': strings.deviceLoading });
  bar.max = Math.max(1, state.total);
  bar.value = state.received;
  const amount = el('span', { class: 'amount' }, amountText(state, strings));
  return [el('p', { class: 'loading' }, el('span', {}, strings.deviceLoading), amount), bar];
}

function readyParts(state: ReadyState, strings: Strings): HTMLElement[] {
  const facts = el(
    'dl',
    { class: 'facts' },
    fact(strings.deviceComputes, deviceName(state, strings)),
    fact(strings.deviceShards, strings.deviceShardsValue(state.specialties.length)),
    fact(strings.deviceDisk, formatMegabytes(state.bytes)),
  );
  const notes = state.notes.map((note) => el('p', { class: 'device-note' }, strings.deviceNotes[note]));
  return [facts, ...notes];
}

function fact(name: string, value: string): HTMLElement {
  return el('div', {}, el('dt', {}, name), el('dd', {}, value));
}

function amountText({ received, total }: Loading, strings: Strings): string {
  return total === 0 ? '' : strings.deviceAmount(formatMegabytes(received), formatMegabytes(total));
}
