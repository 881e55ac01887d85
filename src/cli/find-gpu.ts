/**
 * Asks for the GPU of this machine in a process of its own: a driver that is broken may print, crash or hang, and a
 * machine without a GPU must notice nothing of it.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { z } from 'zod';
import type { AdapterFacts } from '../tensor/webgpu/adapter.ts';

export type GpuFinding =
  | { readonly adapter: AdapterFacts }
  /** Why none can be used, without a full stop. */
  | { readonly adapter: null; readonly problem: string };

const adapterSchema = z.object({
  vendor: z.string(),
  architecture: z.string(),
  description: z.string(),
  software: z.boolean(),
  features: z.array(z.string()),
  limits: z.object({
    maxBufferSize: z.number(),
    maxStorageBufferBindingSize: z.number(),
    maxStorageBuffersPerShaderStage: z.number(),
    maxComputeWorkgroupStorageSize: z.number(),
    maxComputeInvocationsPerWorkgroup: z.number(),
  }),
  subgroupSizes: z.tuple([z.number(), z.number()]).nullable(),
});
const answerSchema = z.union([z.object({ adapter: adapterSchema }), z.object({ problem: z.string() })]);

/** Drivers of a busy machine take seconds; one that takes longer would not serve either. */
const PATIENCE_MS = 20_000;

export function findGpu(patienceMs = PATIENCE_MS): Promise<GpuFinding> {
  return new Promise((resolve) => {
    const args = [join(import.meta.dirname, 'probe-gpu.ts')];
    execFile(
      process.execPath,
      args,
      { timeout: patienceMs, killSignal: 'SIGKILL' },
      (error, stdout, stderr) => {
        const { data: answer } = answerSchema.safeParse(readJson(stdout));
        const without = (problem: string): void =>
          resolve({ adapter: null, problem: problem + told(stderr) });
        if (answer && 'adapter' in answer) resolve(answer);
        else if (answer) without(answer.problem);
        else if (error?.killed === true) without('the GPU driver did not answer in time');
        else without(`the GPU driver failed (${error?.signal ?? `exit code ${error?.code ?? 0}`})`);
      },
    );
  });
}

/** What Dawn says on standard error of what it could not load. */
function told(stderr: string): string {
  const [, first] = /^Warning: (.+)$/m.exec(stderr) ?? [];
  return first === undefined ? '' : ` (${first})`;
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
