/** Dispatches as one GPU command buffer: their params, their bind groups, and the few copies that WebGPU's rules ask for. */
import type { DeviceBuffer, Dispatch, Tensor } from '../device.ts';
import { elementCount } from '../validate-dispatch.ts';
import { shaderBindings } from './pipelines.ts';

/** Of tensors in their buffers, and of a dispatch's params in the uniform buffer. Every WebGPU device takes 256. */
export const ALIGNMENT = 256;

/** The caller destroys what is put into `temporary` when the work is done. */
export function encodeDispatches(
  device: GPUDevice,
  dispatches: readonly Dispatch[],
  pipelines: readonly GPUComputePipeline[],
  buffers: ReadonlyMap<DeviceBuffer, GPUBuffer>,
  temporary: GPUBuffer[],
): GPUCommandBuffer {
  const uniforms = writeParams(device, dispatches);
  temporary.push(uniforms);
  const encoder = device.createCommandEncoder();
  let pass: GPUComputePassEncoder | null = null;
  const gpuBuffer = ({ buffer }: Tensor): GPUBuffer => buffers.get(buffer)!;
  /** A copy of tensors, one after the other, made between the dispatches before and after. */
  const copyOf = (tensors: readonly Tensor[]): GPUBuffer => {
    pass?.end();
    pass = null;
    const size = tensors.reduce((sum, tensor) => sum + byteSize(tensor), 0);
    const copy = device.createBuffer({ size, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST });
    temporary.push(copy);
    let at = 0;
    for (const tensor of tensors) {
      encoder.copyBufferToBuffer(gpuBuffer(tensor), tensor.byteOffset, copy, at, byteSize(tensor));
      at += byteSize(tensor);
    }
    return copy;
  };
  for (const [index, dispatch] of dispatches.entries()) {
    const { kernel, bindings, params } = dispatch;
    const [x, y, z] = kernel.webgpu!.workgroups(params);
    if (x * y * z === 0) continue;
    const { bound, packed } = shaderBindings(kernel);
    const resources: GPUBufferBinding[] = bound.map(({ name, access }) => {
      const tensor = bindings[name]!;
      // One buffer must not be both read-only and writable in a dispatch, even where the views lie apart.
      if (access === 'read' && isWritten(dispatch, tensor.buffer)) return { buffer: copyOf([tensor]) };
      return { buffer: gpuBuffer(tensor), offset: tensor.byteOffset, size: byteSize(tensor) };
    });
    if (packed.length > 0) resources.push({ buffer: copyOf(packed.map(({ name }) => bindings[name]!)) });
    const size = (kernel.params.length + packed.length) * 4;
    resources.push({ buffer: uniforms, offset: index * ALIGNMENT, size });
    const pipeline = pipelines[index]!;
    const entries = resources.map((resource, binding) => ({ binding, resource }));
    pass ??= encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
    pass.dispatchWorkgroups(x, y, z);
  }
  pass?.end();
  return encoder.finish();
}

/** The params of each dispatch, then the places of its packed bindings. */
function writeParams(device: GPUDevice, dispatches: readonly Dispatch[]): GPUBuffer {
  const size = dispatches.length * ALIGNMENT;
  const buffer = device.createBuffer({ size, usage: GPUBufferUsage.UNIFORM, mappedAtCreation: true });
  const view = new DataView(buffer.getMappedRange());
  for (const [index, { kernel, bindings, params }] of dispatches.entries()) {
    let at = index * ALIGNMENT;
    for (const { name, type } of kernel.params) {
      if (type === 'u32') view.setUint32(at, params[name]!, true);
      else view.setFloat32(at, params[name]!, true);
      at += 4;
    }
    let place = 0;
    for (const { name } of shaderBindings(kernel).packed) {
      view.setUint32(at, place, true);
      place += elementCount(bindings[name]!);
      at += 4;
    }
  }
  buffer.unmap();
  return buffer;
}

function isWritten({ kernel, bindings }: Dispatch, buffer: DeviceBuffer): boolean {
  return kernel.bindings.some(({ name, access }) => access !== 'read' && bindings[name]!.buffer === buffer);
}

function byteSize(tensor: Tensor): number {
  return elementCount(tensor) * 4;
}
