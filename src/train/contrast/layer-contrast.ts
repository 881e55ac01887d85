/**
 * Contrastive supervision of one mixture's routing (a gate of one layer and the linears it chooses experts for), in our formulation.
 *
 * Anchors are a seeded sample of the batch's tokens times their chosen experts: row m is token t with expert e of gate
 * weight g_m. With the expert's hidden states h_{m,l} = A_{e,l} x_{t,l} of the mixture's linears l:
 *
 *     z_m = Σ_l P_l h_{m,l},   ẑ_m = z_m / ‖z_m‖                                     P_l [d_q, R], one set a mixture, trained
 *     ℓ_m = ln Σ_j exp(ẑ_m·k_j / τ) − 1/|P(m)| Σ_{p ∈ P(m)} ẑ_m·k_p / τ              P(m) = {j : o_j = e}
 *     L   = λ · 1/mixtures · 1/anchor tokens · Σ_mixtures Σ_m g_m ℓ_m
 *
 * Keys k_j with owners o_j are the expert memory queue: of every expert the last K embeddings, detached, as in momentum
 * contrast (He et al., 2020), pushed once a step, after the loss; or, in the variant `batch`, the step's anchors
 * themselves, m left out, with a gradient to both sides. ℓ is the supervised contrastive loss (Khosla et al., 2020, eq. 2,
 * L_out), 0 where there is no positive or no negative. The gradient goes to A and the projectors through ẑ, and through
 * g_m to the gate, which learns to prefer experts that know their token from others'.
 *
 * Variants: `full` embeds the expert's whole output (α/R) B A x by projectors [d_q, out] once B is no longer zero;
 * `routing` embeds a token's gate in place of an expert's output, ẑ = clr(p)/‖clr(p)‖ with the centred log-ratio of the
 * routing distribution p, positives being tokens of the same specialty (in the manner of CoMoE, 2505.17553); `constant`,
 * the control, takes a learned vector of each expert for h, which no token can change.
 *
 * Differs: SparseDoctor (2509.14269) names a contrastive loss over LoRA experts and an expert memory queue; which vectors
 * are compared, what is positive, τ, λ, K, and how gate and queue take part, are ours.
 */
import type { Adapted } from '../../model/parameters.ts';
import { contrast, queuePush } from '../../tensor/contrast-ops.ts';
import type { Dispatch } from '../../tensor/device.ts';
import * as ops from '../../tensor/ops.ts';
import { elements } from '../../tensor/tensors.ts';
import type { ExpertActivations } from '../network/activations.ts';
import type { NetworkContext } from '../network/context.ts';
import type { GradientScratch } from '../network/scratch.ts';
import { column, viewAs } from './embedder.ts';
import type { Embedder, EmbedderInput } from './embedder.ts';
import { embedConstants } from './embed-constants.ts';
import { embedHidden } from './embed-hidden.ts';
import { embedOutputs } from './embed-outputs.ts';
import { embedRouting } from './embed-routing.ts';
import { contrastScale } from './tensors.ts';
import type { ContrastMixture, ContrastTensors } from './tensors.ts';

/** `warm`: the steps of `full` before B says anything. */
export type ContrastPhase = 'warm' | 'main';

/** Where the contrastive loss of a mixture takes part in the backward pass. */
export interface MixtureContrast {
  /** Everything up to the gradients of the anchors' rows; after dweights were zeroed, to which they add. */
  readonly before: readonly Dispatch[];
  /** After dh of a linear was written: adds to it. */
  readonly hidden: ReadonlyMap<Adapted, readonly Dispatch[]>;
  /** After dlogits were written: adds to them. */
  readonly logits: readonly Dispatch[];
}

const NO_CONTRAST: MixtureContrast = { before: [], hidden: new Map(), logits: [] };

/** A length whose square is below this is treated as none. */
const EPSILON = 1e-12;

export function mixtureContrast(
  context: NetworkContext,
  experts: ExpertActivations,
  scratch: NonNullable<GradientScratch['experts']>,
  phase: ContrastPhase,
): MixtureContrast {
  const tensors = context.routing?.contrast;
  if (!tensors) return NO_CONTRAST;
  const own = tensors.mixtures[experts.mixture.index]!;
  const input: EmbedderInput = { context, experts, scratch, tensors, own };
  const embedder = chooseEmbedder(input, phase);
  const { unit, z, inverse, dz, dWeights, scale } = tensors;
  const { temperature } = tensors.options;
  const keys = own.queue ?? { keys: own.embedding, owner: own.owner };
  const lossOptions = {
    temperature,
    scale: contrastScale(tensors.options, tensors.mixtures.length),
    excludeSelf: own.queue === null,
  };
  const teachGate = [
    ops.linear(viewAs(own.loss, [elements(own.loss.shape), 1]), scale, dWeights),
    ops.embeddingBackward(tensors.places, dWeights, column(scratch.weights)),
  ];
  return {
    before: [
      ...embedder.forward,
      ops.rmsNorm(z, unit, own.embedding, inverse, EPSILON),
      ops.linear(own.embedding, keys.keys, tensors.scores),
      contrast(tensors.scores, own.owner, keys.owner, own.weights, own.loss, lossOptions),
      ...embeddingGradient(tensors, own),
      ops.fill(dz, 0),
      ops.rmsNormBackward(z, unit, inverse, tensors.dEmbedding, dz),
      ...embedder.backward,
      ...(embedder.teachesGate ? teachGate : []),
      ...(own.queue
        ? [queuePush(own.embedding, own.owner, own.queue.keys, own.queue.owner, own.queue.heads)]
        : []),
    ],
    hidden: embedder.hidden,
    logits: embedder.logits,
  };
}

/** dẑ = dS k, and where the anchors are the keys dSᵀ ẑ besides. */
function embeddingGradient({ scores, dEmbedding }: ContrastTensors, own: ContrastMixture): Dispatch[] {
  const keys = own.queue?.keys ?? own.embedding;
  return [
    ops.linearBackwardInput(scores, keys, dEmbedding),
    ...(own.queue ? [] : [ops.linearBackwardWeight(scores, own.embedding, dEmbedding, true)]),
  ];
}

function chooseEmbedder(input: EmbedderInput, phase: ContrastPhase): Embedder {
  const { variant } = input.tensors.options;
  if (variant === 'routing') return embedRouting(input);
  if (variant === 'constant') return embedConstants(input);
  return variant === 'full' && phase === 'main' ? embedOutputs(input) : embedHidden(input);
}
