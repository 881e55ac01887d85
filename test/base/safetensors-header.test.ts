import { describe, expect, test } from 'vitest';
import { headerOfBytes } from '../../src/base/safetensors-header.ts';
import { entry, rawSafetensors, safetensorsAttacks } from '../support/safetensors-attacks.ts';

describe('headerOfBytes', () => {
  test('finds tensors, metadata and the start of the bytes', () => {
    const file = rawSafetensors(
      {
        __metadata__: { format: 'pt' },
        b: entry(4, 8, [2], 'F16'),
        a: entry(0, 4),
        none: entry(4, 4, [0, 7]),
      },
      8,
    );
    const header = headerOfBytes(file);
    expect(header.metadata).toEqual({ format: 'pt' });
    expect(header.dataOffset).toBe(file.length - 8);
    expect(header.dataBytes).toBe(8);
    expect(header.tensors.get('b')).toEqual({ name: 'b', type: 'F16', shape: [2], begin: 4, end: 8 });
    expect([...header.tensors.keys()].sort()).toEqual(['a', 'b', 'none']);
  });

  test('takes padding behind the JSON, scalars, and names that need escapes', () => {
    const file = rawSafetensors(
      `{"a\\"{b":${JSON.stringify(entry(0, 4, []))},"__proto__":${JSON.stringify(entry(4, 8))}}   `,
      8,
    );
    expect([...headerOfBytes(file).tensors.keys()]).toEqual(['a"{b', '__proto__']);
  });

  test.each(safetensorsAttacks)('refuses %s', (_title, file, code) => {
    expect(() => headerOfBytes(file)).toThrow(expect.objectContaining({ name: 'CallerError', code }));
  });

  test('refuses a header above a smaller limit', () => {
    const file = rawSafetensors({ a: entry(0, 4) }, 4);
    expect(() => headerOfBytes(file, 16)).toThrow(
      expect.objectContaining({ code: 'safetensors_header_too_large' }),
    );
  });

  test('reads a header of one 16 MiB string without running out of stack', () => {
    const file = rawSafetensors({ __metadata__: { x: 'a"'.repeat(4_000_000) } });
    expect(headerOfBytes(file).metadata['x']).toHaveLength(8_000_000);
  });
});
