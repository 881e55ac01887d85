/** The PyTorch peer as a child process that takes one step whenever it is asked, so that the two can alternate. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { SHAPE, type StepTime } from './lora-step.ts';

const script = join(import.meta.dirname, 'torch-lora-step.py');
const readySchema = z.object({ version: z.string(), gflops: z.number() });
const stepSchema = z.object({ wall: z.number(), cpu: z.number(), loss: z.number() });

export interface TorchPeer {
  readonly version: string;
  /** Of a matrix product, per CPU second. */
  readonly gflops: number;
  readonly step: () => Promise<StepTime>;
  readonly close: () => Promise<void>;
}

/** Null where that Python cannot be run or has no torch. */
export async function startTorch(python: string, threads: number): Promise<TorchPeer | null> {
  const child = spawn(python, [script, JSON.stringify(SHAPE)], {
    stdio: ['pipe', 'pipe', 'ignore'],
    env: { OPENBLAS_CORETYPE: 'SkylakeX', ...process.env, OMP_NUM_THREADS: String(threads) },
  });
  const exit = new Promise<void>((resolve) => {
    child.once('close', () => resolve());
    child.once('error', () => resolve());
  });
  const lines = createInterface({ input: child.stdout });
  const next = async (): Promise<string | null> => {
    const line = once(lines, 'line').then(([text]) => String(text));
    return Promise.race([line, exit.then(() => null)]);
  };
  const ready = await next();
  if (ready === null) return null;
  const { version, gflops } = readySchema.parse(JSON.parse(ready));
  return {
    version,
    gflops,
    step: async () => {
      const line = next();
      child.stdin.write('\n');
      const text = await line;
      if (text === null) throw new Error('the PyTorch peer ended');
      return stepSchema.parse(JSON.parse(text));
    },
    close: async () => {
      child.stdin.end();
      await exit;
    },
  };
}
