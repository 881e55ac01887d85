/** One WebAssembly memory and the allocator of its bytes: first fit over a sorted free list, 64-byte aligned. */
import { invariant } from '../../base/invariant.ts';

const PAGE = 65536;
const ALIGN = 64;
/** Left to the module's own static data. */
const RESERVED = 65536;

export class Bank {
  readonly memory: WebAssembly.Memory;
  readonly #limit: number;
  #free: { at: number; size: number }[] = [];
  #end = RESERVED;

  constructor(bankBytes: number) {
    this.#limit = Math.floor(bankBytes / PAGE) * PAGE;
    this.memory = new WebAssembly.Memory({ initial: 1, maximum: this.#limit / PAGE, shared: true });
  }

  /** Pointer of `size` zeroed bytes, or null when that would leave fewer than `keep` untouched ones. */
  allocate(size: number, keep = 0): number | null {
    const need = Math.max(ALIGN, Math.ceil(size / ALIGN) * ALIGN);
    const hole = this.#free.find((piece) => piece.size >= need);
    if (hole) {
      const at = hole.at;
      hole.at += need;
      hole.size -= need;
      if (hole.size === 0) this.#free = this.#free.filter((piece) => piece !== hole);
      new Uint8Array(this.memory.buffer, at, need).fill(0);
      return at;
    }
    const at = this.#end;
    if (at + need > this.#limit - keep) return null;
    const have = this.memory.buffer.byteLength;
    if (at + need > have) {
      try {
        this.memory.grow(Math.ceil((at + need - have) / PAGE));
      } catch {
        return null;
      }
    }
    this.#end = at + need;
    return at;
  }

  release(at: number, size: number): void {
    const need = Math.max(ALIGN, Math.ceil(size / ALIGN) * ALIGN);
    const index = this.#free.findIndex((piece) => piece.at > at);
    const position = index < 0 ? this.#free.length : index;
    this.#free.splice(position, 0, { at, size: need });
    const pieces: { at: number; size: number }[] = [];
    for (const piece of this.#free) {
      const last = pieces.at(-1);
      invariant(!last || last.at + last.size <= piece.at, 'a buffer was freed twice');
      if (last && last.at + last.size === piece.at) last.size += piece.size;
      else pieces.push({ ...piece });
    }
    const last = pieces.at(-1);
    if (last && last.at + last.size === this.#end) {
      // Given back to the untouched end, which is zeroed again when it is taken.
      new Uint8Array(this.memory.buffer, last.at, last.size).fill(0);
      this.#end = last.at;
      pieces.pop();
    }
    this.#free = pieces;
  }
}
