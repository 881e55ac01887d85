/** What is offered before the first question: examples that are asked by a click. */
import { button, el } from './dom.ts';
import { examples, specialtyName, type Language, type Strings } from './strings.ts';

export function exampleCards(
  strings: Strings,
  language: Language,
  ask: (question: string) => void,
): HTMLElement[] {
  return examples.map(({ question, specialty, gloss }) => {
    const card = button('example', '', () => ask(question));
    card.append(
      el('span', { class: 'example-specialty' }, specialtyName(strings, specialty)),
      el('span', { class: 'example-question', lang: 'zh-CN' }, question),
    );
    if (language !== 'zh') card.append(el('span', { class: 'example-gloss' }, gloss));
    return el('li', {}, card);
  });
}
