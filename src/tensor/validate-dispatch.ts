/** What every device may take for granted about a dispatch; breaking it is a bug of the code above. */
import { ROW_MULTIPLE, tensorBytes } from '../../kernels/formats.ts';
import type { Dispatch, Tensor } from './device.ts';
import { invariant } from '../base/invariant.ts';

export function elementCount(tensor: Tensor): number {
  return tensor.shape.reduce((product, size) => product * size, 1);
}

export function byteSize(tensor: Tensor): number {
  return tensorBytes(tensor.type, elementCount(tensor));
}

/**
 * Bindings complete, of the right type, aligned and inside their buffers; params complete; and no written tensor
 * overlaps another one, since GPUs forbid it and threads would race.
 */
export function validateDispatch(dispatch: Dispatch, offsetAlignment: number): void {
  const { kernel, bindings, params } = dispatch;
  const extra = Object.keys(bindings).filter((name) => !kernel.bindings.some((known) => known.name === name));
  invariant(extra.length === 0, `${kernel.name}: no binding is called ${extra.join(', ')}`);
  for (const { name } of kernel.params) {
    invariant(Number.isFinite(params[name]), `${kernel.name}: param "${name}" is missing`);
  }
  for (const { name, type, formats = [] } of kernel.bindings) {
    const tensor = bindings[name];
    const where = `${kernel.name}: binding "${name}"`;
    invariant(tensor, `${where} is missing`);
    const fits = tensor.type === type || formats.some((format) => format === tensor.type);
    invariant(fits, `${where} is ${tensor.type}, must be ${[type, ...formats].join(' or ')}`);
    const row = tensor.shape.at(-1) ?? 0;
    invariant(row % ROW_MULTIPLE[tensor.type] === 0, `${where} has rows of ${row} in ${tensor.type}`);
    invariant(tensor.byteOffset % offsetAlignment === 0, `${where} starts at byte ${tensor.byteOffset}`);
    const end = tensor.byteOffset + byteSize(tensor);
    invariant(
      end <= tensor.buffer.byteLength,
      `${where} ends at byte ${end} of ${tensor.buffer.byteLength} of "${tensor.buffer.label}"`,
    );
  }
  for (const { name, access } of kernel.bindings) {
    if (access === 'read') continue;
    for (const other of kernel.bindings) {
      const apart = other.name === name || !overlap(bindings[name]!, bindings[other.name]!);
      invariant(apart, `${kernel.name}: written binding "${name}" overlaps "${other.name}"`);
    }
  }
}

function overlap(a: Tensor, b: Tensor): boolean {
  return (
    a.buffer === b.buffer &&
    a.byteOffset < b.byteOffset + byteSize(b) &&
    b.byteOffset < a.byteOffset + byteSize(a)
  );
}
