/** Backward pass of a mixture: the experts of each linear, and the gate after all of them. */
import { expertNames } from '../../model/parameters.ts';
import type { Adapted } from '../../model/parameters.ts';
import { gateBalanceBackward, gateLoad, jitter } from '../../tensor/contrast-ops.ts';
import type { Dispatch, Tensor } from '../../tensor/device.ts';
import * as expertOps from '../../tensor/expert-ops.ts';
import * as ops from '../../tensor/ops.ts';
import { mixtureContrast } from '../contrast/layer-contrast.ts';
import type { ContrastPhase } from '../contrast/layer-contrast.ts';
import type { ExpertActivations } from './activations.ts';
import type { NetworkContext } from './context.ts';
import { jitteredInput } from './expert-forward.ts';
import type { GradientScratch } from './scratch.ts';

/** What a part of a layer takes into its backward pass, in this order. */
export interface MixtureBackward {
  /** Before the first linear. */
  readonly before: readonly Dispatch[];
  /** Gradients of a linear's experts: of A, B, the gate's weights; adds that of the linear's input to `dx`. */
  readonly linear: (linear: Adapted, x: Tensor, dy: Tensor, dx: Tensor) => Dispatch[];
  /** After the last linear: from the gate's weights to its router; adds the gradient of its input `x` to `dx`. */
  readonly gate: (x: Tensor, dx: Tensor) => Dispatch[];
}

/** Without experts: nothing. */
export function mixtureBackward(
  context: NetworkContext,
  experts: ExpertActivations | null,
  { experts: scratch }: GradientScratch,
  phase: ContrastPhase,
): MixtureBackward {
  if (!experts || !scratch) return { before: [], linear: () => [], gate: () => [] };
  const contrast = mixtureContrast(context, experts, scratch, phase);
  return {
    before: [ops.fill(scratch.weights, 0), ...contrast.before],
    linear: (linear, x, dy, dx) =>
      expertBackward(context, experts, scratch, {
        linear,
        x,
        dy,
        dx,
        contrast: contrast.hidden.get(linear) ?? [],
      }),
    gate: (x, dx) => gateBackward(context, experts, scratch, { x, dx, contrast: contrast.logits }),
  };
}

type ExpertScratch = NonNullable<GradientScratch['experts']>;

interface AdaptedBackward {
  readonly linear: Adapted;
  readonly x: Tensor;
  readonly dy: Tensor;
  /** Added to. */
  readonly dx: Tensor;
  /** Adds the contrastive loss's part to the gradient of the hidden states. */
  readonly contrast: readonly Dispatch[];
}

function expertBackward(
  { weight, gradient, scales }: NetworkContext,
  experts: ExpertActivations,
  scratch: ExpertScratch,
  { linear, x, dy, dx, contrast }: AdaptedBackward,
): Dispatch[] {
  const hidden = experts.hidden.get(linear);
  if (!hidden || !scales) return [];
  const names = expertNames(experts.mixture.layer);
  const { slots } = experts.gate;
  const { hidden: dh, weights: dweights } = scratch;
  const a = weight(names.a(linear));
  const b = weight(names.b(linear));
  return [
    expertOps.expertExpandBackward(hidden, b, experts.gate, scales, dy, dh, dweights),
    expertOps.expertExpandBackwardWeight(hidden, experts.gate, scales, dy, gradient(names.b(linear))!),
    ...contrast,
    expertOps.expertShrinkBackward(dh, a, slots, dx),
    expertOps.expertShrinkBackwardWeight(dh, x, slots, gradient(names.a(linear))!),
  ];
}

function gateBackward(
  context: NetworkContext,
  experts: ExpertActivations,
  { weights: dweights, logits: dlogits }: ExpertScratch,
  { x, dx, contrast }: { readonly x: Tensor; readonly dx: Tensor; readonly contrast: readonly Dispatch[] },
): Dispatch[] {
  const { batch, weight, gradient, routing, options } = context;
  const routes = batch.routes!;
  const { layer, part, index } = experts.mixture;
  const router = expertNames(layer).router(part);
  const jittered = jitteredInput(context, experts.mixture, x);
  const intoInput = (to: Tensor): Dispatch =>
    expertOps.expertGateBackwardInput(dlogits, routes, weight(router), to);
  return [
    expertOps.expertGateBackward(routes, experts.gate, dweights, dlogits),
    ...contrast,
    ...balanceBackward(context, experts, dlogits),
    ...(jittered?.dispatches ?? []),
    expertOps.expertGateBackwardWeight(dlogits, jittered?.x ?? x, routes, gradient(router)!),
    ...(routing?.jitter
      ? [
          ops.fill(routing.jitter.dx, 0),
          intoInput(routing.jitter.dx),
          jitter(routing.jitter.dx, routing.jitter.seeds[index]!, dx, options.routing!.jitter, true),
        ]
      : [intoInput(dx)]),
  ];
}

/** Load balance and z-loss, means over mixtures; their statistics are kept to be reported. */
function balanceBackward(
  { batch, routing, options }: NetworkContext,
  { gate, mixture }: ExpertActivations,
  dlogits: Tensor,
): Dispatch[] {
  if (!routing?.stats || !options.routing) return [];
  const stats = routing.stats[mixture.index]!;
  const weights = {
    balance: options.routing.balance / routing.stats.length,
    z: options.routing.zLoss / routing.stats.length,
  };
  return [
    gateLoad(batch.routes!, gate, batch.tokenWeights, stats),
    gateBalanceBackward(batch.routes!, gate.logits, batch.tokenWeights, stats, dlogits, weights),
  ];
}
