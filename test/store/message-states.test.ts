/**
 * The table of states: complete, and every list derived from it as it has to be, written down here once more in full.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as states from '../../lib/message-states';
import { SHOWN_STATES } from '../../lib/operator/message-list';
import { SCHEMA_VERSION } from '../../lib/store/rules/schema-version';
import { SCHEMA as POSTGRES_SCHEMA } from '../../lib/store/postgres/schema';
import { SCHEMA as SQLITE_SCHEMA } from '../../lib/store/sqlite/schema';
import { ROOT } from '../harness/node-red';

const ALL_SENT = [
  'queued',
  'sending',
  'accepted',
  'acknowledged',
  'undelivered',
  'rejected',
  'unknown',
  'parked',
  'closed',
];
const ALL_RECEIVED = ['spooled', 'acknowledged', 'delivered', 'done', 'parked'];

describe('the table of states', () => {
  it('has every state of a sent and of a received message', () => {
    assert.deepEqual(states.OUTGOING_STATES, ALL_SENT);
    assert.deepEqual(states.INCOMING_STATES, ALL_RECEIVED);
  });

  it('says of each what it means, in a sentence', () => {
    for (const { means } of [...Object.values(states.SENT_STATES), ...Object.values(states.RECEIVED_STATES)]) {
      assert.match(means, /^[A-Z].{10,}\.$/);
    }
  });

  it('contradicts itself nowhere: a pending state is neither final nor accepted, and so on', () => {
    for (const [name, state] of Object.entries(states.SENT_STATES)) {
      assert.ok(!(state.pending && state.final !== false), name);
      assert.ok(!(state.pending && state.accepted), name);
      assert.ok(state.needsDecision === false || state.pending, name);
      assert.ok(state.droppable !== 'unsent' || state.pending, name);
      assert.ok(state.droppable !== 'failed' || state.final === 'otherwise', name);
      assert.equal(state.status === 'accepted', state.accepted, name);
    }
  });

  it('labels the states as the sidebar does', async () => {
    const file = join(ROOT, 'nodes', 'locales', 'en-US', 'mesh-sidebar.json');
    const { state } = (JSON.parse(await readFile(file, 'utf8')) as { 'mesh-sidebar': { state: object } })[
      'mesh-sidebar'
    ];
    const labels = (table: Record<string, { label: string }>) =>
      Object.fromEntries(Object.entries(table).map(([name, { label }]) => [name, label]));
    assert.deepEqual(state, { out: labels(states.SENT_STATES), in: labels(states.RECEIVED_STATES) });
  });

  it('has a label for every list of the sidebar', async () => {
    const file = join(ROOT, 'nodes', 'locales', 'en-US', 'mesh-sidebar.json');
    const { filter } = (JSON.parse(await readFile(file, 'utf8')) as { 'mesh-sidebar': { filter: object } })[
      'mesh-sidebar'
    ];
    const lists = [...Object.keys(SHOWN_STATES.out.lists), ...Object.keys(SHOWN_STATES.in.lists)];
    assert.deepEqual(new Set(Object.keys(filter)), new Set(lists));
  });

  it('has for every look a rule of the sidebar’s styles, in the look’s colour', async () => {
    const css = await readFile(join(ROOT, 'resources', 'mesh-sidebar', 'sidebar.css'), 'utf8');
    for (const [look, { fill, shape }] of Object.entries(states.LOOKS)) {
      assert.ok(css.includes(`.mesh-look-text-${look}`), look);
      // Grey is the colour of a mark without a look.
      const selector = fill === 'grey' ? '.mesh-mark' : `.mesh-mark.mesh-look-${look}`;
      const rule = css.slice(css.indexOf(`${selector} {`)).split('}')[0] ?? '';
      assert.match(rule, new RegExp(`node-status-colors-${fill}`), look);
      assert.equal(/background: transparent/.test(rule), shape === 'ring', look);
    }
  });
});

describe('lists derived from the table', () => {
  for (const [name, list, expected] of [
    ['PENDING', states.PENDING, ['queued', 'sending', 'unknown', 'parked']],
    ['WAITING_TO_SEND', states.WAITING_TO_SEND, ['queued', 'sending']],
    ['UNSENT', states.UNSENT, ['queued', 'unknown', 'parked']],
    ['NOT_FINAL', states.NOT_FINAL, ['queued', 'sending', 'accepted', 'unknown', 'parked']],
    ['FINAL', states.FINAL, ['acknowledged', 'undelivered', 'rejected', 'closed']],
    ['ENDED_UNCOLLECTED', states.ENDED_UNCOLLECTED, ['undelivered', 'rejected', 'closed']],
    ['ACCEPTED', states.ACCEPTED, ['accepted', 'acknowledged', 'undelivered']],
    ['ENDED_UNACCEPTED', states.ENDED_UNACCEPTED, ['rejected', 'closed']],
    ['MAY_BE_OVERDUE', states.MAY_BE_OVERDUE, ['accepted', 'acknowledged']],
    ['PROBABLY_ARRIVED', states.PROBABLY_ARRIVED, ['sending', 'accepted', 'acknowledged', 'unknown']],
    ['REPORTABLE', states.REPORTABLE, ['sending', 'accepted', 'unknown']],
    ['RESPONSE_MISSING', states.RESPONSE_MISSING, ['sending', 'unknown']],
    ['DROPPABLE_FAILURES', states.DROPPABLE_FAILURES, ['undelivered', 'rejected']],
    ['MAY_NEED_DECISION', states.MAY_NEED_DECISION, ['unknown', 'parked']],
    ['NEEDS_DECISION', states.NEEDS_DECISION, ['parked']],
    ['LOOKED_FOR', states.LOOKED_FOR, ['unknown']],
    ['MAY_STILL_BE_ACCEPTED', states.MAY_STILL_BE_ACCEPTED, ['queued', 'sending', 'unknown']],
    ['NEEDS_ATTENTION', states.NEEDS_ATTENTION, ['undelivered', 'rejected', 'unknown', 'parked']],
    ['ATTENTION_AT_ONCE', states.ATTENTION_AT_ONCE, ['undelivered', 'rejected', 'parked']],
    ['ATTENTION_UNACCEPTED', states.ATTENTION_UNACCEPTED, ['rejected', 'unknown', 'parked']],
    ['UNACCEPTED_STATUSES', states.UNACCEPTED_STATUSES, ['rejected', 'unknown', 'parked', 'dropped']],
    ['PENDING_DELIVERY', states.PENDING_DELIVERY, ['spooled', 'acknowledged']],
    ['DELIVERABLE', states.DELIVERABLE, ['spooled', 'acknowledged', 'delivered']],
    ['UNFINISHED', states.UNFINISHED, ['spooled', 'acknowledged', 'delivered', 'parked']],
    ['PAST_DELIVERY', states.PAST_DELIVERY, ['delivered', 'done', 'parked']],
  ] as const) {
    it(`${name}: ${expected.join(', ')}`, () => assert.deepEqual([...list], expected));
  }

  const table = <Value>(of: (state: (typeof states.SENT_STATES)['queued']) => Value): Record<string, Value> =>
    Object.fromEntries(Object.entries(states.SENT_STATES).map(([name, state]) => [name, of(state)]));

  it('a sent message may be sent again always, or after a refusal', () => {
    assert.deepEqual(
      table(({ resendable }) => resendable),
      {
        queued: false,
        sending: false,
        accepted: 'if refused',
        acknowledged: 'if refused or overdue',
        undelivered: 'always',
        rejected: 'always',
        unknown: 'always',
        parked: 'always',
        closed: 'always',
      },
    );
  });

  it('a sent message may be dropped when it is unsent or has failed', () => {
    const droppable = Object.entries(table(({ droppable }) => droppable !== false)).flatMap(([name, is]) =>
      is ? [name] : [],
    );
    assert.deepEqual(droppable, ['queued', 'undelivered', 'rejected', 'unknown', 'parked']);
  });

  it('msg.meshSent.status names the way up to MESH’s acceptance', () => {
    assert.deepEqual(
      table(({ status }) => status),
      {
        queued: 'queued',
        sending: 'queued',
        accepted: 'accepted',
        acknowledged: 'accepted',
        undelivered: 'accepted',
        rejected: 'rejected',
        unknown: 'unknown',
        parked: 'parked',
        closed: 'dropped',
      },
    );
  });

  it('an unknown message needs a decision once MESH is no longer asked, a parked one always', () => {
    for (const state of states.OUTGOING_STATES) {
      assert.equal(states.stateNeedsDecision(state, true), state === 'parked', state);
      assert.equal(states.stateNeedsDecision(state, false), state === 'parked' || state === 'unknown', state);
    }
  });

  it('the sidebar’s lists and looks are these', () => {
    assert.deepEqual(SHOWN_STATES.out.lists, {
      all: ALL_SENT,
      attention: ['undelivered', 'rejected', 'unknown', 'parked'],
      waiting: ['queued', 'sending'],
      underway: ['accepted'],
      overdue: [],
      arrived: ['acknowledged'],
      unknown: ['unknown'],
      undelivered: ['undelivered', 'rejected'],
      parked: ['parked'],
      closed: ['closed'],
    });
    assert.deepEqual(Object.keys(SHOWN_STATES.out.lists), [
      'all',
      'attention',
      'waiting',
      'underway',
      'overdue',
      'arrived',
      'unknown',
      'undelivered',
      'parked',
      'closed',
    ]);
    assert.deepEqual(SHOWN_STATES.in.lists, {
      all: ALL_RECEIVED,
      waiting: ['spooled', 'acknowledged'],
      inflight: ['delivered'],
      parked: ['parked'],
      done: ['done'],
    });
    assert.deepEqual(SHOWN_STATES.out.looks, {
      queued: 'waiting',
      sending: 'busy',
      accepted: 'busy',
      acknowledged: 'good',
      undelivered: 'bad',
      rejected: 'bad',
      unknown: 'bad',
      parked: 'bad',
      closed: 'over',
    });
    assert.deepEqual(SHOWN_STATES.in.looks, {
      spooled: 'waiting',
      acknowledged: 'good',
      delivered: 'busy',
      done: 'good',
      parked: 'bad',
    });
  });
});

describe('the number of the schema', () => {
  it('belongs to these texts: a change of either schema, or of a list in them, raises it', () => {
    const plain = (schema: string): string =>
      schema
        .replaceAll(/--[^\n]*/g, '')
        .replaceAll(/\s+/g, ' ')
        .trim();
    const digest = (schema: string): string => createHash('sha256').update(plain(schema)).digest('hex').slice(0, 16);
    assert.deepEqual(
      [SCHEMA_VERSION, digest(SQLITE_SCHEMA), digest(POSTGRES_SCHEMA)],
      [110, 'fded88d075ac5967', '3ed8a460f009fd86'],
    );
  });
});
