/** The active versions as this isolate last saw them: asked for at most every half second, not with every request. */
import { registryOf, type Bindings } from '../bindings.ts';

const FRESH_MS = 500;

interface Directory {
  readonly specialties: ReadonlySet<string>;
  readonly versions: Readonly<Record<string, string>>;
}

interface Cached {
  readonly at: number;
  readonly directory: Directory;
}

/** Holds values, not promises: a promise of a request that is cancelled would never settle for the others. */
const cache = new WeakMap<Bindings['REGISTRY'], Cached>();

/** `after`: a time that the answer must be newer than, e.g. when a name was not found in an older one. */
export async function activeDirectory(env: Bindings, after = 0): Promise<Directory> {
  const now = Date.now();
  const known = cache.get(env.REGISTRY);
  if (known && now - known.at < FRESH_MS && known.at >= after) return known.directory;
  const { versions } = await registryOf(env).active();
  const directory = { versions, specialties: new Set(Object.keys(versions)) };
  cache.set(env.REGISTRY, { at: now, directory });
  return directory;
}

/** This isolate knows that something changed. */
export function forgetDirectory(env: Bindings): void {
  cache.delete(env.REGISTRY);
}
