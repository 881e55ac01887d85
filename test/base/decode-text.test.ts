import { describe, expect, it } from 'vitest';
import { decodeText } from '../../src/base/decode-text.ts';

const TEXT = '一，二。three\n';
const GB18030 = Buffer.from('d2bba3acb6fea1a374687265650a', 'hex');

describe('decoding', () => {
  it.each([
    ['UTF-8', Buffer.from(TEXT), 'utf-8'],
    ['UTF-8 with a mark', Buffer.from(`\ufeff${TEXT}`), 'utf-8'],
    ['UTF-16, little end first', Buffer.from(`\ufeff${TEXT}`, 'utf16le'), 'utf-16le'],
    ['UTF-16, big end first', Buffer.from(`\ufeff${TEXT}`, 'utf16le').swap16(), 'utf-16be'],
    ['GB18030', GB18030, 'gb18030'],
    ['ASCII', Buffer.from('abc'), 'utf-8'],
    ['nothing', Buffer.alloc(0), 'utf-8'],
  ])('finds out what %s is', (name, bytes, encoding) => {
    const decoded = decodeText(bytes);
    expect(decoded).toMatchObject({ encoding, damaged: false });
    if (!['ASCII', 'nothing'].includes(name)) expect(decoded.text).toBe(TEXT);
  });

  it('takes UTF-8 with a broken byte for UTF-8, and says so', () => {
    const decoded = decodeText(
      Buffer.concat([Buffer.from(TEXT), Buffer.from([0xe4, 0xb8]), Buffer.from(TEXT)]),
    );
    expect(decoded).toMatchObject({ encoding: 'utf-8', damaged: true, text: `${TEXT}\ufffd${TEXT}` });
  });
});
