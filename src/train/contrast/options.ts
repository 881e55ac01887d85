/** Contrastive supervision of routing, as a run's config asks for it. */
import type { ExpertPoolShape } from '../network/activations.ts';

export type ContrastVariant = 'batch' | 'queue' | 'full' | 'routing' | 'constant';

export interface ContrastOptions {
  readonly variant: ContrastVariant;
  readonly temperature: number;
  /** λ */
  readonly weight: number;
  /** K, entries of each expert. */
  readonly queueSize: number;
  /** d_q */
  readonly dimensions: number;
  /** Tokens sampled in each step. */
  readonly anchors: number;
  readonly warmupSteps: number;
}

/** The keys are the anchors themselves. */
export function isInBatch({ variant }: ContrastOptions): boolean {
  return variant === 'batch' || variant === 'routing';
}

export interface ContrastSizes {
  /** M, anchors: tokens, or tokens × chosen experts. */
  readonly anchors: number;
  /** J */
  readonly keys: number;
  /** Of an embedding. */
  readonly dimensions: number;
}

export function contrastSizes(options: ContrastOptions, pool: ExpertPoolShape): ContrastSizes {
  const { variant, queueSize } = options;
  if (variant === 'routing') {
    return { anchors: options.anchors, keys: options.anchors, dimensions: pool.maxExperts };
  }
  const anchors = options.anchors * pool.topK;
  const keys = isInBatch(options) ? anchors : pool.slots * queueSize;
  return { anchors, keys, dimensions: options.dimensions };
}
