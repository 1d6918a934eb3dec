import assert from 'node:assert/strict';
import {
  findAlerts,
  findConditions,
  certificateAndClockSeverity,
  personMustAct,
  worstSeverity,
  type Condition,
  type MailboxHealth,
  type Observation,
  type RecurringTask,
} from '../../lib/index';

const NOW = Date.parse('2026-06-01T12:00:00Z');
const MINUTE = 60 * 1000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const GIB = 1024 ** 3;
const LIMITS = { stoppedMs: 30 * MINUTE, minFreeBytes: 2 * GIB };

const at = (ms: number): string => new Date(NOW + ms).toISOString();
const healthy: RecurringTask = { lastSucceeded: at(-MINUTE), lastFailed: null, failingSince: null, error: null };
const failing = (ms: number): RecurringTask => ({
  lastSucceeded: null,
  lastFailed: at(-MINUTE),
  failingSince: at(-ms),
  error: { code: 'MESH_CONNECTION', message: 'MESH cannot be reached.' },
});

function observation(health: Partial<MailboxHealth> = {}, rest: Partial<Observation> = {}): Observation {
  return {
    now: NOW,
    monitoredSince: NOW - HOUR,
    health: {
      mailboxId: 'X26ABC1',
      url: 'https://localhost',
      handshake: healthy,
      poll: { ...healthy, next: at(MINUTE) },
      lastAnswer: at(-MINUTE),
      clockSkew: { ms: 200, uncertaintyMs: 500, at: at(-MINUTE) },
      clockStep: null,
      storeBehind: null,
      offeredAgain: null,
      certificate: { commonName: '', validFrom: at(-DAY), validTo: at(300 * DAY) },
      certificateProblem: null,
      ...health,
    },
    freeBytes: 10 * GIB,
    oldestUnacknowledged: null,
    counts: { held: 0, unknown: 0, overdue: 0, redelivered: 0, parked: 0, unclaimed: 0 },
    ...rest,
  };
}

/** Kind, stage and severity. */
const summary = (seen: Observation): string[] =>
  findConditions(seen, LIMITS).map(({ kind, stage, severity }) => `${kind} ${stage} ${severity}`);

describe('a health check', () => {
  it('asks for a person when something has stopped, on request also for a decision, and never for what passes', () => {
    const acts = (counts: Partial<Observation['counts']>, freeBytes = 10 * GIB): string => {
      const base = observation();
      const found = findConditions({ ...base, freeBytes, counts: { ...base.counts, ...counts } }, LIMITS);
      return (['stopped', 'decision', 'never'] as const).filter((when) => personMustAct(found, when)).join(' ');
    };
    assert.equal(acts({}), '');
    for (const kind of ['unknown', 'overdue', 'redelivered']) assert.equal(acts({ [kind]: 1 }), '', kind);
    for (const kind of ['held', 'parked', 'unclaimed']) assert.equal(acts({ [kind]: 1 }), 'decision', kind);
    assert.equal(acts({}, GIB), 'stopped decision');
  });
});

describe('the conditions of a mailbox', () => {
  it('are none for a healthy mailbox, and for one of which nothing is known yet', () => {
    assert.deepEqual(summary(observation()), []);
    const unseen = { lastSucceeded: null, lastFailed: null, failingSince: null, error: null };
    const nothing = { handshake: unseen, poll: { ...unseen, next: null }, clockSkew: null, certificate: null };
    assert.deepEqual(summary(observation(nothing, { freeBytes: null })), []);
  });

  it('include stopped handshakes and polls once they have failed for the limit, not at once', () => {
    const short = failing(29 * MINUTE);
    assert.deepEqual(summary(observation({ handshake: short, poll: { ...short, next: at(MINUTE) } })), []);
    const long = failing(30 * MINUTE);
    const seen = observation({ handshake: long, poll: { ...long, next: at(MINUTE) } });
    assert.deepEqual(summary(seen), ['handshake stopped critical', 'polling stopped critical']);
    const [first] = findConditions(seen, LIMITS);
    assert.match(first?.text ?? '', /stopped\. MESH cannot be reached\.$/);
    assert.equal(first?.time, at(-30 * MINUTE));
  });

  it('include a store that had forgotten messages, with their number', () => {
    const seen = observation({ storeBehind: { messages: 3, at: at(-HOUR) } });
    assert.deepEqual(summary(seen), ['store-behind some critical']);
    const [condition] = findConditions(seen, LIMITS);
    assert.deepEqual([condition?.count, condition?.time], [3, at(-HOUR)]);
    assert.match(condition?.advice ?? '', /MESH_FORGOTTEN/);
  });

  it('include messages that MESH has offered again; another message under such an id is critical', () => {
    const offered = { messages: 2, messageId: 'M2', at: at(-HOUR) };
    const again = observation({ offeredAgain: { ...offered, different: 0 } });
    assert.deepEqual(summary(again), ['offered-again same warning']);
    const [condition] = findConditions(again, LIMITS);
    assert.deepEqual([condition?.count, condition?.messageId], [2, 'M2']);
    const another = observation({ offeredAgain: { ...offered, different: 1 } });
    assert.deepEqual(summary(another), ['offered-again different critical']);
  });

  it('include a poll that is late, but not if none is planned', () => {
    assert.deepEqual(summary(observation({ poll: { ...healthy, next: at(-29 * MINUTE) } })), []);
    assert.deepEqual(summary(observation({ poll: { ...healthy, next: at(-31 * MINUTE) } })), [
      'polling stopped critical',
    ]);
    assert.deepEqual(summary(observation({ poll: { ...healthy, lastSucceeded: at(-3 * DAY), next: null } })), []);
  });

  it('include stopped handshakes 25 hours after the last one, whether or not another was tried', () => {
    const last = (ms: number): Observation => observation({ handshake: { ...healthy, lastSucceeded: at(-ms) } });
    assert.deepEqual(summary(last(25 * HOUR)), []);
    assert.deepEqual(summary(last(25 * HOUR + 1)), ['handshake stopped critical']);
    const never = { ...healthy, lastSucceeded: null };
    assert.deepEqual(summary(observation({ handshake: never }, { monitoredSince: NOW - 26 * HOUR })), [
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
    it(`for a certificate that expires in ${days} days: ${expected.join() || 'none'}`, () => {
      const certificate = { commonName: 'x', validFrom: at(-DAY), validTo: at(days * DAY) };
      assert.deepEqual(summary(observation({ certificate })), expected);
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
    it(`for a clock that is ${minutes} minutes off: ${expected.join() || 'none'}`, () => {
      const clockSkew = { ms: minutes * MINUTE, uncertaintyMs: 600, at: at(0) };
      assert.deepEqual(summary(observation({ clockSkew })), expected);
    });
  }

  for (const [ms, stage, text] of [
    [-8 * HOUR, 'back', 'set back by 8 hours.'],
    [-5 * MINUTE, 'back', 'set back by 5 minutes.'],
    [HOUR, 'forward', 'set forward by 60 minutes, or'],
    [450 * DAY, 'forward', 'set forward by 450 days, or'],
  ] as const) {
    it(`for a clock that was ${text}`, () => {
      const [condition] = findConditions(observation({ clockStep: { ms, at: at(-MINUTE) } }), LIMITS);
      assert.deepEqual([condition?.kind, condition?.stage, condition?.time], ['clock-set', stage, at(-MINUTE)]);
      assert.ok(condition?.text.includes(text), condition?.text);
    });
  }

  it('are none for a step of less than five minutes', () => {
    assert.deepEqual(summary(observation({ clockStep: { ms: -4 * MINUTE, at: at(0) } })), []);
  });

  it('have the severities that are shown beside certificate and clock', () => {
    const certificate = { commonName: 'x', validFrom: at(-DAY), validTo: at(7 * DAY) };
    const clockSkew = { ms: 10 * MINUTE, uncertaintyMs: 0, at: at(0) };
    assert.deepEqual(certificateAndClockSeverity(observation()), { certificate: null, clock: null });
    assert.deepEqual(certificateAndClockSeverity(observation({ certificate, clockSkew })), {
      certificate: 'critical',
      clock: 'warning',
    });
  });

  it('include the disk once its free space is below the limit', () => {
    assert.deepEqual(summary(observation({}, { freeBytes: 2 * GIB })), []);
    assert.deepEqual(summary(observation({}, { freeBytes: 2 * GIB - 1 })), ['disk low critical']);
  });

  it('include a received message that is not acknowledged to MESH for four days', () => {
    const oldest = (ms: number): Observation =>
      observation({}, { oldestUnacknowledged: { messageId: 'M1', since: at(-ms) } });
    assert.deepEqual(summary(oldest(4 * DAY - 1)), []);
    assert.deepEqual(summary(oldest(4 * DAY)), ['unacknowledged M1 critical']);
    assert.equal(findConditions(oldest(4 * DAY), LIMITS)[0]?.messageId, 'M1');
  });

  it('count the messages that need a person', () => {
    const counts = { held: 1, unknown: 2, overdue: 3, redelivered: 4, parked: 5, unclaimed: 6 };
    const found = findConditions(observation({}, { counts }), LIMITS);
    assert.deepEqual(Object.fromEntries(found.map(({ kind, count }) => [kind, count])), counts);
    assert.equal(worstSeverity(found), 'warning');
  });

  it('raise one alert for each change: raised, changed to another stage, recovered', () => {
    const certificate = (days: number): Condition[] =>
      findConditions(
        observation(
          { certificate: { commonName: '', validFrom: at(-DAY), validTo: at(days * DAY) } },
          { freeBytes: 1 },
        ),
        LIMITS,
      );
    const events = (before: Condition[], now: Condition[]): string[] =>
      findAlerts(before, now).map(({ event, kind, stage }) => `${event} ${kind} ${stage}`);
    assert.deepEqual(events([], certificate(59)), ['raised certificate 60', 'raised disk low']);
    assert.deepEqual(events(certificate(59), certificate(58)), []);
    assert.deepEqual(events(certificate(58), certificate(29)), ['changed certificate 30']);
    assert.deepEqual(events(certificate(29), []), ['recovered certificate 30', 'recovered disk low']);
    assert.equal(worstSeverity(certificate(59)), 'critical');
    assert.equal(worstSeverity([]), undefined);
  });
});
