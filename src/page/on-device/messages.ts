/** What the page and the Worker of its engine say to each other. */
import type { ChatMessage, FinishReason } from '../../protocol/chat.ts';
import type { RoutingTrace } from '../../protocol/trace.ts';
import type { Usage } from '../../protocol/usage.ts';

/** `auto`: the GPU if there is a real one, else WebAssembly. The last one, for tests, takes a software GPU too. */
export const deviceChoices = ['auto', 'wasm', 'webgpu', 'webgpu-software'] as const;
export type DeviceChoice = (typeof deviceChoices)[number];

export type ToEngine =
  /** Says what would be downloaded, and downloads nothing. */
  | { readonly kind: 'plan'; readonly key: string | null }
  /** Downloads what is missing and starts the engine. */
  | { readonly kind: 'open'; readonly key: string | null; readonly device: DeviceChoice }
  | {
      readonly kind: 'ask';
      readonly id: number;
      readonly model: string;
      readonly messages: readonly ChatMessage[];
      readonly sampling: Sampling;
    }
  | { readonly kind: 'stop'; readonly id: number };

export interface Sampling {
  readonly temperature: number;
  readonly top_p: number;
  readonly top_k: number;
}

/** Why the engine cannot be had, in words of strings.ts. */
export const problemCodes = [
  'insecure',
  'unsupported',
  'absent',
  'other_base',
  'key',
  'interrupted',
  'damaged',
  'memory',
  'no_gpu',
  'failed',
] as const;
export type ProblemCode = (typeof problemCodes)[number];

/** What is not as it should be, and works all the same. */
export type NoteCode = 'one_thread' | 'not_stored' | 'gpu_lost' | 'gpu_failed';

/** Why a question got no answer. */
export type AskProblem = 'model' | 'too_long' | 'memory' | 'gpu_lost' | 'device';

export interface ReadyState {
  readonly device: 'wasm' | 'webgpu';
  /** For people: adapter, or threads. */
  readonly description: string;
  readonly specialties: readonly string[];
  /** Bytes of everything that was downloaded, now or earlier. */
  readonly bytes: number;
  readonly notes: readonly NoteCode[];
}

export type FromEngine =
  | { readonly kind: 'planned'; readonly total: number; readonly missing: number }
  | { readonly kind: 'progress'; readonly received: number; readonly total: number }
  /** Everything is there; the engine takes a moment. */
  | { readonly kind: 'starting' }
  | { readonly kind: 'ready'; readonly state: ReadyState }
  | { readonly kind: 'failed'; readonly code: ProblemCode; readonly detail: string }
  | { readonly kind: 'route'; readonly id: number; readonly trace: Partial<RoutingTrace> }
  | { readonly kind: 'text'; readonly id: number; readonly text: string }
  | { readonly kind: 'end'; readonly id: number; readonly finish: FinishReason; readonly usage: Usage }
  | { readonly kind: 'error'; readonly id: number; readonly code: AskProblem; readonly detail: string };
