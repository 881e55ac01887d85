/** What this machine can compute a model with, in lines for people. */
import { CallerError } from '../base/errors.ts';
import { openCheckpoint } from '../model/checkpoint.ts';
import { adapterName, type AdapterFacts } from '../tensor/webgpu/adapter.ts';
import { showBytes } from '../train/memory-estimate.ts';
import type { Settings } from './config.ts';
import { chooseDevice } from './devices.ts';
import { directorySource } from './directory-source.ts';
import { findGpu } from './find-gpu.ts';
import { describePlan, planModel } from './load-transformer.ts';

/** Of all features that there are, those that kernels or their measurements may use. */
const FEATURES = ['subgroups', 'shader-f16', 'timestamp-query'];

export async function reportDevice(settings: Settings): Promise<string[]> {
  const finding = await findGpu();
  const { name, reason } = chooseDevice(finding);
  return [
    ...(finding.adapter ? adapterLines(finding.adapter) : [`gpu       none: ${finding.problem}`]),
    `cpu       ${settings.threads} threads`,
    ...(await modelLines(settings, finding.adapter)),
    `auto      ${name}: ${reason}`,
  ];
}

function adapterLines(adapter: AdapterFacts): string[] {
  const { vendor, architecture, software, features, limits, subgroupSizes } = adapter;
  const named = [vendor && `vendor ${vendor}`, architecture && `architecture ${architecture}`].filter(
    Boolean,
  );
  const sizes = subgroupSizes === null ? '' : ` of ${[...new Set(subgroupSizes)].join(' to ')}`;
  const known = FEATURES.map((feature) => `${features.includes(feature) ? '' : 'no '}${feature}`);
  return [
    `gpu       ${adapterName(adapter)}${software ? ' (in software)' : ''}`,
    `          ${[...named, `${backend()} by Dawn`].join(', ')}`,
    `features  ${known.join(', ').replace('subgroups', `subgroups${sizes}`)}`,
    `limits    buffer ${showBytes(limits.maxBufferSize)}, binding ${showBytes(limits.maxStorageBufferBindingSize)}, ` +
      `${limits.maxStorageBuffersPerShaderStage} storage buffers a kernel`,
    `          workgroup ${limits.maxComputeInvocationsPerWorkgroup} invocations, ` +
      `${showBytes(limits.maxComputeWorkgroupStorageSize)} storage`,
    'memory    WebGPU does not tell how much there is: what does not fit shows when the model is loaded',
  ];
}

/** The one that Dawn takes on each platform. */
function backend(): string {
  if (process.platform === 'win32') return 'Direct3D 12';
  return process.platform === 'darwin' ? 'Metal' : 'Vulkan';
}

async function modelLines(settings: Settings, adapter: AdapterFacts | null): Promise<string[]> {
  try {
    const { config } = await openCheckpoint(directorySource(settings.model));
    const plan = planModel(adapter === null ? 'wasm' : 'webgpu', config, settings);
    const { label, bytes } = plan.largest;
    const tooLarge = adapter !== null && bytes > adapter.limits.maxBufferSize;
    return [
      `model     ${config.layers} layers × ${config.hiddenSize}, ${settings.model}`,
      `          takes ${describePlan(plan)}`,
      `          largest buffer ${label}, ${showBytes(bytes)}${tooLarge ? ': more than the GPU takes' : ''}`,
    ];
  } catch (error) {
    if (!(error instanceof CallerError)) throw error;
    return [`model     ${error.message}`];
  }
}
