/**
 * The engine's Worker: downloads, computes and answers, so that the page itself never waits. Everything that was typed
 * stays here: after the download this Worker asks the network for nothing.
 */
import { CallerError, InternalError } from '../../base/errors.ts';
import { trustOwnScripts } from '../trusted-scripts.ts';
import { answer } from './answer.ts';
import type {
  AskProblem,
  DeviceChoice,
  FromEngine,
  NoteCode,
  ProblemCode,
  ReadyState,
  ToEngine,
} from './messages.ts';
import { problemCodes } from './messages.ts';
import { fetchModel, makePlan, missingBytes, type ModelFiles } from './model-files.ts';
import { openDevice, openEngine, type LocalEngine } from './open-engine.ts';
import { PartStore } from './part-store.ts';

const progressEveryMs = 100;

const running = new Map<number, AbortController>();
let files: ModelFiles | null = null;
let local: Promise<LocalEngine> | null = null;
let notes: readonly NoteCode[] = [];

function say(message: FromEngine): void {
  postMessage(message);
}

async function plan(key: string | null): Promise<void> {
  checkBrowser();
  const [wanted, store] = await Promise.all([makePlan(key), PartStore.open()]);
  say({ kind: 'planned', total: wanted.bytes, missing: await missingBytes(wanted, store) });
}

async function open(key: string | null, choice: DeviceChoice): Promise<void> {
  checkBrowser();
  const [wanted, store] = await Promise.all([makePlan(key), PartStore.open()]);
  let newest = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  // A while after bytes came, never before it: what came last shows, too, where a download stands still.
  const progress = (received: number): void => {
    newest = received;
    timer ??= setTimeout(() => {
      timer = undefined;
      say({ kind: 'progress', received: newest, total: wanted.bytes });
    }, progressEveryMs);
  };
  files = await fetchModel(wanted, store, progress).finally(() => clearTimeout(timer));
  await start(choice, store.keeps ? [] : ['not_stored']);
}

/** Where a GPU was found and then fails on the model, the processor takes over. */
async function start(choice: DeviceChoice, known: readonly NoteCode[]): Promise<void> {
  if (!files) return;
  say({ kind: 'starting' });
  const { device, gpuFailed } = await openDevice(choice, files);
  notes = gpuFailed ? [...known, 'gpu_failed'] : known;
  try {
    const opened = await openEngine(device, files);
    local = Promise.resolve(opened);
    say({ kind: 'ready', state: stateOf(opened, files) });
  } catch (error) {
    await device.dispose().catch(() => undefined);
    if (device.kind !== 'webgpu' || choice !== 'auto') throw error;
    await start('wasm', [...known, 'gpu_failed']);
  }
}

function stateOf({ device, shards }: LocalEngine, { plan: { bytes } }: ModelFiles): ReadyState {
  const isAlone = device.kind === 'wasm' && !globalThis.crossOriginIsolated;
  return {
    device: device.kind === 'webgpu' ? 'webgpu' : 'wasm',
    description: device.description,
    specialties: [...shards.keys()],
    bytes,
    notes: isAlone ? [...notes, 'one_thread'] : notes,
  };
}

async function ask(question: Extract<ToEngine, { kind: 'ask' }>): Promise<void> {
  const { id } = question;
  const abort = new AbortController();
  running.set(id, abort);
  try {
    const opened = await local;
    if (!opened) throw new InternalError('device_lost', 'there is no engine');
    for await (const piece of answer(opened, question, abort.signal)) say({ ...piece, id });
  } catch (error) {
    if (!abort.signal.aborted) await askFailed(id, error);
  } finally {
    running.delete(id);
  }
}

/** A GPU that is lost does not come back for this engine: it starts anew on the processor before the question is asked again. */
async function askFailed(id: number, error: unknown): Promise<void> {
  const opened = await local?.catch(() => null);
  const isGpu = opened?.device.kind === 'webgpu';
  const isCaller = error instanceof CallerError;
  const code: AskProblem = isCaller ? (askProblems[error.code] ?? 'device') : isGpu ? 'gpu_lost' : 'device';
  say({ kind: 'error', id, code, detail: detailOf(error) });
  if (isCaller || !opened) return;
  // An engine whose model failed takes nothing more, whatever it ran on.
  local = null;
  await opened.close().catch(() => undefined);
  await guarded(start('wasm', isGpu ? ['gpu_lost'] : notes));
}

const askProblems: Readonly<Record<string, AskProblem>> = {
  model_not_found: 'model',
  context_length_exceeded: 'too_long',
};

/** Without a secure origin there is neither WebCrypto nor storage. */
function checkBrowser(): void {
  if (!globalThis.isSecureContext) throw new CallerError('insecure', 'The page is not served over HTTPS.');
}

async function guarded(work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    say({ kind: 'failed', code: problemOf(error), detail: detailOf(error) });
  }
}

function problemOf(error: unknown): ProblemCode {
  if (error instanceof RangeError) return 'memory';
  if (!(error instanceof CallerError || error instanceof InternalError)) return 'failed';
  if (error.code === 'out_of_memory') return 'memory';
  if (error.code === 'no_wasm') return 'unsupported';
  if (error.code === 'shard_other_base') return 'other_base';
  return problemCodes.find((code) => code === error.code) ?? 'failed';
}

function detailOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

trustOwnScripts();
addEventListener('message', ({ data }: MessageEvent<ToEngine>) => {
  if (data.kind === 'plan') void guarded(plan(data.key));
  if (data.kind === 'open') void guarded(open(data.key, data.device));
  if (data.kind === 'ask') void ask(data);
  if (data.kind === 'stop') running.get(data.id)?.abort();
});
