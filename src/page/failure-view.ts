/** What went wrong, said plainly, and what can be done about it. */
import { button, el } from './dom.ts';
import type { ResponderError } from './responder.ts';
import type { Strings } from './strings.ts';

export interface FailureActions {
  readonly retry: () => void;
  readonly enterKey: () => void;
  readonly useRouted: () => void;
}

export function failureView(failure: ResponderError, strings: Strings, actions: FailureActions): HTMLElement {
  const details = [
    failure.message !== '' && `${strings.serverSaid}: ${failure.message}`,
    failure.requestId !== null && `${strings.requestId}: ${failure.requestId}`,
  ].filter((one) => one !== false);
  return el(
    'div',
    { class: 'failure' },
    el('p', { class: 'failure-text' }, strings.failures[failure.kind]),
    details.length > 0 && el('p', { class: 'failure-details', translate: 'no' }, details.join(' · ')),
    el('p', { class: 'buttons' }, ...buttons(failure, strings, actions)),
  );
}

function buttons(failure: ResponderError, strings: Strings, actions: FailureActions): HTMLElement[] {
  const retry = button('button', strings.retry, actions.retry);
  if (failure.retryAfterSeconds !== null) countDown(retry, failure.retryAfterSeconds, strings);
  if (failure.kind === 'key' || failure.kind === 'forbidden') {
    retry.classList.add('plain');
    return [button('button', strings.enterKey, actions.enterKey), retry];
  }
  if (failure.kind === 'model') return [button('button', strings.switchToRouted, actions.useRouted)];
  return [retry];
}

/** Retrying earlier would only be refused again. */
function countDown(retry: HTMLButtonElement, seconds: number, strings: Strings): void {
  const end = performance.now() + seconds * 1000;
  retry.disabled = true;
  const show = (): void => {
    const left = Math.ceil((end - performance.now()) / 1000);
    retry.textContent = left > 0 ? strings.retryIn(left) : strings.retry;
    retry.disabled = left > 0;
    if (left <= 0 || (started && !retry.isConnected)) clearInterval(timer);
    started = true;
  };
  let started = false;
  const timer = setInterval(show, 500);
  retry.textContent = strings.retryIn(seconds);
}
