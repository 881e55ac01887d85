import { describe, expect, it } from 'vitest';
import { Admission } from '../../src/backend/admission.ts';

const present = new AbortController().signal;

describe('Admission', () => {
  it('counts visits and their leases until they end, however often that is said', () => {
    const admission = new Admission();
    const first = admission.begin(present, 'a');
    admission.begin(present, undefined);
    expect([admission.active, admission.leaseIds]).toEqual([2, ['a']]);
    first.end();
    first.end();
    expect([admission.active, admission.leaseIds]).toEqual([1, []]);
  });

  it('aborts a visit when its client leaves, and no other', () => {
    const admission = new Admission();
    const client = new AbortController();
    const visits = [admission.begin(client.signal, 'a'), admission.begin(present, 'b')];
    const streamed = admission.begin(present, 'c');
    client.abort();
    streamed.leave();
    expect([...visits, streamed].map((visit) => visit.signal.aborted)).toEqual([true, false, true]);
  });

  it('drains at once when nobody is there, and lets nobody in', async () => {
    const admission = new Admission();
    await admission.drain(60_000);
    expect(() => admission.begin(present, 'a')).toThrow(expect.objectContaining({ code: 'shutting_down' }));
  });

  it('does not wait for ever for a visit that ends not even when cancelled', async () => {
    const admission = new Admission();
    const stuck = admission.begin(present, 'a');
    await admission.drain(5);
    expect(stuck.signal.aborted).toBe(true);
    expect(admission.active).toBe(1);
  });
});
