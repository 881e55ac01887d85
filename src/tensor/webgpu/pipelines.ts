/** Compiled kernels of one GPU device, each compiled once for each set of its constants. */
import type { Binding, KernelSpec, Params, ShaderConstants } from '../../../kernels/kernel.ts';
import { InternalError } from '../../base/errors.ts';
import { assembleShader, type LoadShader, type ShaderFeatures } from './shader-source.ts';

/** A kernel with one set of its constants, and what its shader declares. */
export interface Compiled {
  /** Unlike any other's of the device. */
  readonly id: number;
  readonly pipeline: GPUComputePipeline;
  readonly groupLayout: GPUBindGroupLayout;
  /** Bindings in the shader's order; then comes `packed`, if there are any, then the params. */
  readonly bound: readonly Binding[];
  readonly packed: readonly Binding[];
}

const NO_CONSTANTS: ShaderConstants = {};

export class Pipelines {
  readonly #device: GPUDevice;
  readonly #loadShader: LoadShader;
  readonly #features: ShaderFeatures;
  readonly #compiled = new Map<KernelSpec, Map<ShaderConstants, Promise<Compiled>>>();
  #next = 0;

  constructor(device: GPUDevice, loadShader: LoadShader, features: ShaderFeatures) {
    this.#device = device;
    this.#loadShader = loadShader;
    this.#features = features;
  }

  /** As `params` choose it. */
  get(kernel: KernelSpec, params: Params): Promise<Compiled> {
    return this.#of(kernel, kernel.webgpu?.constants?.choose(params) ?? NO_CONSTANTS);
  }

  /** With every set of its constants. */
  async all(kernel: KernelSpec): Promise<void> {
    const choices = kernel.webgpu?.constants?.choices ?? [NO_CONSTANTS];
    await Promise.all(choices.map((constants) => this.#of(kernel, constants)));
  }

  #of(kernel: KernelSpec, constants: ShaderConstants): Promise<Compiled> {
    const sets = this.#compiled.get(kernel) ?? new Map<ShaderConstants, Promise<Compiled>>();
    const known = sets.get(constants) ?? this.#compile(kernel, constants);
    sets.set(constants, known);
    this.#compiled.set(kernel, sets);
    return known;
  }

  async #compile(kernel: KernelSpec, constants: ShaderConstants): Promise<Compiled> {
    const { name } = kernel;
    const device = this.#device;
    if (!kernel.webgpu) throw new InternalError('no_kernel', `${name} has no WebGPU kernel`);
    const code = await assembleShader(name, this.#loadShader, this.#features, constants);
    device.pushErrorScope('validation');
    const module = device.createShaderModule({ label: name, code });
    const groupLayout = createGroupLayout(device, kernel);
    const layout = device.createPipelineLayout({ label: name, bindGroupLayouts: [groupLayout] });
    const refused = await device.popErrorScope();
    const { messages } = await module.getCompilationInfo();
    const mistakes = messages.filter(({ type }) => type === 'error');
    const lines = mistakes.map(({ lineNum, linePos, message }) => `${lineNum}:${linePos} ${message}`);
    if (lines.length > 0) throw new InternalError('shader_invalid', `${name}.wgsl:\n${lines.join('\n')}`);
    if (refused) throw new InternalError('shader_invalid', `bindings of ${name}: ${refused.message}`);
    try {
      const pipeline = await device.createComputePipelineAsync({ label: name, layout, compute: { module } });
      return { id: this.#next++, pipeline, groupLayout, ...shaderBindings(kernel) };
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new InternalError('shader_invalid', `${name}.wgsl does not fit its spec: ${reason}`, { cause });
    }
  }
}

function shaderBindings({ bindings, webgpu }: KernelSpec): { bound: Binding[]; packed: Binding[] } {
  const isPacked = ({ name }: Binding): boolean => webgpu?.packed?.includes(name) ?? false;
  return { bound: bindings.filter((binding) => !isPacked(binding)), packed: bindings.filter(isPacked) };
}

/** A shader that declares anything else does not compile. */
function createGroupLayout(device: GPUDevice, kernel: KernelSpec): GPUBindGroupLayout {
  const { bound, packed } = shaderBindings(kernel);
  const buffers: GPUBufferBindingLayout[] = bound.map(({ access }) => ({
    type: access === 'read' ? 'read-only-storage' : 'storage',
  }));
  if (packed.length > 0) buffers.push({ type: 'read-only-storage' });
  const minBindingSize = (kernel.params.length + packed.length) * 4;
  buffers.push({ type: 'uniform', hasDynamicOffset: true, minBindingSize });
  const visibility = GPUShaderStage.COMPUTE;
  const entries = buffers.map((buffer, binding) => ({ binding, visibility, buffer }));
  return device.createBindGroupLayout({ label: kernel.name, entries });
}
