/**
 * The header of a `.safetensors` file: eight bytes of little-endian length, then JSON that says where each tensor lies
 * (https://huggingface.co/docs/safetensors). It comes from outside, so it is bounded, and each way in which it can be
 * malformed has its own error code. No tensor is decoded here: the edge checks uploads with this file alone.
 */
import { CallerError } from './errors.ts';

// prettier-ignore
const ELEMENT_BYTES = {
  F64: 8, I64: 8, U64: 8, F32: 4, I32: 4, U32: 4, F16: 2, BF16: 2, I16: 2, U16: 2,
  I8: 1, U8: 1, BOOL: 1, F8_E4M3: 1, F8_E5M2: 1,
} as const;

export type SafetensorsType = keyof typeof ELEMENT_BYTES;

export interface TensorEntry {
  readonly name: string;
  readonly type: SafetensorsType;
  readonly shape: readonly number[];
  /** Byte range, counted from the start of the tensor bytes. */
  readonly begin: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  readonly metadata: Readonly<Record<string, string>>;
  /** Where the tensor bytes begin in the file. */
  readonly dataOffset: number;
  readonly dataBytes: number;
}

/** Bytes in front of the header's JSON. */
export const LENGTH_BYTES = 8;
/** A header of a thousand layers stays below this. */
export const MAX_HEADER_BYTES = 16 * 1024 * 1024;
const MAX_TENSORS = 100_000;
const MAX_DIMENSIONS = 8;
const MAX_NAME_LENGTH = 512;
const MAX_DEPTH = 4;

/** Length of the JSON, read from the first eight bytes and held against the file and the limit. */
export function readHeaderLength(
  prefix: Uint8Array,
  fileBytes: number,
  maxHeaderBytes = MAX_HEADER_BYTES,
): number {
  if (prefix.length < LENGTH_BYTES || fileBytes < LENGTH_BYTES) {
    throw fail('truncated', 'The file ends inside its first eight bytes; copy or upload it again.');
  }
  const length = new DataView(prefix.buffer, prefix.byteOffset, LENGTH_BYTES).getBigUint64(0, true);
  if (length > BigInt(maxHeaderBytes)) {
    throw fail(
      'header_too_large',
      `The header says it is ${length} bytes; at most ${maxHeaderBytes} are read.`,
    );
  }
  if (Number(length) + LENGTH_BYTES > fileBytes) {
    throw fail('truncated', 'The file ends inside its header; copy or upload it again.');
  }
  return Number(length);
}

/** Parses the JSON of a header. `fileBytes` is the size of the whole file. */
export function parseHeader(json: Uint8Array, fileBytes: number): SafetensorsHeader {
  const dataOffset = LENGTH_BYTES + json.length;
  const dataBytes = fileBytes - dataOffset;
  const { __metadata__: rawMetadata, ...rawTensors } = parseJson(json);
  const entries = Object.entries(rawTensors);
  if (entries.length > MAX_TENSORS) {
    throw fail(
      'too_many_tensors',
      `The header lists ${entries.length} tensors; at most ${MAX_TENSORS} are read.`,
    );
  }
  const tensors = entries.map(([name, raw]) => readEntry(name, raw));
  checkLayout(tensors, dataBytes);
  return {
    tensors: new Map(tensors.map((tensor) => [tensor.name, tensor])),
    metadata: readMetadata(rawMetadata),
    dataOffset,
    dataBytes,
  };
}

/** Header of a file whose bytes are all here. */
export function headerOfBytes(bytes: Uint8Array, maxHeaderBytes = MAX_HEADER_BYTES): SafetensorsHeader {
  const length = readHeaderLength(bytes.subarray(0, LENGTH_BYTES), bytes.length, maxHeaderBytes);
  return parseHeader(bytes.subarray(LENGTH_BYTES, LENGTH_BYTES + length), bytes.length);
}

export function elementBytes(type: SafetensorsType): number {
  return ELEMENT_BYTES[type];
}

function parseJson(json: Uint8Array): Record<string, unknown> {
  let text: string;
  let parsed: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(json);
    parsed = JSON.parse(text);
  } catch (cause) {
    throw fail('header_not_json', 'The header is not JSON in UTF-8; this is no safetensors file.', cause);
  }
  if (!isRecord(parsed)) throw fail('header_not_json', 'The header is not a JSON object.');
  const twice = findDuplicateKey(text);
  if (twice !== undefined) throw fail('duplicate', `The header names ${quote(twice)} twice.`);
  return parsed;
}

/**
 * JSON.parse keeps the last of two equal keys in silence, so two readers could see two files. `text` is valid JSON; a
 * header nests three objects deep at most, which bounds the memory taken here. No regular expression: on one long string
 * with many escapes it runs out of stack.
 */
function findDuplicateKey(text: string): string | undefined {
  const open: Set<string>[] = [];
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === '{' || character === '[') open.push(new Set());
    else if (character === '}' || character === ']') open.pop();
    if (open.length > MAX_DEPTH) throw fail('bad_entry', 'The header nests too deeply.');
    if (character !== '"') continue;
    const start = at++;
    while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
    let next = at + 1;
    while (' \t\r\n'.includes(text[next] ?? '.')) next++;
    if (text[next] !== ':') continue;
    const key = String(JSON.parse(text.slice(start, at + 1)));
    const keys = open.at(-1);
    if (keys?.has(key)) return key;
    keys?.add(key);
  }
  return undefined;
}

function readEntry(name: string, raw: unknown): TensorEntry {
  if (name.length > MAX_NAME_LENGTH) throw fail('bad_entry', 'The header holds an overlong tensor name.');
  if (!isRecord(raw)) throw fail('bad_entry', `The entry of tensor ${quote(name)} is not an object.`);
  const { dtype, shape, data_offsets: offsets } = raw;
  if (typeof dtype !== 'string' || !isType(dtype)) {
    throw fail('bad_dtype', `Tensor ${quote(name)} has an unknown dtype.`);
  }
  if (!Array.isArray(shape) || shape.length > MAX_DIMENSIONS || !shape.every(isCount)) {
    throw fail('bad_shape', `Tensor ${quote(name)} has no valid shape.`);
  }
  if (!Array.isArray(offsets) || !isPair(offsets)) {
    throw fail('bad_offsets', `Tensor ${quote(name)} has no valid data_offsets.`);
  }
  const [begin, end] = offsets;
  const bytes = shape.reduce((product, size) => product * size, ELEMENT_BYTES[dtype]);
  if (end - begin !== bytes) {
    throw fail(
      'size_mismatch',
      `Tensor ${quote(name)} needs ${bytes} bytes, its data_offsets hold ${end - begin}.`,
    );
  }
  return { name, type: dtype, shape, begin, end };
}

/** The format demands that the tensors cover the bytes behind the header without holes and without overlaps. */
function checkLayout(tensors: readonly TensorEntry[], dataBytes: number): void {
  let covered = 0;
  for (const tensor of tensors.toSorted((a, b) => a.begin - b.begin || a.end - b.end)) {
    const name = quote(tensor.name);
    if (tensor.end > dataBytes) {
      throw fail(
        'out_of_range',
        `Tensor ${name} ends behind the file's end; it was cut off or never complete.`,
      );
    }
    if (tensor.begin < covered) throw fail('overlap', `Tensor ${name} overlaps another one.`);
    if (tensor.begin > covered) throw fail('hole', `Bytes in front of tensor ${name} belong to no tensor.`);
    covered = tensor.end;
  }
  if (covered !== dataBytes) {
    throw fail('trailing_bytes', `${dataBytes - covered} bytes at the end of the file belong to no tensor.`);
  }
}

function readMetadata(raw: unknown): Record<string, string> {
  if (raw === undefined) return {};
  if (!isRecord(raw)) throw fail('bad_metadata', '__metadata__ is not an object.');
  const metadata: [string, string][] = [];
  for (const [key, value] of Object.entries(raw)) {
    if (typeof value !== 'string') throw fail('bad_metadata', `__metadata__ ${quote(key)} is not a string.`);
    metadata.push([key, value]);
  }
  return Object.fromEntries(metadata);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isPair(values: unknown[]): values is [number, number] {
  return values.length === 2 && values.every(isCount);
}

function isType(value: string): value is SafetensorsType {
  return Object.hasOwn(ELEMENT_BYTES, value);
}

function quote(name: string): string {
  return JSON.stringify(name.length > 120 ? `${name.slice(0, 120)}…` : name);
}

function fail(malformation: string, message: string, cause?: unknown): CallerError {
  return new CallerError(`safetensors_${malformation}`, message, { cause });
}
