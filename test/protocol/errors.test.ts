import { describe, expect, it } from 'vitest';
import { CallerError, InternalError } from '../../src/base/errors.ts';
import { parseErrorBody, toErrorBody } from '../../src/protocol/errors.ts';

describe('toErrorBody', () => {
  it.each([
    ['invalid_request', 400],
    ['a_code_that_nobody_listed', 400],
    ['invalid_api_key', 401],
    ['model_not_found', 404],
    ['shard_not_resident', 409],
    ['body_too_large', 413],
    ['host_full', 429],
    ['overloaded', 503],
    ['shutting_down', 503],
  ])('%s is HTTP %i', (code, status) => {
    const wire = toErrorBody(new CallerError(code, 'Do this.', { param: 'p' }));
    expect(wire.status).toBe(status);
    expect(wire.body.error).toMatchObject({ message: 'Do this.', param: 'p', code });
    expect('retry-after' in wire.headers).toBe(status === 429 || status === 503);
  });

  it.each(['device_lost', 'engine_stopped'])('%s asks for patience, since a host comes back', (code) => {
    const wire = toErrorBody(new InternalError(code, 'm'));
    expect(wire).toMatchObject({ status: 503, headers: { 'retry-after': '5' }, body: { error: { code } } });
  });

  it('rounds Retry-After up to whole seconds', () => {
    const wire = toErrorBody(new CallerError('host_full', 'm'), { retryAfterSeconds: 1.2 });
    expect(wire.headers['retry-after']).toBe('2');
  });

  it.each([new InternalError('model_failed', 'at 0xdeadbeef'), new Error('at 0xdeadbeef'), 'at 0xdeadbeef'])(
    'hides the message of %s behind code and request id',
    (error) => {
      const wire = toErrorBody(error, { requestId: 'r-1' });
      expect(wire.status).toBe(500);
      expect(JSON.stringify(wire)).not.toContain('deadbeef');
      expect(wire.body.error.message).toContain('r-1');
    },
  );

  it('is read back by parseErrorBody', () => {
    const { body } = toErrorBody(new CallerError('model_not_found', 'm', { param: 'model' }));
    expect(parseErrorBody(JSON.parse(JSON.stringify(body)))).toEqual(body.error);
  });
});

describe('parseErrorBody', () => {
  it('reads sparse bodies of other servers and rejects what is none', () => {
    expect(parseErrorBody({ error: { message: 'm', code: 400 } })).toEqual({
      message: 'm',
      type: 'server_error',
      param: null,
      code: '400',
    });
    expect(parseErrorBody({ detail: 'm' })).toBeUndefined();
    expect(parseErrorBody(null)).toBeUndefined();
  });
});
