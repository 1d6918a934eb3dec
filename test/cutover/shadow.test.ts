/** What a MESH Client sent beside what was made here: same, different by field, missing, extra; and a month reconciled. */
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { clientMessages } from '../../lib/cutover/client-folder';
import { compareBuilt, compareWith, type CompareOptions } from '../../lib/cutover/compare';
import { reconcile } from '../../lib/cutover/reconcile';
import { comparisonReport, reconciliationReport } from '../../lib/cutover/shadow-report';
import { openMailbox } from '../../lib/index';
import { itk3Request, MEDRPT } from '../acks/fixtures';
import { emptyFolder } from '../harness/cleanup';
import { storageIn } from '../harness/outboxes';
import { accepted, clientRoot, fields, putPair } from './client';
import { OFFLINE } from './offline';

const EXACT: CompareOptions = { ignore: [], values: false };
const HEAD = { mailboxId: 'X26ABC1', about: 'All workflows.', at: '2026-12-01T00:00:00.000Z' };

const hl7 = ({ time = '20261201', id = 'M-1', name = 'SMITH', more = '' } = {}): string =>
  `MSH|^~\\&|A|B|C|D|${time}||MDM^T02|${id}|P|2.4\rPID|||1||${name}^J\r${more}`;

type Pair = [name: string, payload: string, control?: Record<string, string>];

/** Returns the messages of a client's or our `sent`. */
async function sentPairs(pairs: readonly Pair[]) {
  const root = await emptyFolder();
  await mkdir(join(root, 'sent'));
  for (const [name, payload, control = {}] of pairs) {
    await putPair(join(root, 'sent'), name, { control: fields({ LocalId: name, ...control }), payload });
  }
  return (await clientMessages(root, 'sent')).messages;
}

const compared = async (client: readonly Pair[], ours: readonly Pair[], options = EXACT) =>
  compareWith(await sentPairs(client), await sentPairs(ours), options);

describe('a shadow comparison', () => {
  it('says of each message whether it is the same, different by field, missing or extra', async () => {
    const found = await compared(
      [
        ['a', hl7()],
        ['b', hl7({ name: 'SMITH' }), { Subject: 'One' }],
        ['c', hl7()],
      ],
      [
        ['a', hl7({ time: '20261202', id: 'M-9' })],
        ['b', hl7({ name: 'SMYTH' }), { Subject: 'Two' }],
        ['d', hl7({ name: 'JONES' })],
      ],
    );
    assert.deepEqual(found, {
      messages: 3,
      same: 1,
      different: [{ name: 'b', workflowId: 'TEST_WORKFLOW', fields: ['control.Subject', 'PID-5.1'] }],
      missing: ['c'],
      extra: ['d'],
    });
  });

  it('names fields of HL7, EDIFACT and FHIR, and ignores times and ids that are made anew', async () => {
    const edifact = MEDRPT;
    const fhir = itk3Request({ id: 'one' });
    const json = JSON.stringify({
      resourceType: 'Bundle',
      id: '1',
      timestamp: 'T',
      entry: [{ resource: { status: 'final' } }],
    });
    const found = await compared(
      [
        ['edifact', edifact],
        ['fhir', fhir],
        ['json', json],
        ['same', json],
      ],
      [
        ['edifact', edifact.replace('260401:1200+77', '260402:0900+78').replace('BGM+LSR', 'BGM+LSX')],
        ['fhir', itk3Request({ id: 'two', bus: 'false' })],
        ['json', json.replace('final', 'draft').replace('"1"', '"2"')],
        ['same', json.replace('"T"', '"U"')],
      ],
    );
    assert.equal(found.same, 1);
    assert.deepEqual(
      found.different.map(({ name, fields: [field] }) => [name, field?.replace(/^.*extension/, 'extension')]),
      [
        ['edifact', 'messages.BGM-1.1'],
        ['fhir', 'extension[0].valueBoolean'],
        ['json', 'entry[0].resource.status'],
      ],
    );
  });

  it('ignores what a rule names, and notices segments in another order', async () => {
    const one = hl7({ more: 'OBR|1|X\rNTE|1|a\r' });
    const other = hl7({ more: 'NTE|1|a\rOBR|1|Y\r' });
    const [{ fields: all } = { fields: [] }] = (await compared([['a', one]], [['a', other]])).different;
    assert.deepEqual(all, ['OBR-2.1', 'order of segments']);
    const ignore = ['OBR-2', 'order of segments'];
    assert.equal((await compared([['a', one]], [['a', other]], { ...EXACT, ignore })).same, 1);
  });

  it('finds the other half by content where local ids are shared', async () => {
    const shared = { LocalId: 'X26' };
    const found = await compared(
      [
        ['a', hl7({ name: 'ONE' }), shared],
        ['b', hl7({ name: 'TWO' }), shared],
      ],
      [
        ['y', hl7({ name: 'TWO', id: 'M-8' }), shared],
        ['z', hl7({ name: 'ONE', id: 'M-9' }), shared],
      ],
    );
    assert.deepEqual([found.same, found.missing, found.extra], [2, [], []]);
  });

  it('without messages made here builds and checks the client’s own, and says what would be refused', async () => {
    const client = await sentPairs([
      ['good', 'letter'],
      ['bad', 'letter', { To_DTS: '' }],
    ]);
    const found = await compareBuilt(client, 'X26ABC1', EXACT);
    assert.equal(found.same, 1);
    assert.deepEqual(
      found.different.map(({ name, fields: of }) => [name, of]),
      [['bad', ['refused']]],
    );
  });

  it('has no value of a message in its result or report unless values are asked for', async () => {
    const pairs: [Pair[], Pair[]] = [[['a', hl7({ name: 'SECRET-NAME' })]], [['a', hl7({ name: 'OTHER-NAME' })]]];
    const found = await compared(...pairs);
    const text = JSON.stringify(found) + comparisonReport(HEAD, found);
    assert.doesNotMatch(text, /SECRET-NAME|OTHER-NAME/);
    assert.match(text, /PID-5\.1/);
    const shown = comparisonReport(HEAD, await compared(...pairs, { ...EXACT, values: true }));
    assert.match(shown, /“SECRET-NAME”, here “OTHER-NAME”/);
  });

  it('has a report in which names from outside are no markup', async () => {
    const found = await compared([['<b>|x', 'one']], []);
    const report = comparisonReport(HEAD, found);
    assert.match(report, /\\<b\\>\\\|x/);
    assert.match(report, /\| checked by \| date \| signature \|/);
  });
});

describe('a reconciliation', () => {
  it('accounts for every message of the source; what nobody knows is unexplained', async () => {
    const root = await clientRoot();
    const put = (folder: string, name: string): Promise<void> =>
      putPair(join(root, folder), name, {
        control: fields({ LocalId: name, DTSId: `M-${name}` }),
        payload: 'x',
        status: accepted(),
      });
    await put('SENT', 'client');
    await put('OUT', 'waiting');
    await put('FAILED', 'refused');
    await put('SENT', 'both');
    const storage = await storageIn();
    const { store } = storage;
    const mailbox = openMailbox({ ...OFFLINE, storage });
    const ids = new Map<string, string>();
    for (const localId of ['queued', 'collected', 'undelivered', 'both']) {
      const { message } = await mailbox.outbox.enqueue({ to: 'X26ABC2', workflowId: 'W', localId, payload: 'x' });
      ids.set(localId, message.id);
    }
    const change = (localId: string, to: Parameters<typeof store.changeOutgoing>[2]) =>
      store.changeOutgoing(ids.get(localId) ?? '', ['queued'], to);
    await change('collected', { state: 'acknowledged', business: 'positive' });
    await change('undelivered', { state: 'undelivered' });
    await change('both', { state: 'accepted' });
    const source = ['client', 'waiting', 'refused', 'queued', 'collected', 'undelivered', 'both', 'lost'];
    const found = await reconcile({ store, mailbox: mailbox.storeKey }, source, root);
    assert.deepEqual(found, {
      source: 8,
      accepted: 4,
      collected: 1,
      answered: 1,
      notAccepted: { 'waiting in the client’s out': 1, 'refused by MESH when the client sent it': 1, queued: 1 },
      notCollected: { 'sent by the client, and not adopted': 1, undelivered: 1, 'not yet': 1 },
      notAnswered: { 'sent by the client, and not adopted': 1, 'none asked for': 2 },
      unexplained: ['lost'],
      twice: ['both'],
    });
    assert.match(reconciliationReport(HEAD, found), /\| 8 \| 4 \| 1 \| 1 \| 1 \| 1 \|/);
    await mailbox.close();
  });
});
