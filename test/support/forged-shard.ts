/** Shard files that are wrong in one way and right in all others, their hash included. */
import { headerOfBytes } from '../../src/base/safetensors-header.ts';
import { sha256Hex } from '../../src/base/sha256.ts';
import { writeSafetensors, type TensorToWrite } from '../../src/model/safetensors.ts';

export interface Draft {
  tensors: Map<string, TensorToWrite>;
  metadata: Record<string, string>;
}

/** A shard file taken apart, changed, and put together again with a correct hash. */
export async function forgeShard(bytes: Uint8Array, change: (draft: Draft) => void): Promise<Uint8Array> {
  const header = headerOfBytes(bytes);
  const data = bytes.slice(header.dataOffset);
  const tensors = new Map<string, TensorToWrite>(
    [...header.tensors.values()].map(({ name, shape, begin, end }) => {
      const values = new Float32Array(data.slice(begin, end).buffer);
      return [name, { name, type: 'F32', shape, values }] as const;
    }),
  );
  const draft: Draft = { tensors, metadata: { ...header.metadata } };
  change(draft);
  const plain = writeSafetensors([...draft.tensors.values()], draft.metadata);
  if (draft.metadata['tensors_sha256'] !== header.metadata['tensors_sha256']) return plain;
  const hash = await sha256Hex(plain.subarray(headerOfBytes(plain).dataOffset));
  return writeSafetensors([...draft.tensors.values()], { ...draft.metadata, tensors_sha256: hash });
}

/** Puts a tensor of one value in its place. */
export function set(
  draft: Draft,
  name: string,
  shape: number[],
  fill = 0.5,
  type: 'F32' | 'F16' = 'F32',
): void {
  const length = shape.reduce((product, size) => product * size, 1);
  draft.tensors.set(name, { name, type, shape, values: new Float32Array(length).fill(fill) });
}
