/** Dispatches as one GPU command buffer: their params, their bind groups, and the few copies that WebGPU's rules ask for. */
import type { DeviceBuffer, Dispatch, Tensor } from '../device.ts';
import { elementCount } from '../validate-dispatch.ts';
import { createGroup, type BindGroups, type Bound } from './bind-groups.ts';
import type { Compiled } from './pipelines.ts';
import { ALIGNMENT, type Uniforms } from './uniforms.ts';

/** What outlives a submission. */
export interface Encoding {
  readonly device: GPUDevice;
  readonly groups: BindGroups;
  readonly uniforms: Uniforms;
}

/** The caller destroys what is put into `temporary` when the work is submitted. */
export function encodeDispatches(
  { device, groups, uniforms }: Encoding,
  dispatches: readonly Dispatch[],
  compiled: readonly Compiled[],
  buffers: ReadonlyMap<DeviceBuffer, GPUBuffer>,
  temporary: GPUBuffer[],
): GPUCommandBuffer {
  const encoder = device.createCommandEncoder();
  let pass: GPUComputePassEncoder | null = null;
  const gpuBuffer = ({ buffer }: Tensor): GPUBuffer => buffers.get(buffer)!;
  /** A copy of tensors, one after the other, made between the dispatches before and after. */
  const copyOf = (tensors: readonly Tensor[]): Bound => {
    pass?.end();
    pass = null;
    const size = Math.max(
      16,
      tensors.reduce((sum, tensor) => sum + byteSize(tensor), 0),
    );
    const buffer = device.createBuffer({ size, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST });
    temporary.push(buffer);
    let at = 0;
    for (const tensor of tensors) {
      encoder.copyBufferToBuffer(gpuBuffer(tensor), tensor.byteOffset, buffer, at, byteSize(tensor));
      at += byteSize(tensor);
    }
    return { buffer, offset: 0, size };
  };
  for (const [index, dispatch] of dispatches.entries()) {
    const { kernel, bindings, params } = dispatch;
    const [x, y, z] = kernel.webgpu!.workgroups(params);
    if (x * y * z === 0) continue;
    const { bound, packed, pipeline, groupLayout } = compiled[index]!;
    const before = temporary.length;
    const resources = bound.map(({ name, access }) => {
      const tensor = bindings[name]!;
      const written = writersOf(dispatch, tensor.buffer);
      // One buffer must not be both read-only and writable in a dispatch, even where the views lie apart.
      if (access === 'read' && written > 0) return copyOf([tensor]);
      return written > 1 ? exactly(tensor, gpuBuffer(tensor)) : fromHereOn(tensor, gpuBuffer(tensor));
    });
    const tensors = packed.map(({ name }) => bindings[name]!);
    let places: number[] = [];
    if (tensors.length > 0) {
      const together = tensors.every(({ buffer }) => buffer === tensors[0]!.buffer);
      if (together && writersOf(dispatch, tensors[0]!.buffer) === 0) {
        const buffer = gpuBuffer(tensors[0]!);
        resources.push({ buffer, offset: 0, size: buffer.size });
        places = tensors.map(({ byteOffset }) => byteOffset / 4);
      } else {
        resources.push(copyOf(tensors));
        places = tensors.map((_, i) => tensors.slice(0, i).reduce((sum, t) => sum + elementCount(t), 0));
      }
    }
    resources.push({ buffer: uniforms.buffer, offset: 0, size: (kernel.params.length + packed.length) * 4 });
    uniforms.set(index, dispatch, places);
    const passing = temporary.length > before;
    const group = passing
      ? createGroup(device, groupLayout, resources)
      : groups.get(compiled[index]!, resources);
    pass ??= encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group, [index * ALIGNMENT]);
    pass.dispatchWorkgroups(x, y, z);
  }
  pass?.end();
  uniforms.send(dispatches.length);
  return encoder.finish();
}

/** To the end of the buffer, so that the bind group fits whatever the tensor's length. */
function fromHereOn({ byteOffset }: Tensor, buffer: GPUBuffer): Bound {
  return { buffer, offset: byteOffset, size: buffer.size - byteOffset };
}

/** Where a dispatch writes several tensors of one buffer, their ranges must not overlap. */
function exactly(tensor: Tensor, buffer: GPUBuffer): Bound {
  return { buffer, offset: tensor.byteOffset, size: byteSize(tensor) };
}

function writersOf({ kernel, bindings }: Dispatch, buffer: DeviceBuffer): number {
  return kernel.bindings.filter(({ name, access }) => access !== 'read' && bindings[name]!.buffer === buffer)
    .length;
}

function byteSize(tensor: Tensor): number {
  return elementCount(tensor) * 4;
}
