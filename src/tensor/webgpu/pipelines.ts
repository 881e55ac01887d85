/** Compiled kernels of one GPU device, each compiled once. */
import type { Binding, KernelSpec } from '../../../kernels/kernel.ts';
import { InternalError } from '../../base/errors.ts';

/** Text of `kernels/<name>/<name>.wgsl`. */
export type LoadShader = (name: string) => Promise<string>;

export interface Pipelines {
  get(kernel: KernelSpec): Promise<GPUComputePipeline>;
}

export function createPipelines(device: GPUDevice, loadShader: LoadShader): Pipelines {
  const compiled = new Map<string, Promise<GPUComputePipeline>>();
  return {
    get(kernel) {
      const known = compiled.get(kernel.name) ?? compile(device, kernel, loadShader);
      compiled.set(kernel.name, known);
      return known;
    },
  };
}

async function compile(
  device: GPUDevice,
  kernel: KernelSpec,
  loadShader: LoadShader,
): Promise<GPUComputePipeline> {
  if (!kernel.webgpu) throw new InternalError('no_kernel', `${kernel.name} has no WebGPU kernel`);
  const code = await loadShader(kernel.name);
  device.pushErrorScope('validation');
  const module = device.createShaderModule({ label: kernel.name, code });
  const bindGroupLayouts = [bindGroupLayout(device, kernel)];
  const layout = device.createPipelineLayout({ label: kernel.name, bindGroupLayouts });
  const refused = await device.popErrorScope();
  const { messages } = await module.getCompilationInfo();
  const mistakes = messages.filter(({ type }) => type === 'error');
  const lines = mistakes.map(({ lineNum, linePos, message }) => `${lineNum}:${linePos} ${message}`);
  if (lines.length > 0)
    throw new InternalError('shader_invalid', `${kernel.name}.wgsl:\n${lines.join('\n')}`);
  if (refused) throw new InternalError('shader_invalid', `bindings of ${kernel.name}: ${refused.message}`);
  try {
    return await device.createComputePipelineAsync({ label: kernel.name, layout, compute: { module } });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new InternalError('shader_invalid', `${kernel.name}.wgsl does not fit its spec: ${reason}`, {
      cause,
    });
  }
}

/** What a shader declares: these in order, `packed` if there are any, then the params. */
export function shaderBindings({ bindings, webgpu }: KernelSpec): { bound: Binding[]; packed: Binding[] } {
  const isPacked = ({ name }: Binding): boolean => webgpu?.packed?.includes(name) ?? false;
  return { bound: bindings.filter((binding) => !isPacked(binding)), packed: bindings.filter(isPacked) };
}

/** A shader that declares anything else does not compile. */
function bindGroupLayout(device: GPUDevice, kernel: KernelSpec): GPUBindGroupLayout {
  const { bound, packed } = shaderBindings(kernel);
  const buffers: GPUBufferBindingLayout[] = bound.map(({ access }) => ({
    type: access === 'read' ? 'read-only-storage' : 'storage',
  }));
  if (packed.length > 0) buffers.push({ type: 'read-only-storage' });
  buffers.push({ type: 'uniform', minBindingSize: (kernel.params.length + packed.length) * 4 });
  const visibility = GPUShaderStage.COMPUTE;
  const entries = buffers.map((buffer, binding) => ({ binding, visibility, buffer }));
  return device.createBindGroupLayout({ label: kernel.name, entries });
}
