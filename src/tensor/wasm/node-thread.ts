/** The worker_threads entry of a compute thread. */
import { workerData } from 'node:worker_threads';
import { runThread } from './thread.ts';
import type { ThreadStart } from './command-stream.ts';

const start: ThreadStart = workerData;
runThread(start);
