/** The host's process, kept running: where it ends and says that a new one may serve, it is started again at its address. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Child } from './child.ts';
import { EXIT_START_AGAIN } from './exit-codes.ts';
import { createRestartPolicy } from './restart-policy.ts';

export interface KeptHost {
  /** The one that runs now, or the one that ended and is being started again. */
  current(): Child;
  /** Ends it and starts it again. */
  restart(): Promise<void>;
  stop(): Promise<void>;
  /** Resolves with a message when it ended and stays so. */
  readonly broken: Promise<string>;
}

export interface KeepHostOptions {
  readonly start: (port: number, again: boolean) => Promise<Child>;
  /** Of the first start; 0 takes a free one. */
  readonly port: number;
  readonly onProgress: (text: string) => void;
}

export async function keepHost({ start, port, onProgress }: KeepHostOptions): Promise<KeptHost> {
  const broken = Promise.withResolvers<string>();
  const stopping = new AbortController();
  const restarts = createRestartPolicy();
  const expected = new Set<Child>();
  let child = await start(port, false);
  let restarting: Promise<void> | undefined;

  const startAgain = async (): Promise<void> => {
    child = await start(Number(new URL(child.url).port), true);
    void watch(child);
  };
  const startLater = async (pauseMs: number): Promise<void> => {
    await sleep(pauseMs, undefined, { signal: stopping.signal }).catch(() => undefined);
    if (stopping.signal.aborted) return;
    await startAgain();
    onProgress('the host is back');
  };
  const watch = async (watched: Child): Promise<void> => {
    const { code, how } = await watched.exited;
    if (expected.has(watched) || stopping.signal.aborted) return;
    const pauseMs = code === EXIT_START_AGAIN ? restarts.next(performance.now()) : null;
    if (pauseMs === null) {
      broken.resolve(`The host ended (${how}). Its last words:\n${await watched.lastLines()}`);
      return;
    }
    onProgress(`the host ended (${how}) and is started again in ${pauseMs / 1000} s`);
    restarting = startLater(pauseMs).catch((error: unknown) => {
      broken.resolve(error instanceof Error ? error.message : String(error));
    });
  };
  void watch(child);

  return {
    broken: broken.promise,
    current: () => child,
    async restart() {
      expected.add(child);
      await child.stop();
      await startAgain();
    },
    async stop() {
      stopping.abort();
      await restarting;
      await child.stop();
    },
  };
}
