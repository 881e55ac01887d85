import { describe, expect, test } from 'vitest';
import { bytesSource } from '../../src/model/byte-source.ts';
import { openSafetensors, writeSafetensors } from '../../src/model/safetensors.ts';
import { entry, rawSafetensors, safetensorsAttacks } from '../support/safetensors-attacks.ts';

const values = new Float32Array([1, -2.5, 0, 65504, 2 ** -14, 3]);

describe('openSafetensors', () => {
  test.each(['F32', 'F16', 'BF16'] as const)('reads back %s tensors and metadata', async (type) => {
    const exact = type === 'BF16' ? values.map((value) => (value === 65504 ? 65536 : value)) : values;
    const file = writeSafetensors(
      [
        { name: 'b', type, shape: [3, 2], values: exact },
        { name: 'a', type: 'F32', shape: [1], values: new Float32Array([7]) },
        { name: 'empty', type, shape: [0, 4], values: new Float32Array(0) },
      ],
      { run: '12', author: 'x' },
    );
    const opened = await openSafetensors(bytesSource(file));
    expect(opened.header.metadata).toEqual({ run: '12', author: 'x' });
    expect(opened.header.tensors.get('b')).toMatchObject({ type, shape: [3, 2] });
    expect(await opened.tensor('b')).toEqual(exact);
    expect(await opened.tensor('a')).toEqual(new Float32Array([7]));
    expect(await opened.tensor('empty')).toEqual(new Float32Array(0));
  });

  test('writes equal bytes whatever the order of tensors and metadata', () => {
    const a = { name: 'a', type: 'F16', shape: [6], values } as const;
    const b = { name: 'b', type: 'F32', shape: [2, 3], values } as const;
    const file = writeSafetensors([a, b], { x: '1', y: '2' });
    expect(writeSafetensors([b, a], { y: '2', x: '1' })).toEqual(file);
    expect(file.length % 4).toBe(0);
  });

  test('reads tensors that lie at odd addresses', async () => {
    const data = new Uint8Array(9);
    data[0] = 5;
    new DataView(data.buffer).setFloat32(1, 1.5, true);
    new DataView(data.buffer).setFloat32(5, -8, true);
    const header = { flag: entry(0, 1, [1], 'U8'), odd: entry(1, 9) };
    const opened = await openSafetensors(bytesSource(rawSafetensors(header, data)));
    expect(await opened.tensor('odd')).toEqual(new Float32Array([1.5, -8]));
  });

  test('reads only the header until a tensor is asked for, and then only that tensor', async () => {
    const file = writeSafetensors(
      ['a', 'b', 'c'].map((name) => ({
        name,
        type: 'F32' as const,
        shape: [1000],
        values: new Float32Array(1000),
      })),
    );
    let bytesRead = 0;
    const whole = bytesSource(file);
    const counting = {
      size: file.length,
      read: (offset: number, length: number) => {
        bytesRead += length;
        return whole.read(offset, length);
      },
    };
    const opened = await openSafetensors(counting);
    expect(bytesRead).toBe(opened.header.dataOffset);
    await opened.tensor('b');
    expect(bytesRead).toBe(opened.header.dataOffset + 4000);
  });

  test.each(safetensorsAttacks)('refuses %s', async (_title, file, code) => {
    await expect(openSafetensors(bytesSource(file))).rejects.toMatchObject({ name: 'CallerError', code });
  });

  test('names a tensor that is not there, and a type that holds no floats', async () => {
    const opened = await openSafetensors(bytesSource(rawSafetensors({ ids: entry(0, 8, [1], 'I64') }, 8)));
    await expect(opened.tensor('x')).rejects.toMatchObject({ code: 'safetensors_missing_tensor' });
    await expect(opened.tensor('ids')).rejects.toMatchObject({ code: 'safetensors_unsupported_dtype' });
    expect(await opened.bytes('ids')).toEqual(new Uint8Array(8));
  });
});
