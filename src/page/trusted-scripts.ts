/**
 * The page's policy demands trusted types, so that no text ever becomes code. Workers are the one place where the page
 * names a script: the default policy lets through addresses of its own assets, and nothing else.
 */
const ownScript = /^\/assets\/[\w.-]+\.js$/;

interface PolicyFactory {
  createPolicy(name: string, rules: { createScriptURL(address: string): string | null }): unknown;
}

export function trustOwnScripts(): void {
  const factory: unknown = Reflect.get(globalThis, 'trustedTypes');
  if (!isFactory(factory)) return;
  factory.createPolicy('default', {
    createScriptURL: (address) => (ownScript.test(address) ? address : null),
  });
}

function isFactory(value: unknown): value is PolicyFactory {
  return typeof value === 'object' && value !== null && 'createPolicy' in value;
}
