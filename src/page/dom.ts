/** Builds elements. Text goes in as text nodes only: nothing that a model or a server says is ever read as HTML. */

type Child = Node | string | null | false;

export function el<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Readonly<Record<string, string>> = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[Name] {
  const element = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) element.setAttribute(attribute, value);
  element.append(...present(children));
  return element;
}

export function button(className: string, text: string, onClick: () => void): HTMLButtonElement {
  const element = el('button', { type: 'button', class: className }, text);
  element.addEventListener('click', onClick);
  return element;
}

export function present(children: readonly Child[]): (Node | string)[] {
  return children.filter((child) => child !== null && child !== false);
}

/** An element of index.html. One that is missing is a mistake in this page. */
export function byId<Type extends HTMLElement>(id: string, type: abstract new () => Type): Type {
  const element = document.getElementById(id);
  if (!(element instanceof type)) throw new TypeError(`index.html has no ${type.name} #${id}`);
  return element;
}
