import assert from 'node:assert/strict';
import {
  alertsBetween,
  conditionsOf,
  levelsOf,
  severityOf,
  type Condition,
  type MailboxHealth,
  type Observed,
  type RecurringTask,
} from '../../lib/index';

const NOW = Date.parse('2026-06-01T12:00:00Z');
const MINUTE = 60 * 1000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const GIB = 1024 ** 3;
const LIMITS = { stoppedMs: 30 * MINUTE, minFreeBytes: 2 * GIB };

const at = (ms: number): string => new Date(NOW + ms).toISOString();
const well: RecurringTask = { lastSucceeded: at(-MINUTE), lastFailed: null, failingSince: null, error: null };
const failing = (ms: number): RecurringTask => ({
  lastSucceeded: null,
  lastFailed: at(-MINUTE),
  failingSince: at(-ms),
  error: { code: 'MESH_CONNECTION', message: 'MESH cannot be reached.' },
});

function observed(health: Partial<MailboxHealth> = {}, rest: Partial<Observed> = {}): Observed {
  return {
    now: NOW,
    watchedSince: NOW - HOUR,
    health: {
      mailboxId: 'X26ABC1',
      url: 'https://localhost',
      handshake: well,
      poll: { ...well, next: at(MINUTE) },
      lastAnswer: at(-MINUTE),
      clockSkew: { ms: 200, uncertaintyMs: 500, at: at(-MINUTE) },
      certificate: { commonName: '', validFrom: at(-DAY), validTo: at(300 * DAY) },
      ...health,
    },
    freeBytes: 10 * GIB,
    oldestUnacknowledged: null,
    counts: { held: 0, unknown: 0, overdue: 0, parked: 0, unclaimed: 0 },
    ...rest,
  };
}

/** Kind, stage and severity. */
const told = (seen: Observed): string[] =>
  conditionsOf(seen, LIMITS).map(({ kind, stage, severity }) => `${kind} ${stage} ${severity}`);

describe('the judgement of a mailbox', () => {
  it('finds nothing the matter with one that is well, and with one of which nothing is known yet', () => {
    assert.deepEqual(told(observed()), []);
    const unseen = { lastSucceeded: null, lastFailed: null, failingSince: null, error: null };
    const nothing = { handshake: unseen, poll: { ...unseen, next: null }, clockSkew: null, certificate: null };
    assert.deepEqual(told(observed(nothing, { freeBytes: null })), []);
  });

  it('finds handshakes and polls stopped once they have failed for as long as the limit, not at the first failure', () => {
    const short = failing(29 * MINUTE);
    assert.deepEqual(told(observed({ handshake: short, poll: { ...short, next: at(MINUTE) } })), []);
    const long = failing(30 * MINUTE);
    const seen = observed({ handshake: long, poll: { ...long, next: at(MINUTE) } });
    assert.deepEqual(told(seen), ['handshake stopped critical', 'polling stopped critical']);
    const [first] = conditionsOf(seen, LIMITS);
    assert.match(first?.text ?? '', /stopped\. MESH cannot be reached\.$/);
    assert.equal(first?.time, at(-30 * MINUTE));
  });

  it('finds a poll stopped that is not made when it was due, and none where none is due', () => {
    assert.deepEqual(told(observed({ poll: { ...well, next: at(-29 * MINUTE) } })), []);
    assert.deepEqual(told(observed({ poll: { ...well, next: at(-31 * MINUTE) } })), ['polling stopped critical']);
    assert.deepEqual(told(observed({ poll: { ...well, lastSucceeded: at(-3 * DAY), next: null } })), []);
  });

  it('finds handshakes stopped 25 hours after the last one, whether or not another was tried', () => {
    const last = (ms: number): Observed => observed({ handshake: { ...well, lastSucceeded: at(-ms) } });
    assert.deepEqual(told(last(25 * HOUR)), []);
    assert.deepEqual(told(last(25 * HOUR + 1)), ['handshake stopped critical']);
    const never = { ...well, lastSucceeded: null };
    assert.deepEqual(told(observed({ handshake: never }, { watchedSince: NOW - 26 * HOUR })), [
      'handshake stopped critical',
    ]);
  });

  for (const [days, expected] of [
    [60.1, []],
    [60, ['certificate 60 warning']],
    [30.1, ['certificate 60 warning']],
    [30, ['certificate 30 warning']],
    [7.1, ['certificate 30 warning']],
    [7, ['certificate 7 critical']],
    [0.1, ['certificate 7 critical']],
    [0, ['certificate expired critical']],
    [-5, ['certificate expired critical']],
  ] as const) {
    it(`says of a certificate that ends in ${days} days: ${expected.join() || 'nothing'}`, () => {
      const certificate = { commonName: 'x', validFrom: at(-DAY), validTo: at(days * DAY) };
      assert.deepEqual(told(observed({ certificate })), expected);
    });
  }

  for (const [minutes, expected] of [
    [5, []],
    [-5, []],
    [6, ['clock drifts warning']],
    [-6, ['clock drifts warning']],
    [118, ['clock drifts warning']],
    [120, ['clock refused critical']],
    [-180, ['clock refused critical']],
  ] as const) {
    it(`says of a clock that is ${minutes} minutes off: ${expected.join() || 'nothing'}`, () => {
      const clockSkew = { ms: minutes * MINUTE, uncertaintyMs: 600, at: at(0) };
      assert.deepEqual(told(observed({ clockSkew })), expected);
    });
  }

  it('gives the levels of certificate and clock as it judges them', () => {
    const certificate = { commonName: 'x', validFrom: at(-DAY), validTo: at(7 * DAY) };
    const clockSkew = { ms: 10 * MINUTE, uncertaintyMs: 0, at: at(0) };
    assert.deepEqual(levelsOf(observed()), { certificate: null, clock: null });
    assert.deepEqual(levelsOf(observed({ certificate, clockSkew })), { certificate: 'critical', clock: 'warning' });
  });

  it('finds the disk running out below the limit', () => {
    assert.deepEqual(told(observed({}, { freeBytes: 2 * GIB })), []);
    assert.deepEqual(told(observed({}, { freeBytes: 2 * GIB - 1 })), ['disk low critical']);
  });

  it('finds a received message that MESH was not told of for four days', () => {
    const oldest = (ms: number): Observed =>
      observed({}, { oldestUnacknowledged: { messageId: 'M1', since: at(-ms) } });
    assert.deepEqual(told(oldest(4 * DAY - 1)), []);
    assert.deepEqual(told(oldest(4 * DAY)), ['unacknowledged M1 critical']);
    assert.equal(conditionsOf(oldest(4 * DAY), LIMITS)[0]?.messageId, 'M1');
  });

  it('counts what needs a person', () => {
    const counts = { held: 1, unknown: 2, overdue: 3, parked: 4, unclaimed: 5 };
    const found = conditionsOf(observed({}, { counts }), LIMITS);
    assert.deepEqual(Object.fromEntries(found.map(({ kind, count }) => [kind, count])), counts);
    assert.equal(severityOf(found), 'warning');
  });

  it('tells a change once: raised, changed to another stage, recovered', () => {
    const certificate = (days: number): Condition[] =>
      conditionsOf(
        observed({ certificate: { commonName: '', validFrom: at(-DAY), validTo: at(days * DAY) } }, { freeBytes: 1 }),
        LIMITS,
      );
    const events = (before: Condition[], now: Condition[]): string[] =>
      alertsBetween(before, now).map(({ event, kind, stage }) => `${event} ${kind} ${stage}`);
    assert.deepEqual(events([], certificate(59)), ['raised certificate 60', 'raised disk low']);
    assert.deepEqual(events(certificate(59), certificate(58)), []);
    assert.deepEqual(events(certificate(58), certificate(29)), ['changed certificate 30']);
    assert.deepEqual(events(certificate(29), []), ['recovered certificate 30', 'recovered disk low']);
    assert.equal(severityOf(certificate(59)), 'critical');
    assert.equal(severityOf([]), undefined);
  });
});
