/** The model onto a device: its kernels compiled, its memory taken, its weights copied, or a message that says what to do. */
import { CallerError, InternalError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Checkpoint } from '../model/checkpoint.ts';
import type { ModelConfig } from '../model/config.ts';
import type { MemoryPlan } from '../model/memory-plan.ts';
import { Transformer, type TransformerOptions } from '../model/transformer.ts';
import type { Device } from '../tensor/device.ts';
import { showBytes } from '../train/memory-estimate.ts';
import type { Settings } from './config.ts';

export type SizeSettings = Pick<
  Settings,
  'cachePages' | 'expertSlots' | 'expertRank' | 'weights' | 'experts' | 'cache'
>;

/** What the settings make of a model on a device of this kind. */
export function planModel(kind: Device['kind'], config: ModelConfig, settings: SizeSettings): MemoryPlan {
  return Transformer.plan(kind, config, transformerOptions(settings));
}

/** For people: the sum, and of what. */
export function describePlan({ total, weights, cache, experts, work }: MemoryPlan): string {
  const parts = { weights, 'KV cache': cache, experts, work };
  const shown = Object.entries(parts).map(([name, bytes]) => `${name} ${showBytes(bytes)}`);
  return `${showBytes(total)} (${shown.join(', ')})`;
}

export async function loadTransformer(
  device: Device,
  checkpoint: Checkpoint,
  settings: SizeSettings,
  logger: Logger,
): Promise<Transformer> {
  try {
    const model = await Transformer.load(device, checkpoint, transformerOptions(settings));
    const begun = performance.now();
    await model.compile();
    const seconds = Number(((performance.now() - begun) / 1000).toFixed(2));
    if (device.compile) logger.info({ seconds }, 'kernels compiled');
    return model;
  } catch (error) {
    throw explained(error, device, planModel(device.kind, checkpoint.config, settings), settings);
  }
}

function transformerOptions(settings: SizeSettings): Partial<TransformerOptions> {
  const { cachePages, expertSlots, expertRank, weights, experts, cache } = settings;
  return {
    pages: cachePages,
    experts: { slots: expertSlots, rank: expertRank },
    weightFormat: weights,
    expertFormat: experts,
    kvFormat: cache,
    maxExpertsPerRoute: Math.min(64, expertSlots),
  };
}

function explained(cause: unknown, device: Device, plan: MemoryPlan, settings: SizeSettings): unknown {
  if (!(cause instanceof InternalError)) return cause;
  if (cause.code === 'out_of_memory') {
    const { cachePages, expertSlots } = settings;
    const message = [
      `The model does not fit into the memory of the device: ${cause.message}.`,
      `It needs ${describePlan(plan)}; ${showBytes(device.memory().allocatedBytes)} of that fit (${device.description}).`,
      `Lower --cache-pages (${cachePages}) or --expert-slots (${expertSlots}), take smaller formats by --weights,`,
      '--cache and --experts, or use another --device.',
    ].join('\n');
    return new CallerError('out_of_memory', message, { cause });
  }
  if (cause.code === 'shader_invalid') {
    const message = [
      `The GPU refuses a kernel: ${cause.message}`,
      `It is ${device.description}. Update its driver, or use --device wasm.`,
    ].join('\n');
    return new CallerError('gpu_refused', message, { cause });
  }
  return cause;
}
