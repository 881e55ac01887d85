/**
 * Compiled kernels of one GPU device. One text is compiled for each variant of a kernel (its constants, and the formats and
 * parts of its stored bindings), one pipeline for each set of a variant's override constants.
 */
import type { Binding, KernelSpec } from '../../../kernels/kernel.ts';
import { InternalError } from '../../base/errors.ts';
import type { Dispatch } from '../device.ts';
import { elementCount } from '../validate-dispatch.ts';
import { assembleShader, type LoadShader, type ShaderFeatures, type ShaderVariant } from './shader-source.ts';
import { hasScales, scalesAt, scalesConstant, type Stored } from './stored-bindings.ts';

/** A kernel in one variant, and what its shader declares. */
export interface Compiled {
  /** Unlike any other's of the device. */
  readonly id: number;
  readonly pipeline: GPUComputePipeline;
  readonly groupLayout: GPUBindGroupLayout;
  /** Bindings in the shader's order; then `packed`, if there are any, the params, and further parts of stored bindings. */
  readonly bound: readonly Binding[];
  readonly packed: readonly Binding[];
  readonly stored: readonly Stored[];
}

/** What a dispatch needs of the kernel's parts: its variant, and its override constants. */
type Overrides = Readonly<Record<string, number>>;

interface Module {
  readonly module: GPUShaderModule;
  readonly layout: GPUPipelineLayout;
  readonly groupLayout: GPUBindGroupLayout;
}

export class Pipelines {
  readonly #device: GPUDevice;
  readonly #loadShader: LoadShader;
  readonly #features: ShaderFeatures;
  readonly #modules = new Map<KernelSpec, Map<string, Promise<Module>>>();
  readonly #compiled = new Map<KernelSpec, Map<string, Promise<Compiled>>>();
  #next = 0;

  constructor(device: GPUDevice, loadShader: LoadShader, features: ShaderFeatures) {
    this.#device = device;
    this.#loadShader = loadShader;
    this.#features = features;
  }

  /** As the dispatch's params and tensors choose it. */
  get(dispatch: Dispatch): Promise<Compiled> {
    const { kernel, params } = dispatch;
    const stored = storedOf(dispatch, this.#features.partBytes);
    const constants = kernel.webgpu?.constants?.choose(params) ?? {};
    return this.#of(kernel, { constants, stored }, overridesOf(dispatch, stored));
  }

  /** With every set of its constants, for dispatches like this one. */
  async all(dispatch: Dispatch): Promise<void> {
    const { kernel } = dispatch;
    const stored = storedOf(dispatch, this.#features.partBytes);
    const overrides = overridesOf(dispatch, stored);
    const choices = kernel.webgpu?.constants?.choices ?? [{}];
    await Promise.all(choices.map((constants) => this.#of(kernel, { constants, stored }, overrides)));
  }

  #of(kernel: KernelSpec, variant: ShaderVariant, overrides: Overrides): Promise<Compiled> {
    const variantKey = keyOf(variant);
    const module = known(this.#modules, kernel, variantKey, () => this.#module(kernel, variant));
    const key = `${variantKey} ${Object.values(overrides).join()}`;
    return known(this.#compiled, kernel, key, async () =>
      this.#pipeline(kernel, variant, await module, overrides),
    );
  }

  async #module(kernel: KernelSpec, variant: ShaderVariant): Promise<Module> {
    const { name } = kernel;
    const device = this.#device;
    if (!kernel.webgpu) throw new InternalError('no_kernel', `${name} has no WebGPU kernel`);
    const code = await assembleShader(kernel, this.#loadShader, this.#features, variant);
    device.pushErrorScope('validation');
    const module = device.createShaderModule({ label: name, code });
    const groupLayout = createGroupLayout(device, kernel, variant.stored);
    const layout = device.createPipelineLayout({ label: name, bindGroupLayouts: [groupLayout] });
    const refused = await device.popErrorScope();
    const { messages } = await module.getCompilationInfo();
    const mistakes = messages.filter(({ type }) => type === 'error');
    const lines = mistakes.map(({ lineNum, linePos, message }) => `${lineNum}:${linePos} ${message}`);
    if (lines.length > 0) throw new InternalError('shader_invalid', `${name}.wgsl:\n${lines.join('\n')}`);
    if (refused) throw new InternalError('shader_invalid', `bindings of ${name}: ${refused.message}`);
    return { module, layout, groupLayout };
  }

  async #pipeline(
    kernel: KernelSpec,
    { stored }: ShaderVariant,
    { module, layout, groupLayout }: Module,
    constants: Overrides,
  ): Promise<Compiled> {
    const { name } = kernel;
    try {
      const pipeline = await this.#device.createComputePipelineAsync({
        label: name,
        layout,
        compute: { module, constants },
      });
      return { id: this.#next++, pipeline, groupLayout, ...shaderBindings(kernel), stored };
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new InternalError('shader_invalid', `${name}.wgsl does not fit its spec: ${reason}`, { cause });
    }
  }
}

function known<T>(
  all: Map<KernelSpec, Map<string, Promise<T>>>,
  kernel: KernelSpec,
  key: string,
  make: () => Promise<T>,
): Promise<T> {
  const own = all.get(kernel) ?? new Map<string, Promise<T>>();
  all.set(kernel, own);
  const made = own.get(key) ?? make();
  own.set(key, made);
  return made;
}

function keyOf({ constants, stored }: ShaderVariant): string {
  const forms = stored.map(({ type, parts }) => `${type}×${parts}`);
  return `${Object.values(constants).join()} ${forms.join()}`;
}

function storedOf({ kernel, bindings }: Dispatch, partBytes: number): Stored[] {
  return kernel.bindings
    .filter(({ formats }) => formats)
    .map(({ name }) => {
      const { type, buffer, byteOffset } = bindings[name]!;
      // To the end of its buffer, as it is bound.
      const parts = Math.max(1, Math.ceil((buffer.byteLength - byteOffset) / partBytes));
      return { name, type, parts };
    });
}

function overridesOf({ kernel, bindings, params }: Dispatch, stored: readonly Stored[]): Overrides {
  const fixed = (kernel.webgpu?.overrides ?? []).map((name) => [name, params[name]!] as const);
  const scales = stored
    .filter(({ type }) => hasScales(type))
    .map(({ name, type }) => [scalesConstant(name), scalesAt(type, elementCount(bindings[name]!))] as const);
  return Object.fromEntries([...fixed, ...scales]);
}

function shaderBindings({ bindings, webgpu }: KernelSpec): { bound: Binding[]; packed: Binding[] } {
  const isPacked = ({ name }: Binding): boolean => webgpu?.packed?.includes(name) ?? false;
  return { bound: bindings.filter((binding) => !isPacked(binding)), packed: bindings.filter(isPacked) };
}

/** A shader that declares anything else does not compile. */
function createGroupLayout(
  device: GPUDevice,
  kernel: KernelSpec,
  stored: readonly Stored[],
): GPUBindGroupLayout {
  const { bound, packed } = shaderBindings(kernel);
  const buffers = bound.map(layoutOf);
  if (packed.length > 0) buffers.push({ type: 'read-only-storage' });
  buffers.push({ type: 'uniform', hasDynamicOffset: true, minBindingSize: paramWords(kernel) * 4 });
  for (const { name, parts } of stored) {
    const binding = bound.find((own) => own.name === name)!;
    for (let part = 1; part < parts; part++) buffers.push(layoutOf(binding));
  }
  const visibility = GPUShaderStage.COMPUTE;
  const entries = buffers.map((buffer, binding) => ({ binding, visibility, buffer }));
  return device.createBindGroupLayout({ label: kernel.name, entries });
}

function layoutOf({ access }: Binding): GPUBufferBindingLayout {
  return { type: access === 'read' ? 'read-only-storage' : 'storage' };
}

/** Words of a kernel's params in the uniform buffer: those that are not override constants, then places of packed ones. */
export function paramWords({ params, webgpu }: KernelSpec): number {
  return params.length - (webgpu?.overrides?.length ?? 0) + (webgpu?.packed?.length ?? 0);
}
