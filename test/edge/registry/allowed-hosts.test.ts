import { expect, it } from 'vitest';
import { isAllowedHost } from '../../../src/edge/registry/allowed-hosts.ts';

const LIST = 'http://127.0.0.1:*, https://*.gpu.example.org, https://one.example.org:8443';

it.each([
  ['http://127.0.0.1:8788', true],
  ['http://127.0.0.1', true],
  ['http://127.0.0.1:8788/', true],
  ['https://127.0.0.1:8788', false],
  ['http://127.0.0.2:8788', false],
  ['http://127.0.0.1.evil.org:80', false],
  ['http://127.0.0.1@evil.org', false],
  ['http://127.0.0.1:8788/v1', false],
  ['http://127.0.0.1:8788?x', false],
  ['https://a.gpu.example.org', true],
  ['https://a.b.gpu.example.org', true],
  ['https://a.gpu.example.org:444', false],
  ['https://gpu.example.org', false],
  ['https://evilgpu.example.org', false],
  ['https://one.example.org:8443', true],
  ['https://one.example.org', false],
  ['file:///etc/passwd', false],
  ['nonsense', false],
])('%s: %s', (url, isAllowed) => {
  expect(isAllowedHost(url, LIST)).toBe(isAllowed);
});

it('an empty list allows nothing', () => {
  expect(isAllowedHost('http://127.0.0.1:8788', '')).toBe(false);
});
