/**
 * The access key. It lives in this tab's session storage, or in local storage if the person says so. A link may carry
 * one as `#key=…` (fragments never leave the browser); it is taken out of the address bar and the history at once.
 */
const storageName = 'sparsedoctor.key';
/** What a header value can carry; also bounds what a link can put into storage. */
const keyPattern = /^[\x21-\x7e]{1,256}$/;

export class KeyStore {
  /** In case storage is off: the key then lasts as long as the page. */
  #key: string | null;

  constructor() {
    this.#key = read(() => sessionStorage) ?? read(() => localStorage);
  }

  get key(): string | null {
    return this.#key;
  }

  get isRemembered(): boolean {
    return read(() => localStorage) !== null;
  }

  /** False if this cannot be a key. */
  set(key: string, remember: boolean): boolean {
    const trimmed = key.trim();
    if (!keyPattern.test(trimmed)) return false;
    this.#key = trimmed;
    write(() => sessionStorage, trimmed);
    write(() => localStorage, remember ? trimmed : null);
    return true;
  }

  /** Returns whether the address held a key. */
  takeFromAddress(): boolean {
    const fragment = new URLSearchParams(location.hash.slice(1));
    const key = fragment.get('key');
    if (key === null) return false;
    history.replaceState(null, '', location.pathname + location.search);
    return this.set(key, this.isRemembered);
  }
}

function read(storage: () => Storage): string | null {
  try {
    const key = storage().getItem(storageName);
    return key !== null && keyPattern.test(key) ? key : null;
  } catch {
    return null;
  }
}

function write(storage: () => Storage, key: string | null): void {
  try {
    if (key === null) storage().removeItem(storageName);
    else storage().setItem(storageName, key);
  } catch {
    // Storage is off or full: the key stays in memory.
  }
}
