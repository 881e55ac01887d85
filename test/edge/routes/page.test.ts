/** The chat page comes from the same Worker; `npm run build:page` makes it. */
import { expect, it } from 'vitest';
import { call, expectError } from '../support/edge.ts';

it('GET / is the chat page, without a key', async () => {
  const response = await call('/', { key: null });
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toContain('text/html');
  expect(response.headers.get('x-content-type-options')).toBe('nosniff');
  expect(await response.text()).toContain('<html');
});

it('a page that is not there is an error in the shape of the API', async () => {
  await expectError(await call('/no-such-page', { key: null }), 404, 'not_found');
});
