/**
 * Writes the router as an ONNX graph. Only the protobuf fields that it uses, by their numbers in onnx.proto3; the wire
 * format is protobufjs's minimal writer, which needs no code generation.
 */

import protobuf from 'protobufjs/minimal.js';

export type TensorType = 'float' | 'uint8' | 'int8' | 'int32' | 'int64';
const TYPE_CODES: Record<TensorType, number> = { float: 1, uint8: 2, int8: 3, int32: 6, int64: 7 };

export interface OnnxTensor {
  readonly name: string;
  readonly type: TensorType;
  readonly dims: readonly number[];
  /** Little-endian, as on every platform that runs this. */
  readonly bytes: Uint8Array;
}

export interface OnnxNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly output: string;
  /** Integer and integer-list attributes. */
  readonly attributes?: Readonly<Record<string, number | readonly number[]>>;
}

export interface OnnxValue {
  readonly name: string;
  readonly type: TensorType;
  /** A string is a symbolic dimension. */
  readonly dims: readonly (number | string)[];
}

export interface OnnxGraph {
  readonly name: string;
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  readonly initializers: readonly OnnxTensor[];
  readonly nodes: readonly OnnxNode[];
  readonly metadata: Readonly<Record<string, string>>;
}

const IR_VERSION = 8;
const OPSET = 17;
const ATTRIBUTE_INT = 2;
const ATTRIBUTE_INTS = 7;

type Write = (writer: protobuf.Writer) => void;

const VARINT = 0;
const LENGTH_DELIMITED = 2;
const tag = (field: number, wireType: number): number => field * 8 + wireType;

function integer(writer: protobuf.Writer, field: number, value: number): void {
  writer.uint32(tag(field, VARINT)).int64(value);
}

function text(writer: protobuf.Writer, field: number, value: string): void {
  writer.uint32(tag(field, LENGTH_DELIMITED)).string(value);
}

function message(writer: protobuf.Writer, field: number, write: Write): void {
  writer.uint32(tag(field, LENGTH_DELIMITED)).fork();
  write(writer);
  writer.ldelim();
}

export function writeOnnx(graph: OnnxGraph): Uint8Array {
  const writer = protobuf.Writer.create();
  integer(writer, 1, IR_VERSION);
  text(writer, 2, 'sparsedoctor');
  message(writer, 7, (inner) => writeGraph(inner, graph));
  message(writer, 8, (inner) => integer(inner, 2, OPSET));
  for (const [key, value] of Object.entries(graph.metadata)) {
    message(writer, 14, (inner) => {
      text(inner, 1, key);
      text(inner, 2, value);
    });
  }
  return Uint8Array.from(writer.finish());
}

function writeGraph(writer: protobuf.Writer, graph: OnnxGraph): void {
  for (const node of graph.nodes) message(writer, 1, (inner) => writeNode(inner, node));
  text(writer, 2, graph.name);
  for (const tensor of graph.initializers) message(writer, 5, (inner) => writeTensor(inner, tensor));
  for (const value of graph.inputs) message(writer, 11, (inner) => writeValue(inner, value));
  for (const value of graph.outputs) message(writer, 12, (inner) => writeValue(inner, value));
}

function writeNode(writer: protobuf.Writer, node: OnnxNode): void {
  for (const input of node.inputs) text(writer, 1, input);
  text(writer, 2, node.output);
  text(writer, 3, node.output);
  text(writer, 4, node.op);
  for (const [name, value] of Object.entries(node.attributes ?? {})) {
    message(writer, 5, (inner) => {
      text(inner, 1, name);
      if (typeof value === 'number') integer(inner, 3, value);
      else for (const item of value) integer(inner, 8, item);
      integer(inner, 20, typeof value === 'number' ? ATTRIBUTE_INT : ATTRIBUTE_INTS);
    });
  }
}

function writeTensor(writer: protobuf.Writer, tensor: OnnxTensor): void {
  for (const dim of tensor.dims) integer(writer, 1, dim);
  integer(writer, 2, TYPE_CODES[tensor.type]);
  text(writer, 8, tensor.name);
  writer.uint32(tag(9, LENGTH_DELIMITED)).bytes(tensor.bytes);
}

function writeValue(writer: protobuf.Writer, value: OnnxValue): void {
  text(writer, 1, value.name);
  message(writer, 2, (type) =>
    message(type, 1, (tensor) => {
      integer(tensor, 1, TYPE_CODES[value.type]);
      message(tensor, 2, (shape) => {
        for (const dim of value.dims) {
          message(shape, 1, (inner) =>
            typeof dim === 'number' ? integer(inner, 1, dim) : text(inner, 2, dim),
          );
        }
      });
    }),
  );
}
