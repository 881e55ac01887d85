/**
 * Reads initializers and metadata of an ONNX file: enough for a forward pass whose graph is known. Field numbers are
 * those of onnx.proto3; the wire format is protobufjs's minimal reader, which needs no code generation (workerd has no
 * `eval`).
 */

import protobuf from 'protobufjs/minimal.js';
import { InternalError } from '../errors.ts';

export interface OnnxContents {
  /** Raw bytes of the initializers by name: views of the file. */
  readonly tensors: ReadonlyMap<string, Uint8Array>;
  readonly metadata: ReadonlyMap<string, string>;
}

/** Calls `visit` for each field of one message; what it does not read is skipped. */
type Visit = (field: number, reader: protobuf.Reader) => boolean;

export function readOnnx(bytes: Uint8Array): OnnxContents {
  const tensors = new Map<string, Uint8Array>();
  const metadata = new Map<string, string>();
  try {
    readMessage(protobuf.Reader.create(bytes), bytes.length, (field, reader) => {
      if (field === 7) return nested(reader, (inner, graph) => readInitializer(inner, graph, tensors));
      if (field === 14) return readEntry(reader, metadata);
      return false;
    });
  } catch (error) {
    throw new InternalError('bad_router_model', 'The router model is not a readable ONNX file.', {
      cause: error,
    });
  }
  return { tensors, metadata };
}

function readInitializer(field: number, reader: protobuf.Reader, tensors: Map<string, Uint8Array>): boolean {
  if (field !== 5) return false;
  let name = '';
  let raw = new Uint8Array();
  nested(reader, (inner, tensor) => {
    if (inner === 8) name = tensor.string();
    else if (inner === 9) raw = Uint8Array.from(tensor.bytes());
    else return false;
    return true;
  });
  tensors.set(name, raw);
  return true;
}

function readEntry(reader: protobuf.Reader, entries: Map<string, string>): boolean {
  let key = '';
  let value = '';
  nested(reader, (field, entry) => {
    if (field === 1) key = entry.string();
    else if (field === 2) value = entry.string();
    else return false;
    return true;
  });
  entries.set(key, value);
  return true;
}

function nested(reader: protobuf.Reader, visit: Visit): true {
  const length = reader.uint32();
  readMessage(reader, reader.pos + length, visit);
  return true;
}

function readMessage(reader: protobuf.Reader, end: number, visit: Visit): void {
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (!visit(tag >>> 3, reader)) reader.skipType(tag & 7);
  }
}
