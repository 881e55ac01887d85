/**
 * How a shader reads a binding that has formats (kernels/formats.ts). Its body declares the binding as f32 and calls the
 * functions below; what they do depends on the format, and on how many parts the tensor is bound in, since a GPU limits the
 * size of one binding. For a binding `w`:
 *
 * - `w_at(i)`: elements 4i to 4i + 3. `w_one(i)`: element i.
 * - `w_block_at(i)`, `w_part(block, v)`: what one wide load fetches, and its v-th four elements of `W_VECS`.
 * - `w_put(i, value)`: writes elements 4i to 4i + 3, where the binding is written.
 */
import { valueBytes, type StorageType } from '../../../kernels/formats.ts';
import type { Binding } from '../../../kernels/kernel.ts';

/** How one binding with formats comes in a dispatch. */
export interface Stored {
  readonly name: string;
  readonly type: StorageType;
  /** Bindings that hold it, one after the other. */
  readonly parts: number;
}

interface Layout {
  /** What one load fetches. */
  readonly raw: string;
  readonly rawBytes: number;
  /** Fours of elements in it. */
  readonly vecs: number;
  /** The v-th four elements of `block`. */
  readonly part: string;
  /** What `put` stores. */
  readonly encode?: string;
}

const F32: Layout = { raw: 'vec4f', rawBytes: 16, vecs: 1, part: 'block.values', encode: 'value' };
const F16: Layout = {
  raw: 'vec2u',
  rawBytes: 8,
  vecs: 1,
  part: 'vec4f(unpack2x16float(block.values.x), unpack2x16float(block.values.y))',
  encode: 'vec2u(pack2x16float(half.xy), pack2x16float(half.zw))',
};
const WIDE_F16: Layout = {
  raw: 'vec4u',
  rawBytes: 16,
  vecs: 2,
  part: 'vec4f(unpack2x16float(block.values[2u * v]), unpack2x16float(block.values[2u * v + 1u]))',
};
const Q8: Layout = {
  raw: 'vec4u',
  rawBytes: 16,
  vecs: 4,
  part: 'block.scale * vec4f((vec4i(bitcast<i32>(block.values[v])) << vec4u(24u, 16u, 8u, 0u)) >> vec4u(24u))',
};
const Q4: Layout = {
  raw: 'vec2u',
  rawBytes: 8,
  vecs: 4,
  part: 'block.scale * (vec4f((vec4u(block.values[v / 2u] >> (v % 2u * 16u)) >> vec4u(0u, 4u, 8u, 12u)) & vec4u(15u)) - 8.0)',
};

/** Weights come in all formats and are read by the wide load; what is f16 at most is read four by four. */
function layoutOf({ formats = [] }: Binding, type: StorageType): Layout {
  if (type === 'f16') return formats.includes('q8') ? WIDE_F16 : F16;
  if (type === 'q8') return Q8;
  return type === 'q4' ? Q4 : F32;
}

export function hasScales(type: StorageType): boolean {
  return type === 'q8' || type === 'q4';
}

/** The name of the override constant that says where the scales of a binding begin, in words. */
export function scalesConstant(name: string): string {
  return `${name}_scales`;
}

/** Where the scales of a tensor of `count` elements begin, in 32-bit words. */
export function scalesAt(type: StorageType, count: number): number {
  return valueBytes(type, count) / 4;
}

/** The declaration in a shader's body that stands for all forms of a binding. */
export function storedDeclaration(name: string): RegExp {
  return new RegExp(
    String.raw`^@group\(0\) @binding\((\d+)\) var<storage, (read|read_write)> ${name}: array<vec4f>;$`,
    'm',
  );
}

/**
 * The text that replaces the declaration of `binding` at `place`, on one line, and the functions to append. `more` are the
 * places of its parts beyond the first; each part but the last has `partBytes`.
 */
export function declareStored(
  binding: Binding,
  { type, parts }: Stored,
  place: number,
  more: readonly number[],
  partBytes: number,
): { readonly declaration: string; readonly functions: string } {
  const { name, access } = binding;
  const { raw, rawBytes, vecs, part, encode } = layoutOf(binding, type);
  const mode = access === 'read' ? 'read' : 'read_write';
  const names = Array.from({ length: parts }, (_, i) => (i === 0 ? name : `${name}_${i}`));
  const declaration = names
    .map(
      (own, i) =>
        `@group(0) @binding(${i === 0 ? place : more[i - 1]!}) var<storage, ${mode}> ${own}: array<${raw}>;`,
    )
    .join(' ');
  const each = partBytes / rawBytes;
  /** One statement a part, each with the index that an element has in it. */
  const byPart = (statement: (part: string, index: string) => string): string =>
    names
      .map((own, i) => {
        const inside = statement(own, i === 0 ? 'i' : `i - ${i * each}u`);
        return i === parts - 1 ? inside : `if (i < ${(i + 1) * each}u) { ${inside} }`;
      })
      .join(' ');
  const words = rawBytes / 4;
  const scale = hasScales(type)
    ? [
        `override ${scalesConstant(name)}: u32;`,
        `fn ${name}_scale(block: u32) -> f32 { let at = ${scalesConstant(name)} + block / 2u;`,
        `  return unpack2x16float(${name}_raw(at / ${words}u)[at % ${words}u])[block % 2u]; }`,
      ]
    : [];
  // A wide load of a quantised format is half a block.
  const fetched = hasScales(type) ? `${name}_raw(i), ${name}_scale(i / 2u)` : `${name}_raw(i)`;
  const put =
    access === 'read' || encode === undefined
      ? []
      : [
          `fn ${name}_put(i: u32, value: vec4f) {`,
          ...(type === 'f16' ? ['  let half = clamp(value, vec4f(-65504.0), vec4f(65504.0));'] : []),
          `  ${byPart((own, index) => `${own}[${index}] = ${encode};${parts > 1 ? ' return;' : ''}`)} }`,
        ];
  const functions = [
    `const ${name.toUpperCase()}_VECS = ${vecs}u;`,
    `struct ${name}_block { values: ${raw},${hasScales(type) ? ' scale: f32' : ''} }`,
    `fn ${name}_raw(i: u32) -> ${raw} { ${byPart((own, index) => `return ${own}[${index}];`)} }`,
    ...scale,
    `fn ${name}_block_at(i: u32) -> ${name}_block { return ${name}_block(${fetched}); }`,
    `fn ${name}_part(block: ${name}_block, v: u32) -> vec4f { return ${part}; }`,
    `fn ${name}_at(i: u32) -> vec4f { return ${name}_part(${name}_block_at(i / ${vecs}u), i % ${vecs}u); }`,
    `fn ${name}_one(i: u32) -> f32 { return ${name}_at(i / 4u)[i % 4u]; }`,
    ...put,
  ];
  return { declaration, functions: functions.join('\n') };
}
