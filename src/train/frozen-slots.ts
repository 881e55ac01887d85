/** Expert slots that take part in a step and stay as they are. */
import type { Dispatch, Tensor } from '../tensor/device.ts';
import * as ops from '../tensor/ops.ts';
import { elements } from '../tensor/tensors.ts';
import type { Arena } from '../tensor/tensors.ts';

/** Elements of an arena, [from, to). */
export type Range = readonly [number, number];

/** The tail of an expert tensor [slots, …] from `trainedSlots` on; empty for a tensor that has no slots. */
function frozenTail(name: string, tensor: Tensor, trainedSlots: number): Tensor | null {
  if (!name.startsWith('layers.')) return null;
  const [slots = 0] = tensor.shape;
  const slotSize = elements(tensor.shape) / slots;
  const length = (slots - trainedSlots) * slotSize;
  if (length <= 0) return null;
  return { ...tensor, byteOffset: tensor.byteOffset + trainedSlots * slotSize * 4, shape: [length] };
}

/** Dispatches that take the frozen slots' gradients away, so that the gradient norm does not count them. */
export function clearFrozen(gradients: Arena, trainedSlots: number): Dispatch[] {
  return [...gradients.tensors].flatMap(([name, tensor]) => {
    const tail = frozenTail(name, tensor, trainedSlots);
    return tail ? [ops.fill(tail, 0)] : [];
  });
}

/** What is trained of an arena: all but the frozen slots, which so know no weight decay either. */
export function trainedRanges(arena: Arena, trainedSlots: number): Range[] {
  return [...arena.tensors].map(([name, tensor]): Range => {
    const from = tensor.byteOffset / 4;
    const tail = frozenTail(name, tensor, trainedSlots);
    return [from, from + elements(tensor.shape) - (tail ? elements(tail.shape) : 0)];
  });
}
