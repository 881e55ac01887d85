/**
 * Keeps the edge informed of this host and carries out its orders (protocol/hosts.ts says what they mean). An edge that is
 * away or restarts costs nothing but waiting: the host goes on serving and tries again, ever more rarely up to a bound.
 */
import { InternalError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { hostOrdersSchema, type HostAnnouncement, type HostOrders } from '../protocol/hosts.ts';
import { carryOut, createStager } from './stager.ts';
import type { ShardStore } from './shard-store.ts';

export interface AnnouncerOptions {
  readonly edgeUrl: string;
  readonly secret: string;
  readonly shards: ShardStore;
  readonly logger: Logger;
  /** Everything but `resident`, which the store knows. */
  readonly describe: () => Omit<HostAnnouncement, 'resident'>;
  readonly retry?: { readonly firstMs: number; readonly mostMs: number };
}

export interface Announcer {
  /** Out of turn: after a shard was loaded, when draining begins. */
  announceNow(): void;
  /** Whether the last announcement was taken. */
  readonly joined: boolean;
  /** Says farewell with a last announcement. */
  stop(): Promise<void>;
}

const requestTimeoutMs = 10_000;
const farewellTimeoutMs = 1_000;
const longestIntervalMs = 60_000;

export function createAnnouncer(options: AnnouncerOptions): Announcer {
  const { edgeUrl, secret, shards, logger, describe } = options;
  const { firstMs, mostMs } = options.retry ?? { firstMs: 250, mostMs: 15_000 };
  const stopping = new AbortController();
  const stager = createStager({ edgeUrl, secret, shards, logger, signal: stopping.signal });
  const sleeper = createSleeper();
  const stopListening = shards.onChange(() => sleeper.wake());
  let joined = false;

  const announce = async (signal: AbortSignal): Promise<HostOrders> => {
    const announcement: HostAnnouncement = {
      ...describe(),
      resident: shards.resident().map(({ specialty, version, sha256 }) => ({ specialty, version, sha256 })),
    };
    const response = await fetch(new URL('/v1/hosts', edgeUrl), {
      method: 'POST',
      headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
      body: JSON.stringify(announcement),
      signal,
    });
    if (!response.ok) {
      await response.body?.cancel();
      throw new InternalError('announcement_refused', `The edge answered ${response.status}.`);
    }
    const orders = hostOrdersSchema.safeParse(await response.json());
    if (!orders.success)
      throw new InternalError('announcement_refused', 'The edge gave orders of an unknown form.');
    return orders.data;
  };

  const run = async (): Promise<void> => {
    let failures = 0;
    while (!stopping.signal.aborted) {
      let waitMs: number;
      sleeper.rearm();
      try {
        const timeout = AbortSignal.timeout(requestTimeoutMs);
        const orders = await announce(AbortSignal.any([stopping.signal, timeout]));
        if (!joined) logger.info({ edge: edgeUrl }, 'joined the edge');
        joined = true;
        failures = 0;
        carryOut(orders, shards, stager);
        waitMs = Math.min(orders.announce_every_ms, longestIntervalMs);
      } catch (error) {
        if (stopping.signal.aborted) return;
        waitMs = Math.min(mostMs, firstMs * 2 ** Math.min(failures, 16));
        failures += 1;
        joined = false;
        const detail = error instanceof Error ? error.message : String(error);
        if (failures <= 3)
          logger.warn({ edge: edgeUrl, detail, retryInMs: waitMs }, 'could not announce to the edge');
        // A change of the shards is no reason to knock at a closed door more often.
        sleeper.rearm();
      }
      await sleeper.sleep(waitMs);
    }
  };
  const running = run();

  return {
    announceNow: () => sleeper.wake(),
    get joined() {
      return joined;
    },
    async stop() {
      stopListening();
      stopping.abort();
      sleeper.wake();
      await running;
      await stager.idle();
      // Best effort: an edge that is told sends nothing more here; one that is not finds out by itself.
      if (joined) await announce(AbortSignal.timeout(farewellTimeoutMs)).catch(() => undefined);
      joined = false;
    },
  };
}

interface Sleeper {
  /** A wake from here on ends the next sleep, even if it comes before that begins. */
  rearm(): void;
  wake(): void;
  sleep(milliseconds: number): Promise<void>;
}

function createSleeper(): Sleeper {
  let woken = Promise.withResolvers<void>();
  return {
    rearm: () => (woken = Promise.withResolvers<void>()),
    wake: () => woken.resolve(),
    async sleep(milliseconds) {
      let timer: NodeJS.Timeout | undefined;
      const over = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, milliseconds);
      });
      await Promise.race([over, woken.promise]);
      clearTimeout(timer);
    },
  };
}
