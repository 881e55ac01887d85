/**
 * The waiting line: classes by priority, inside a class one lane per API key, lanes served in turn, inside a lane first
 * come first served. An entry that cannot be placed now (no host holds its shards) does not hold up those behind it.
 */
import { PRIORITIES, type Priority } from './types.ts';

/** After this long an entry moves up one class, so that a busy class cannot starve a lower one. */
const AGE_MS = 10_000;

export interface Waiting {
  readonly ticket: string;
  readonly key: string;
  readonly enqueuedAt: number;
  readonly deadline: number;
  /** When somebody last asked for it. */
  seenAt: number;
  /** When it came into its present class. */
  inClassSince: number;
}

type Lanes<Entry> = Map<string, Entry[]>;

export class FairQueue<Entry extends Waiting> {
  readonly #classes: Record<Priority, Lanes<Entry>> = {
    high: new Map(),
    normal: new Map(),
    batch: new Map(),
  };
  readonly #byTicket = new Map<string, Entry>();
  readonly #perKey = new Map<string, number>();

  get size(): number {
    return this.#byTicket.size;
  }

  sizeOf(key: string): number {
    return this.#perKey.get(key) ?? 0;
  }

  get(ticket: string): Entry | undefined {
    return this.#byTicket.get(ticket);
  }

  entries(): IterableIterator<Entry> {
    return this.#byTicket.values();
  }

  add(entry: Entry, priority: Priority): void {
    this.#lane(priority, entry.key).push(entry);
    this.#byTicket.set(entry.ticket, entry);
    this.#perKey.set(entry.key, this.sizeOf(entry.key) + 1);
  }

  remove(ticket: string): Entry | undefined {
    const entry = this.#byTicket.get(ticket);
    if (!entry) return undefined;
    this.#byTicket.delete(ticket);
    const left = this.sizeOf(entry.key) - 1;
    if (left > 0) this.#perKey.set(entry.key, left);
    else this.#perKey.delete(entry.key);
    for (const priority of PRIORITIES) this.#removeFrom(priority, entry);
    return entry;
  }

  /** Takes out the first entry, in order of service, for which `place` finds a place. */
  take<Place>(place: (entry: Entry) => Place | null): { entry: Entry; place: Place } | null {
    for (const priority of PRIORITIES) {
      for (const [key, lane] of this.#classes[priority]) {
        for (const entry of lane) {
          const found = place(entry);
          if (found === null) continue;
          this.remove(entry.ticket);
          this.#toBack(priority, key);
          return { entry, place: found };
        }
      }
    }
    return null;
  }

  /** Moves entries that have waited long one class up; call before serving. */
  promote(now: number): void {
    this.#promoteInto('high', 'normal', now);
    this.#promoteInto('normal', 'batch', now);
  }

  #promoteInto(higher: Priority, lower: Priority, now: number): void {
    for (const lane of this.#classes[lower].values()) {
      for (const entry of lane.filter((one) => now - one.inClassSince >= AGE_MS)) {
        this.#removeFrom(lower, entry);
        this.#lane(higher, entry.key).push(entry);
        entry.inClassSince = now;
      }
    }
  }

  #lane(priority: Priority, key: string): Entry[] {
    const lanes = this.#classes[priority];
    const lane = lanes.get(key) ?? [];
    lanes.set(key, lane);
    return lane;
  }

  #removeFrom(priority: Priority, entry: Entry): void {
    const lane = this.#classes[priority].get(entry.key);
    const index = lane?.indexOf(entry) ?? -1;
    if (!lane || index < 0) return;
    lane.splice(index, 1);
    if (lane.length === 0) this.#classes[priority].delete(entry.key);
  }

  /** A Map keeps insertion order: the lane just served goes behind the others. */
  #toBack(priority: Priority, key: string): void {
    const lanes = this.#classes[priority];
    const lane = lanes.get(key);
    if (!lane) return;
    lanes.delete(key);
    lanes.set(key, lane);
  }
}
