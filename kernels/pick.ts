/** Destructures a record of bindings or params by name, and fails where one is missing. */
export function pick<T, K extends string>(
  source: Readonly<Record<string, T>>,
  ...names: readonly K[]
): Readonly<Record<K, T>> {
  for (const name of names) {
    if (source[name] === undefined) throw new Error(`kernel reference: "${name}" is missing`);
  }
  return source;
}
