/**
 * Dispatches as one GPU command buffer: their params, their bind groups, and the few copies that WebGPU's rules ask for.
 * What a dispatch needs is prepared once and kept with it: a caller that repeats a step with the same dispatches pays for
 * the commands alone.
 */
import { InternalError } from '../../base/errors.ts';
import { invariant } from '../../base/invariant.ts';
import type { DeviceBuffer, Dispatch, Tensor } from '../device.ts';
import { byteSize, elementCount } from '../validate-dispatch.ts';
import { createGroup, type BindGroups, type Bound } from './bind-groups.ts';
import { paramWords, type Compiled } from './pipelines.ts';
import type { Stored } from './stored-bindings.ts';
import { ALIGNMENT, paramWordsOf, type Uniforms } from './uniforms.ts';

/** What outlives a submission. */
export interface Encoding {
  readonly device: GPUDevice;
  readonly groups: BindGroups;
  readonly uniforms: Uniforms;
  /** Most bytes of one binding. */
  readonly partBytes: number;
}

export interface Prepared {
  readonly compiled: Compiled;
  readonly workgroups: readonly [number, number, number];
  /** What goes into the uniform buffer. */
  readonly params: Uint32Array;
  /** Bound as they are; where there are copies, `group` is null and is made for each submission. */
  readonly resources: readonly (Bound | Copies)[];
  readonly group: GPUBindGroup | null;
}

/** Tensors that are copied one after the other into a buffer that lives for one submission. */
interface Copies {
  readonly copied: readonly { readonly from: GPUBuffer; readonly offset: number; readonly size: number }[];
}

export function prepareDispatch(
  { groups, uniforms, partBytes }: Encoding,
  dispatch: Dispatch,
  compiled: Compiled,
  gpuBuffer: (buffer: DeviceBuffer) => GPUBuffer,
): Prepared {
  const { kernel, bindings, params } = dispatch;
  const { bound, packed, stored } = compiled;
  const copyOf = (tensors: readonly Tensor[]): Copies => ({
    copied: tensors.map((tensor) => ({
      from: gpuBuffer(tensor.buffer),
      offset: tensor.byteOffset,
      size: byteSize(tensor),
    })),
  });
  const resources: (Bound | Copies)[] = bound.map(({ name, access }) => {
    const tensor = bindings[name]!;
    const written = writersOf(dispatch, tensor.buffer);
    // One buffer must not be both read-only and writable in a dispatch, even where the views lie apart.
    if (access === 'read' && written > 0) return copyOf([tensor]);
    const inParts = stored.some((one) => one.name === name);
    if (!inParts && byteSize(tensor) > partBytes) {
      const what = `"${tensor.buffer.label}" of ${byteSize(tensor)} bytes`;
      throw new InternalError('out_of_memory', `${what} is more than this GPU binds at once: ${partBytes}`);
    }
    const buffer = gpuBuffer(tensor.buffer);
    return written > 1 ? exactly(tensor, buffer) : fromHereOn(tensor, buffer, partBytes);
  });
  const tensors = packed.map(({ name }) => bindings[name]!);
  let places: number[] = [];
  if (tensors.length > 0) {
    const { buffer } = tensors[0]!;
    const together = tensors.every((tensor) => tensor.buffer === buffer);
    if (together && writersOf(dispatch, buffer) === 0) {
      resources.push(fromHereOn({ byteOffset: 0 }, gpuBuffer(buffer), partBytes));
      places = tensors.map(({ byteOffset }) => byteOffset / 4);
    } else {
      resources.push(copyOf(tensors));
      places = tensors.map((_, i) => tensors.slice(0, i).reduce((sum, t) => sum + elementCount(t), 0));
    }
  }
  resources.push({ buffer: uniforms.buffer, offset: 0, size: paramWords(kernel) * 4 });
  for (const one of stored) resources.push(...furtherParts(one, bindings[one.name]!, gpuBuffer, partBytes));
  const whole = resources.filter((resource): resource is Bound => !('copied' in resource));
  return {
    compiled,
    workgroups: kernel.webgpu!.workgroups(params),
    params: paramWordsOf(dispatch, places),
    resources,
    group: whole.length === resources.length ? groups.get(compiled, whole) : null,
  };
}

/** The caller destroys what is put into `temporary` when the work is submitted. */
export function encodeDispatches(
  { device, uniforms }: Encoding,
  prepared: readonly Prepared[],
  temporary: GPUBuffer[],
): GPUCommandBuffer {
  const encoder = device.createCommandEncoder();
  let pass: GPUComputePassEncoder | null = null;
  /** Made between the dispatches before and after. */
  const copy = ({ copied }: Copies): Bound => {
    pass?.end();
    pass = null;
    const size = Math.max(
      16,
      copied.reduce((sum, one) => sum + one.size, 0),
    );
    const buffer = device.createBuffer({ size, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST });
    temporary.push(buffer);
    let at = 0;
    for (const one of copied) {
      encoder.copyBufferToBuffer(one.from, one.offset, buffer, at, one.size);
      at += one.size;
    }
    return { buffer, offset: 0, size };
  };
  let last: GPUComputePipeline | null = null;
  for (const [index, { compiled, workgroups, params, resources, group }] of prepared.entries()) {
    const [x, y, z] = workgroups;
    if (x * y * z === 0) continue;
    const { pipeline, groupLayout } = compiled;
    const own =
      group ??
      createGroup(
        device,
        groupLayout,
        resources.map((r) => ('copied' in r ? copy(r) : r)),
      );
    uniforms.set(index, params);
    if (!pass) {
      pass = encoder.beginComputePass();
      last = null;
    }
    if (pipeline !== last) pass.setPipeline(pipeline);
    last = pipeline;
    pass.setBindGroup(0, own, [index * ALIGNMENT]);
    pass.dispatchWorkgroups(x, y, z);
  }
  pass?.end();
  uniforms.send(prepared.length);
  return encoder.finish();
}

/** To the end of the buffer, so that the bind group fits whatever the tensor's length; or as far as a binding goes. */
function fromHereOn({ byteOffset }: Pick<Tensor, 'byteOffset'>, buffer: GPUBuffer, partBytes: number): Bound {
  return { buffer, offset: byteOffset, size: Math.min(buffer.size - byteOffset, partBytes) };
}

/** Where a dispatch writes several tensors of one buffer, their ranges must not overlap. */
function exactly(tensor: Tensor, buffer: GPUBuffer): Bound {
  return { buffer, offset: tensor.byteOffset, size: byteSize(tensor) };
}

function furtherParts(
  { name, parts }: Stored,
  tensor: Tensor,
  gpuBuffer: (buffer: DeviceBuffer) => GPUBuffer,
  partBytes: number,
): Bound[] {
  const buffer = gpuBuffer(tensor.buffer);
  return Array.from({ length: parts - 1 }, (_, i) => {
    const offset = tensor.byteOffset + (i + 1) * partBytes;
    invariant(offset < buffer.size, `"${name}" has fewer than ${parts} parts`);
    return { buffer, offset, size: Math.min(buffer.size - offset, partBytes) };
  });
}

function writersOf({ kernel, bindings }: Dispatch, buffer: DeviceBuffer): number {
  return kernel.bindings.filter(({ name, access }) => access !== 'read' && bindings[name]!.buffer === buffer)
    .length;
}
