/** The rules of admission, with a clock of our own. */
import { describe, expect, it } from 'vitest';
import { Admission, CLAIM_MS, type Lease } from '../../../src/edge/admission/admission.ts';
import type { AdmissionRequest, Grant, HostReport, Verdict } from '../../../src/edge/admission/types.ts';

const limits = { queueLength: 10, queuePerKey: 6, leaseTtlMs: 30_000, hostTtlMs: 10_000 };

/** Admission with a clock that only moves when told, and tickets named by the test. */
class Desk {
  now = 1_000_000;
  readonly admission: Admission;

  constructor(leases: readonly Lease[] = [], overrides: Partial<typeof limits> = {}) {
    this.admission = new Admission({ ...limits, ...overrides }, this.now, leases);
  }

  enqueue(ticket: string, request: Partial<AdmissionRequest> = {}): Verdict {
    const whole = {
      key: 'a',
      priority: 'normal',
      waitMs: 60_000,
      specialties: [],
      exclude: [],
      ...request,
    } as const;
    return this.admission.enqueue(whole, ticket, this.now);
  }

  report(host: Partial<HostReport> = {}): void {
    const whole = { name: 'one', url: 'http://one', capacity: 1, running: 0, waiting: 0, resident: [] };
    this.admission.report({ ...whole, leaseIds: [], draining: false, ...host }, this.now);
  }

  active(versions: Record<string, string>, revision = 1): void {
    this.admission.setActive({ revision, versions }, this.now);
  }

  claim(ticket: string): Verdict {
    return this.admission.claim(ticket, this.now);
  }

  release(grant: Grant): void {
    this.admission.release(grant.lease, this.now);
  }

  /** Asks for `tickets` until all have run, one after the other on one slot. Returns the order of service. */
  serveAll(tickets: readonly string[], running: Grant): string[] {
    const order: string[] = [];
    let grant: Grant | null = running;
    while (grant) {
      this.release(grant);
      grant = null;
      for (const ticket of tickets) {
        const verdict = this.claim(ticket);
        if (verdict.kind !== 'granted') continue;
        order.push(ticket);
        grant = verdict.grant;
      }
    }
    return order;
  }
}

function granted(verdict: Verdict): Grant {
  if (verdict.kind !== 'granted') throw new Error(`expected a grant, got ${JSON.stringify(verdict)}`);
  return verdict.grant;
}

describe('slots', () => {
  it('are granted up to the capacity, then requests wait, and a release serves the next', () => {
    const desk = new Desk();
    desk.report({ capacity: 2 });
    const first = granted(desk.enqueue('1'));
    granted(desk.enqueue('2'));
    expect(desk.enqueue('3')).toEqual({ kind: 'queued', ticket: '3', position: 1 });
    desk.release(first);
    expect(granted(desk.claim('3')).host).toBe('one');
  });

  it('are given back once, however often they are released', () => {
    const desk = new Desk();
    desk.report({ capacity: 1 });
    const first = granted(desk.enqueue('1'));
    desk.release(first);
    desk.release(first);
    granted(desk.enqueue('2'));
    expect(desk.enqueue('3').kind).toBe('queued');
  });

  it('come back when a lease runs out, unless it is renewed', () => {
    const desk = new Desk();
    desk.report({ capacity: 1 });
    const { lease } = granted(desk.enqueue('1'));
    desk.enqueue('2');
    desk.now += 20_000;
    desk.report({ capacity: 1 });
    expect(desk.admission.renew(lease, desk.now)).toBe(true);
    desk.now += 20_000;
    desk.report({ capacity: 1 });
    desk.enqueue('3');
    desk.admission.sweep(desk.now);
    expect(desk.claim('3').kind).toBe('queued');
    desk.now += 4_000;
    desk.claim('3');
    desk.now += 4_000;
    desk.claim('3');
    desk.now += 2_001;
    desk.report({ capacity: 1 });
    desk.admission.sweep(desk.now);
    expect(desk.claim('3').kind).toBe('granted');
    expect(desk.admission.renew(lease, desk.now)).toBe(false);
  });

  it('go to the least loaded host, in turn between equals', () => {
    const desk = new Desk();
    desk.report({ name: 'small', capacity: 1 });
    desk.report({ name: 'large', capacity: 3 });
    const hosts = ['1', '2', '3', '4'].map((ticket) => {
      desk.now += 1;
      return granted(desk.enqueue(ticket)).host;
    });
    expect(hosts.filter((host) => host === 'large')).toHaveLength(3);
    expect(new Set(hosts.slice(0, 2))).toEqual(new Set(['small', 'large']));
  });

  it('are not granted on a host that drains, cools down, or fell silent', () => {
    const desk = new Desk();
    desk.report({ draining: true });
    expect(desk.enqueue('1').kind).toBe('queued');
    desk.report({ draining: false });
    const grant = granted(desk.claim('1'));
    desk.admission.hostFailed('one', desk.now);
    desk.release(grant);
    expect(desk.enqueue('2').kind).toBe('queued');
    desk.now += 5_000;
    desk.report();
    granted(desk.claim('2'));
    desk.now += limits.hostTtlMs + 1;
    expect(desk.enqueue('3')).toMatchObject({ kind: 'refused', reason: 'no_hosts' });
  });

  it('taken by others, by the host’s own report, are not sold', () => {
    const desk = new Desk();
    desk.report({ capacity: 3, running: 2, leaseIds: ['stranger', 'other'] });
    granted(desk.enqueue('1'));
    expect(desk.enqueue('2').kind).toBe('queued');
    desk.report({ capacity: 3, running: 2, leaseIds: ['stranger'] });
    expect(desk.claim('2').kind).toBe('queued');
    desk.report({ capacity: 3, running: 1, leaseIds: [] });
    expect(desk.claim('2').kind).toBe('granted');
  });

  it('are free as soon as they are released, though the last report still lists the lease', () => {
    const desk = new Desk();
    desk.report({ capacity: 1 });
    const first = granted(desk.enqueue('1'));
    desk.report({ capacity: 1, running: 1, leaseIds: [first.lease] });
    desk.release(first);
    const second = granted(desk.enqueue('2'));
    expect(second.lease).not.toBe(first.lease);
  });
});

describe('after a restart', () => {
  it('nothing is granted before a host reports, and then only what its report leaves free', () => {
    const desk = new Desk();
    expect(desk.enqueue('1').kind).toBe('queued');
    expect(desk.enqueue('2').kind).toBe('queued');
    desk.report({ capacity: 2, running: 1, leaseIds: ['from-before'] });
    expect(desk.claim('1').kind).toBe('granted');
    expect(desk.claim('2').kind).toBe('queued');
  });

  it('leases that were stored count until they are released or run out', () => {
    const stored = { id: 'old', host: 'one', grantedAt: 0, expiresAt: 1_030_000 };
    const desk = new Desk([stored]);
    desk.report({ capacity: 1 });
    expect(desk.enqueue('1').kind).toBe('queued');
    desk.admission.release('old', desk.now);
    expect(desk.claim('1').kind).toBe('granted');
  });

  it('a ticket from before is lost, so that its owner enters again', () => {
    expect(new Desk().claim('from-before')).toEqual({ kind: 'lost' });
  });
});

describe('the queue', () => {
  it('serves keys in turn, so that one that floods it delays the others by one request at most', () => {
    const desk = new Desk();
    desk.report({ capacity: 1 });
    const running = granted(desk.enqueue('0', { key: 'flood' }));
    for (const ticket of ['f1', 'f2', 'f3', 'f4']) desk.enqueue(ticket, { key: 'flood' });
    desk.enqueue('x1', { key: 'x' });
    desk.enqueue('y1', { key: 'y' });
    desk.enqueue('x2', { key: 'x' });
    const all = ['f1', 'f2', 'f3', 'f4', 'x1', 'x2', 'y1'];
    expect(desk.serveAll(all, running)).toEqual(['f1', 'x1', 'y1', 'f2', 'x2', 'f3', 'f4']);
  });

  it('serves higher classes first, and lets one that waits long move up', () => {
    const desk = new Desk();
    desk.report({ capacity: 1 });
    const running = granted(desk.enqueue('0'));
    desk.enqueue('old-batch', { priority: 'batch' });
    for (let step = 0; step < 3; step++) {
      desk.now += 4_000;
      desk.claim('old-batch');
      desk.report({ capacity: 1, running: 1, leaseIds: [running.lease] });
    }
    desk.enqueue('normal', { key: 'b' });
    desk.enqueue('batch', { priority: 'batch' });
    desk.enqueue('high', { priority: 'high' });
    const order = desk.serveAll(['old-batch', 'normal', 'batch', 'high'], running);
    expect(order[0]).toBe('high');
    expect(order.at(-1)).toBe('batch');
  });

  it('is bounded in all and by key, and says when to come back', () => {
    const desk = new Desk();
    desk.report({ capacity: 1 });
    granted(desk.enqueue('0'));
    for (let i = 0; i < limits.queuePerKey; i++) expect(desk.enqueue(`a${i}`).kind).toBe('queued');
    expect(desk.enqueue('a-more')).toEqual({
      kind: 'refused',
      reason: 'key_queue_full',
      retryAfterSeconds: expect.toSatisfy((seconds) => seconds >= 1 && seconds <= 60),
    });
    for (let i = limits.queuePerKey; i < limits.queueLength; i++) {
      expect(desk.enqueue(`b${i}`, { key: 'b' }).kind).toBe('queued');
    }
    expect(desk.enqueue('c', { key: 'c' })).toMatchObject({ kind: 'refused', reason: 'queue_full' });
  });

  it('refuses what passes its deadline, while it waits and at the door', () => {
    const desk = new Desk();
    desk.report({ capacity: 1 });
    const running = granted(desk.enqueue('0'));
    desk.enqueue('1', { waitMs: 3_000 });
    desk.now += 3_000;
    desk.admission.sweep(desk.now);
    expect(desk.claim('1')).toMatchObject({ kind: 'refused', reason: 'deadline' });
    // Five requests of ten seconds each tell it how long one takes.
    let grant = running;
    for (let i = 0; i < 6; i++) {
      desk.now += 10_000;
      desk.report({ capacity: 1 });
      desk.admission.renew(grant.lease, desk.now);
      desk.admission.release(grant.lease, desk.now, true);
      grant = granted(desk.enqueue(`serial${i}`));
    }
    expect(desk.enqueue('hopeless', { waitMs: 1_000 })).toMatchObject({
      kind: 'refused',
      reason: 'too_slow',
    });
    expect(desk.enqueue('patient', { waitMs: 60_000 }).kind).toBe('queued');
  });

  it('forgets a ticket that nobody asks for, and takes back a grant that nobody fetches', () => {
    const desk = new Desk();
    desk.report({ capacity: 1 });
    const running = granted(desk.enqueue('0'));
    desk.enqueue('gone');
    desk.now += CLAIM_MS + 1;
    desk.report({ capacity: 1 });
    desk.admission.renew(running.lease, desk.now);
    desk.admission.sweep(desk.now);
    expect(desk.claim('gone').kind).toBe('lost');
    desk.enqueue('never-fetched');
    desk.enqueue('next', { key: 'b' });
    desk.release(running);
    desk.now += CLAIM_MS / 2;
    expect(desk.claim('next').kind).toBe('queued');
    desk.now += CLAIM_MS / 2;
    desk.admission.sweep(desk.now);
    expect(desk.claim('next').kind).toBe('granted');
    expect(desk.claim('never-fetched').kind).toBe('lost');
  });

  it('lets a client that leaves go, and gives a slot that it just got to the next', () => {
    const desk = new Desk();
    desk.report({ capacity: 1 });
    const running = granted(desk.enqueue('0'));
    desk.enqueue('1');
    desk.enqueue('2');
    desk.enqueue('3');
    desk.admission.cancel('1', desk.now);
    desk.release(running);
    desk.admission.cancel('2', desk.now);
    expect(desk.claim('3').kind).toBe('granted');
    expect(desk.admission.waiting).toBe(0);
  });
});

describe('shards', () => {
  const tcm = [{ specialty: 'tcm', prior: 1 }];

  it('are resolved to the active version when the slot is granted, not when the request arrives', () => {
    const desk = new Desk();
    desk.active({ tcm: '1' });
    desk.report({ capacity: 1, resident: ['tcm@1', 'tcm@2'] });
    const running = granted(desk.enqueue('0', { specialties: tcm }));
    expect(running.shards).toEqual([{ name: 'tcm', version: '1', prior: 1 }]);
    desk.enqueue('1', { specialties: tcm });
    desk.active({ tcm: '2' }, 2);
    desk.release(running);
    expect(granted(desk.claim('1')).shards).toEqual([{ name: 'tcm', version: '2', prior: 1 }]);
  });

  it('never go back to older news of the registry', () => {
    const desk = new Desk();
    desk.active({ tcm: '2' }, 2);
    desk.active({ tcm: '1' }, 1);
    desk.report({ resident: ['tcm@1', 'tcm@2'] });
    expect(granted(desk.enqueue('1', { specialties: tcm })).shards[0]?.version).toBe('2');
  });

  it('decide which hosts may answer, and a request that fits nowhere holds up no other', () => {
    const desk = new Desk();
    desk.active({ tcm: '1' });
    desk.report({ capacity: 2, resident: [] });
    expect(desk.enqueue('needs-tcm', { specialties: tcm }).kind).toBe('queued');
    granted(desk.enqueue('base-only'));
    desk.report({ name: 'two', url: 'http://two', resident: ['tcm@1'] });
    expect(granted(desk.claim('needs-tcm')).host).toBe('two');
  });

  it('without an active version are refused', () => {
    const desk = new Desk();
    desk.active({ obgyn: '1' });
    desk.report();
    expect(desk.enqueue('1', { specialties: tcm })).toMatchObject({ kind: 'refused', reason: 'not_active' });
  });
});

describe('a retry', () => {
  it('does not go to the host that failed, and is refused when no other is left', () => {
    const desk = new Desk();
    desk.report();
    desk.report({ name: 'two', url: 'http://two' });
    const exclude = [{ host: 'one', untilReport: null }];
    expect(granted(desk.enqueue('1', { exclude })).host).toBe('two');
    const both = [...exclude, { host: 'two', untilReport: null }];
    expect(desk.enqueue('2', { exclude: both })).toMatchObject({ kind: 'refused', reason: 'no_host_left' });
  });

  it('may go to a busy host again once that has reported anew', () => {
    const desk = new Desk();
    desk.report();
    const { report, lease } = granted(desk.enqueue('1'));
    desk.admission.release(lease, desk.now);
    const exclude = [{ host: 'one', untilReport: report }];
    expect(desk.enqueue('2', { exclude }).kind).toBe('queued');
    desk.report();
    expect(desk.claim('2').kind).toBe('granted');
  });
});
