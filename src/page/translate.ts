/** Puts the words of a language into the static part of the page. */
import type { Strings } from './strings.ts';

export function translate(strings: Strings): void {
  const word = (name: string | undefined): string => {
    const value = Object.entries(strings).find(([key]) => key === name)?.[1];
    return typeof value === 'string' ? value : '';
  };
  document.documentElement.lang = strings.locale;
  document.title = strings.pageTitle;
  for (const element of document.querySelectorAll<HTMLElement>('[data-text]')) {
    element.textContent = word(element.dataset['text']);
  }
  for (const element of document.querySelectorAll<HTMLElement>('[data-label]')) {
    element.setAttribute('aria-label', word(element.dataset['label']));
    element.title = word(element.dataset['label']);
  }
  for (const element of document.querySelectorAll<HTMLTextAreaElement>('[data-placeholder]')) {
    element.placeholder = word(element.dataset['placeholder']);
  }
}
