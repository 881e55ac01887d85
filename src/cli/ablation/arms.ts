/**
 * The arms of the ablation: each adds one thing to the one before, up to the paper's method. All see the same rows in the
 * same order for the same number of steps; only what is trained, and with which auxiliary losses, differs.
 */
import type { ContrastConfig, ExpertsMethod, TuneMethod, TuneRunConfig } from '../../train/tune-config.ts';

export interface Arm {
  readonly name: string;
  readonly title: string;
  /** Null: the base as it is. */
  readonly method: TuneMethod | null;
  /** Found by a search of each arm's own, on training batches before their step; see `src/train/LOG.md`. */
  readonly peakLearningRate: number;
}

export interface Profile {
  readonly name: 'full' | 'quick';
  readonly seeds: readonly number[];
  readonly steps: number;
  readonly rows: number;
  readonly rowLength: number;
  readonly specialties: readonly string[];
  /** Held-out answers and questions of each exam that are scored. */
  readonly answers: number;
  readonly questions: number;
}

const EXPERTS = 8;
const RANK = 8;

/** Sparse mixture of LoRA experts that all specialties share, with the usual guards against collapse. */
const loraMoe: Extract<ExpertsMethod, { pool: 'shared' }> = {
  kind: 'experts',
  pool: 'shared',
  experts: EXPERTS,
  rank: RANK,
  alpha: 2 * RANK,
  topK: 2,
  balance: 0.01,
  zLoss: 0.001,
  jitter: 0,
};

/** One expert, always chosen, of as many parameters as all experts of the mixture together. */
const singleLora: ExpertsMethod = {
  ...loraMoe,
  experts: 1,
  rank: EXPERTS * RANK,
  alpha: 2 * EXPERTS * RANK,
  topK: 1,
  balance: 0,
  zLoss: 0,
};

const contrast: ContrastConfig = {
  variant: 'queue',
  temperature: 0.2,
  weight: 0.01,
  queueSize: 64,
  dimensions: 32,
  anchors: 256,
  warmupSteps: 0,
};

export const ARMS: readonly Arm[] = [
  { name: 'base', title: 'base', method: null, peakLearningRate: 0 },
  { name: 'full', title: 'full fine-tuning', method: { kind: 'full' }, peakLearningRate: 0.00005 },
  { name: 'lora', title: 'single LoRA', method: singleLora, peakLearningRate: 0.0005 },
  { name: 'lora-moe', title: 'LoRA-MoE', method: loraMoe, peakLearningRate: 0.002 },
  {
    name: 'contrast-batch',
    title: '+ contrast in batch',
    method: { ...loraMoe, contrast: { ...contrast, variant: 'batch' } },
    peakLearningRate: 0.002,
  },
  {
    name: 'sparsedoctor',
    title: '+ queue (SparseDoctor)',
    method: { ...loraMoe, contrast },
    peakLearningRate: 0.002,
  },
];

const SPECIALTIES = [
  'cardiovascular',
  'respiratory_infection',
  'digestive',
  'neurology',
  'endocrine_renal_blood',
  'surgery_ortho_urology',
  'obgyn',
  'pediatrics',
  'oncology',
  'derm_sensory_dental',
  'psychiatry',
  'tcm',
  'general',
];

export const PROFILES: Readonly<Record<Profile['name'], Profile>> = {
  full: {
    name: 'full',
    seeds: [1, 2, 3],
    steps: 128,
    rows: 4,
    rowLength: 512,
    specialties: SPECIALTIES,
    answers: 300,
    questions: 100,
  },
  quick: {
    name: 'quick',
    seeds: [1, 2],
    steps: 8,
    rows: 2,
    rowLength: 256,
    specialties: SPECIALTIES,
    answers: 40,
    questions: 12,
  },
};

/** The whole run of an arm: with the data and the base it decides every bit of the result. */
export function armConfig(arm: Arm, profile: Profile, seed: number): TuneRunConfig | null {
  if (arm.method === null) return null;
  return {
    kind: 'tune',
    seed,
    rowLength: profile.rowLength,
    rows: profile.rows,
    method: arm.method,
    specialties: [...profile.specialties],
    version: 'ablation',
    optimiser: {
      peakLearningRate: arm.peakLearningRate,
      floor: 0.05,
      warmupSteps: Math.max(1, Math.round(profile.steps / 16)),
      steps: profile.steps,
      beta1: 0.9,
      beta2: 0.95,
      epsilon: 1e-8,
      weightDecay: 0,
      maxGradientNorm: 1,
    },
    saveEvery: profile.steps,
    validateEvery: profile.steps,
    routingEvery: profile.steps,
  };
}
