/** Forward pass of a mixture: its gate, and the experts of each linear. */
import { expertNames } from '../../model/parameters.ts';
import type { Adapted } from '../../model/parameters.ts';
import { jitter } from '../../tensor/contrast-ops.ts';
import type { Dispatch, Tensor } from '../../tensor/device.ts';
import { expertExpand, expertGate, expertShrink } from '../../tensor/expert-ops.ts';
import type { ExpertActivations } from './activations.ts';
import type { NetworkContext } from './context.ts';
import type { Mixture } from './mixtures.ts';

/** Gates are jittered in training alone. */
export type ForwardMode = 'training' | 'scoring';

/** `x`: output of the norm that the gate reads, [N, C]. */
export function gateForward(
  context: NetworkContext,
  experts: ExpertActivations | null,
  x: Tensor,
  mode: ForwardMode,
): Dispatch[] {
  if (!experts) return [];
  const { layer, part } = experts.mixture;
  const routes = context.batch.routes!;
  const router = context.weight(expertNames(layer).router(part));
  const jittered = mode === 'training' ? jitteredInput(context, experts.mixture, x) : null;
  return [...(jittered?.dispatches ?? []), expertGate(jittered?.x ?? x, router, routes, experts.gate)];
}

/** The gate's input in training, in a buffer that the mixtures share: made anew for the backward pass. */
export function jitteredInput(
  { routing, options }: NetworkContext,
  { index }: Mixture,
  x: Tensor,
): { readonly x: Tensor; readonly dispatches: Dispatch[] } | null {
  if (!routing?.jitter || !options.routing) return null;
  const { x: jittered, seeds } = routing.jitter;
  return { x: jittered, dispatches: [jitter(x, seeds[index]!, jittered, options.routing.jitter)] };
}

/** Adds the experts of a linear to its output y; nothing where the linear has none. */
export function expertForward(
  { weight, scales }: NetworkContext,
  experts: ExpertActivations | null,
  linear: Adapted,
  x: Tensor,
  y: Tensor,
): Dispatch[] {
  const hidden = experts?.hidden.get(linear);
  if (!experts || !hidden || !scales) return [];
  const names = expertNames(experts.mixture.layer);
  const { slots, weights } = experts.gate;
  return [
    expertShrink(x, weight(names.a(linear)), slots, hidden),
    expertExpand(hidden, weight(names.b(linear)), slots, weights, scales, y),
  ];
}
