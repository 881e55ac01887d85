/**
 * Bytes of the model that this browser keeps, by their SHA-256. What is read is hashed every time: a part that was damaged
 * on the disk, or on its way, is never used; a damaged one in the store is fetched anew.
 */
import { CallerError } from '../../base/errors.ts';
import { sha256Hex } from '../../base/sha256.ts';
import { modelFolder } from './manifest.ts';
import { cacheName } from './store-name.ts';

/** One part, and where it comes from when it is not there. */
export interface WantedPart {
  readonly sha256: string;
  readonly bytes: number;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

export class PartStore {
  readonly #cache: Cache | null;
  #isFull = false;

  private constructor(cache: Cache | null) {
    this.#cache = cache;
  }

  /** Private windows and full disks have no storage: then parts last as long as the page. */
  static async open(): Promise<PartStore> {
    const cache = await Promise.resolve()
      .then(() => caches.open(cacheName))
      .catch(() => null);
    return new PartStore(cache);
  }

  /** False where what was fetched will have to be fetched again next time. */
  get keeps(): boolean {
    return this.#cache !== null && !this.#isFull;
  }

  async has({ sha256 }: WantedPart): Promise<boolean> {
    return (await this.#cache?.match(addressOf(sha256))) !== undefined;
  }

  /** From the store, or else from the network; `onBytes` hears of each piece as it arrives, and of a fresh start. */
  async get(part: WantedPart, onBytes: (received: number) => void): Promise<Uint8Array> {
    const address = addressOf(part.sha256);
    const kept = await this.#cache?.match(address);
    if (kept) {
      const bytes = new Uint8Array(await kept.arrayBuffer());
      if ((await sha256Hex(bytes)) === part.sha256) {
        onBytes(bytes.length);
        return bytes;
      }
      await this.#cache?.delete(address);
    }
    const bytes = await fetchPart(part, onBytes);
    if ((await sha256Hex(bytes)) !== part.sha256) {
      throw new CallerError('damaged', `${part.url} does not have the SHA-256 that was said.`);
    }
    await this.#keep(address, bytes);
    return bytes;
  }

  /** Drops parts of models and shards that are no longer served. */
  async keepOnly(parts: readonly WantedPart[]): Promise<void> {
    const wanted = new Set(parts.map(({ sha256 }) => addressOf(sha256)));
    for (const request of (await this.#cache?.keys()) ?? []) {
      if (!wanted.has(new URL(request.url).pathname)) await this.#cache?.delete(request);
    }
  }

  async #keep(address: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    try {
      await this.#cache?.put(address, new Response(bytes));
    } catch {
      this.#isFull = true;
    }
  }
}

/** Shards have an address of their own for fetching; in the store they lie beside the model's parts. */
function addressOf(sha256: string): string {
  return `/${modelFolder}/${sha256}`;
}

async function fetchPart(
  part: WantedPart,
  onBytes: (received: number) => void,
): Promise<Uint8Array<ArrayBuffer>> {
  const response = await fetchOk(part.url, part.headers);
  const bytes = new Uint8Array(part.bytes);
  let at = 0;
  try {
    for (const reader = response.body!.getReader(); ;) {
      const { done, value } = await reader.read();
      if (done) break;
      if (at + value.length > bytes.length) throw new CallerError('damaged', `${part.url} is too long.`);
      bytes.set(value, at);
      at += value.length;
      onBytes(at);
    }
  } catch (error) {
    if (error instanceof CallerError) throw error;
    throw new CallerError('interrupted', `The download of ${part.url} broke off.`, { cause: error });
  }
  if (at < bytes.length) throw new CallerError('interrupted', `The download of ${part.url} broke off.`);
  return bytes;
}

/** Throws `CallerError` with a code of `ProblemCode`. */
export async function fetchOk(url: string, headers: Readonly<Record<string, string>>): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, { headers, cache: 'no-store', credentials: 'omit' });
  } catch (cause) {
    throw new CallerError('interrupted', `${url} cannot be reached.`, { cause });
  }
  if (response.ok) return response;
  await response.body?.cancel();
  const code =
    response.status === 401 || response.status === 403
      ? 'key'
      : response.status === 404
        ? 'absent'
        : 'interrupted';
  throw new CallerError(code, `${url} was answered with ${response.status}.`);
}
