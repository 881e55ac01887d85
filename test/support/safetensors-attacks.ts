/** Builds safetensors files by hand, so that tests can malform every part of them. */

/** A file from header JSON (an object, or raw text) and tensor bytes. */
export function rawSafetensors(header: object | string, data: Uint8Array | number = 0): Uint8Array {
  const json = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const tensorBytes = typeof data === 'number' ? new Uint8Array(data) : data;
  const file = new Uint8Array(8 + json.length + tensorBytes.length);
  new DataView(file.buffer).setBigUint64(0, BigInt(json.length), true);
  file.set(json, 8);
  file.set(tensorBytes, 8 + json.length);
  return file;
}

export function entry(
  begin: number,
  end: number,
  shape: unknown = [(end - begin) / 4],
  dtype: unknown = 'F32',
) {
  return { dtype, shape, data_offsets: [begin, end] };
}

function withLength(length: bigint): Uint8Array {
  const file = new Uint8Array(64);
  new DataView(file.buffer).setBigUint64(0, length, true);
  return file;
}

/** [title, file, error code]: one row for each way a header can be malformed. */
export const safetensorsAttacks: readonly [string, Uint8Array, string][] = [
  ['an empty file', new Uint8Array(0), 'safetensors_truncated'],
  ['seven bytes', new Uint8Array(7), 'safetensors_truncated'],
  ['a header longer than the file', withLength(57n), 'safetensors_truncated'],
  ['a header length of 2^63', withLength(2n ** 63n), 'safetensors_header_too_large'],
  [
    'a header length just above the limit',
    withLength(16n * 1024n ** 2n + 1n),
    'safetensors_header_too_large',
  ],
  ['an empty header', withLength(0n), 'safetensors_header_not_json'],
  ['a header that is no JSON', rawSafetensors('{"a":'), 'safetensors_header_not_json'],
  ['a header that is an array', rawSafetensors('[]'), 'safetensors_header_not_json'],
  ['a header that is no UTF-8', rawSafetensors({}, 0).fill(0xff, 8), 'safetensors_header_not_json'],
  [
    'a tensor named twice',
    rawSafetensors(`{"a":${JSON.stringify(entry(0, 4))},"a":${JSON.stringify(entry(0, 4))}}`, 4),
    'safetensors_duplicate',
  ],
  [
    'a tensor named twice, once with an escape',
    rawSafetensors(`{"a":${JSON.stringify(entry(0, 4))},"\\u0061":${JSON.stringify(entry(0, 4))}}`, 4),
    'safetensors_duplicate',
  ],
  [
    'a dtype given twice',
    rawSafetensors('{"a":{"dtype":"F32","dtype":"F16","shape":[0],"data_offsets":[0,0]}}'),
    'safetensors_duplicate',
  ],
  ['deep nesting', rawSafetensors(`{"a":${'['.repeat(1e5)}${']'.repeat(1e5)}}`), 'safetensors_bad_entry'],
  ['an entry that is no object', rawSafetensors({ a: 1 }), 'safetensors_bad_entry'],
  ['an overlong name', rawSafetensors({ ['x'.repeat(513)]: entry(0, 4) }, 4), 'safetensors_bad_entry'],
  ['an unknown dtype', rawSafetensors({ a: entry(0, 4, [1], 'Q4') }, 4), 'safetensors_bad_dtype'],
  [
    'a dtype from the prototype',
    rawSafetensors({ a: entry(0, 4, [1], 'toString') }, 4),
    'safetensors_bad_dtype',
  ],
  ['a negative dimension', rawSafetensors({ a: entry(0, 4, [-1, -1]) }, 4), 'safetensors_bad_shape'],
  ['a fractional dimension', rawSafetensors({ a: entry(0, 4, [0.5, 2]) }, 4), 'safetensors_bad_shape'],
  [
    'too many dimensions',
    rawSafetensors({ a: entry(0, 4, [1, 1, 1, 1, 1, 1, 1, 1, 1]) }, 4),
    'safetensors_bad_shape',
  ],
  [
    'offsets that are no pair',
    rawSafetensors({ a: { ...entry(0, 4), data_offsets: [0] } }, 4),
    'safetensors_bad_offsets',
  ],
  ['negative offsets', rawSafetensors({ a: entry(-4, 0, [1]) }, 4), 'safetensors_bad_offsets'],
  ['offsets beyond 2^53', rawSafetensors({ a: entry(0, 2 ** 60, [2 ** 58]) }, 4), 'safetensors_bad_shape'],
  [
    'offsets that do not fit the shape',
    rawSafetensors({ a: entry(0, 8, [1]) }, 8),
    'safetensors_size_mismatch',
  ],
  [
    'a shape whose product overflows',
    rawSafetensors({ a: entry(0, 4, [2 ** 40, 2 ** 40]) }, 4),
    'safetensors_size_mismatch',
  ],
  ['a tensor beyond the end', rawSafetensors({ a: entry(0, 8) }, 4), 'safetensors_out_of_range'],
  ['overlapping tensors', rawSafetensors({ a: entry(0, 8), b: entry(4, 12) }, 12), 'safetensors_overlap'],
  [
    'two tensors over the same bytes',
    rawSafetensors({ a: entry(0, 4), b: entry(0, 4) }, 4),
    'safetensors_overlap',
  ],
  ['a hole', rawSafetensors({ a: entry(0, 4), b: entry(8, 12) }, 12), 'safetensors_hole'],
  ['bytes behind the last tensor', rawSafetensors({ a: entry(0, 4) }, 8), 'safetensors_trailing_bytes'],
  ['metadata that is no object', rawSafetensors({ __metadata__: 'x' }), 'safetensors_bad_metadata'],
  ['metadata that is no string', rawSafetensors({ __metadata__: { x: 1 } }), 'safetensors_bad_metadata'],
];
