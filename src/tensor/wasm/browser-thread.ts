/** The Worker entry of a compute thread in a browser: its first message says what to compute with. */
import { runThread } from './thread.ts';
import type { ThreadStart } from './command-stream.ts';

addEventListener('message', ({ data }: MessageEvent<ThreadStart>) => runThread(data), { once: true });
