/** Reads single tensors out of a `.safetensors` file, and writes such files. The header is checked in `base`. */
import { CallerError } from '../base/errors.ts';
import { invariant } from '../base/invariant.ts';
import {
  elementBytes,
  LENGTH_BYTES,
  MAX_HEADER_BYTES,
  parseHeader,
  readHeaderLength,
  type SafetensorsHeader,
  type SafetensorsType,
  type TensorEntry,
} from '../base/safetensors-header.ts';
import type { ByteSource } from './byte-source.ts';
import { floatToHalf, halfToFloat } from '../tensor/formats.ts';
import { bfloatToFloat, floatToBfloat } from './float-formats.ts';

export type FloatType = 'F32' | 'F16' | 'BF16';

export function isFloatType(type: SafetensorsType | undefined): type is FloatType {
  return type === 'F32' || type === 'F16' || type === 'BF16';
}

export interface SafetensorsFile {
  readonly header: SafetensorsHeader;
  /** Stored bytes of a tensor. */
  bytes(name: string): Promise<Uint8Array>;
  /** Values of an F32, F16 or BF16 tensor: a fresh array, or a view of bytes that were in memory already. */
  tensor(name: string): Promise<Float32Array>;
}

export type TensorToWrite =
  | {
      readonly name: string;
      readonly type: FloatType;
      readonly shape: readonly number[];
      readonly values: Float32Array;
    }
  | {
      readonly name: string;
      readonly type: 'U8';
      readonly shape: readonly number[];
      readonly values: Uint8Array;
    };

export async function openSafetensors(
  source: ByteSource,
  maxHeaderBytes = MAX_HEADER_BYTES,
): Promise<SafetensorsFile> {
  const prefix = await source.read(0, Math.min(LENGTH_BYTES, source.size));
  const length = readHeaderLength(prefix, source.size, maxHeaderBytes);
  const header = parseHeader(await source.read(LENGTH_BYTES, length), source.size);
  const find = (name: string): TensorEntry => {
    const entry = header.tensors.get(name);
    if (entry !== undefined) return entry;
    throw new CallerError('safetensors_missing_tensor', `The file has no tensor ${JSON.stringify(name)}.`);
  };
  const bytes = (entry: TensorEntry) => source.read(header.dataOffset + entry.begin, entry.end - entry.begin);
  return {
    header,
    bytes: (name) => bytes(find(name)),
    tensor: async (name) => {
      const entry = find(name);
      return decodeFloats(await bytes(entry), entry);
    },
  };
}

/** Values of a tensor's bytes; a view of them where they are F32 and lie aligned. */
export function decodeFloats(bytes: Uint8Array, entry: Pick<TensorEntry, 'name' | 'type'>): Float32Array {
  const { type } = entry;
  if (!isFloatType(type)) {
    throw new CallerError(
      'safetensors_unsupported_dtype',
      `Tensor ${JSON.stringify(entry.name)} is ${type}; convert the file to F32, F16 or BF16.`,
    );
  }
  const aligned = bytes.byteOffset % elementBytes(type) === 0 ? bytes : bytes.slice();
  if (type === 'F32') return new Float32Array(aligned.buffer, aligned.byteOffset, aligned.length / 4);
  const words = new Uint16Array(aligned.buffer, aligned.byteOffset, aligned.length / 2);
  return type === 'F16' ? halfToFloat(words) : bfloatToFloat(words);
}

function encodeFloats(values: Float32Array, type: FloatType): Uint8Array {
  if (type === 'F32') return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const words = type === 'F16' ? floatToHalf(values) : floatToBfloat(values);
  return new Uint8Array(words.buffer);
}

/** A whole file. Tensors are laid wide types first, then by name, so equal contents give equal bytes. */
export function writeSafetensors(
  tensors: readonly TensorToWrite[],
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const { header, data, dataBytes } = layOut(tensors);
  const sorted = Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1));
  const fields = sorted.length === 0 ? header : { __metadata__: Object.fromEntries(sorted), ...header };
  const json = new TextEncoder().encode(JSON.stringify(fields));
  const headerBytes = Math.ceil(json.length / 8) * 8;
  const file = new Uint8Array(LENGTH_BYTES + headerBytes + dataBytes);
  new DataView(file.buffer).setBigUint64(0, BigInt(headerBytes), true);
  file.fill(0x20, LENGTH_BYTES, LENGTH_BYTES + headerBytes);
  file.set(json, LENGTH_BYTES);
  let offset = LENGTH_BYTES + headerBytes;
  for (const part of data) {
    file.set(part, offset);
    offset += part.length;
  }
  return file;
}

/** The tensor bytes alone, in the order of `writeSafetensors`: for hashes that the metadata has to carry. */
export function safetensorsData(tensors: readonly TensorToWrite[]): Uint8Array {
  const { data, dataBytes } = layOut(tensors);
  const joined = new Uint8Array(dataBytes);
  let offset = 0;
  for (const part of data) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}

function layOut(tensors: readonly TensorToWrite[]) {
  const header: Record<
    string,
    { dtype: FloatType | 'U8'; shape: readonly number[]; data_offsets: [number, number] }
  > = {};
  const data: Uint8Array[] = [];
  let dataBytes = 0;
  const ordered = tensors.toSorted(
    (a, b) => elementBytes(b.type) - elementBytes(a.type) || (a.name < b.name ? -1 : 1),
  );
  for (const tensor of ordered) {
    const { name, type, shape, values } = tensor;
    invariant(!Object.hasOwn(header, name), `tensor ${name} is written twice`);
    invariant(
      shape.reduce((product, size) => product * size, 1) === values.length,
      `tensor ${name} has ${values.length} values, its shape is [${shape.join(', ')}]`,
    );
    const bytes = tensor.type === 'U8' ? tensor.values : encodeFloats(tensor.values, tensor.type);
    header[name] = { dtype: type, shape, data_offsets: [dataBytes, dataBytes + bytes.length] };
    data.push(bytes);
    dataBytes += bytes.length;
  }
  return { header, data, dataBytes };
}
