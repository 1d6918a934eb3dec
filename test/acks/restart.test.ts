/** Acknowledgements across restarts, and what the outbox knows about those of queued messages. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loadProfiles, type AcknowledgementRequest } from '../../lib/index';
import { PARSE_BYTES } from '../../lib/acks/parse-source';
import { limitsFrom } from '../../lib/send/deadlines';
import { emptyFolder } from '../harness/cleanup';
import { outboxAt, storageIn, tlsSandbox } from '../harness/outboxes';
import { itk3Request, MEDRPT } from './fixtures';
import { outcomes, party, sent, twoParties } from './support';

const TOC = 'TOC_FHIR_IP_DISCH';
const ACCEPTED: AcknowledgementRequest = { form: 'profile', level: 'business', outcome: 'accepted' };

describe('a restart', () => {
  it('between acknowledgement and end of the flow: the message is delivered again, acknowledged once', async () => {
    const server = await tlsSandbox();
    const folder = await emptyFolder();
    const lab = party(server, { storage: await storageIn() });
    const before = await storageIn(folder);
    const practice = party(server, { storage: before, mailboxId: 'X26ABC2' });
    const { id } = await lab.sendOne(itk3Request(), TOC);
    await practice.collect();
    const [messageId = ''] = practice.taken.ids();
    const first = await practice.sendAcknowledgement(messageId, ACCEPTED);
    await practice.poller.close();
    await practice.close();
    await before.close();

    const again = party(server, { storage: await storageIn(folder), mailboxId: 'X26ABC2' });
    await again.collect();
    assert.deepEqual([again.taken.ids(), again.taken.deliveries[0]?.deliveryCount], [[messageId], 2]);
    const second = await again.sendAcknowledgement(messageId, ACCEPTED);
    assert.ok(first.sent && second.sent);
    assert.deepEqual([second.id, second.repeated, first.repeated], [first.id, true, undefined]);
    await again.poller.acknowledge(messageId);
    await sent(again);
    await lab.collect();
    assert.equal(lab.taken.deliveries.length, 1);
    assert.deepEqual(await outcomes(lab, id), ['awaited', 'positive']);

    // The other level days after: the payload may be gone, the request is not.
    await again.sendAcknowledgement(messageId, { ...ACCEPTED, level: 'business' });
    const kept = await again.outbox.list({});
    assert.equal(kept.length, 1);
  });

  it('between an acknowledgement’s commit and its settling: it settles before it is delivered', async () => {
    const server = await tlsSandbox();
    const folder = await emptyFolder();
    const before = await storageIn(folder);
    const lab = party(server, { storage: before });
    const practice = party(server, { storage: await storageIn(), mailboxId: 'X26ABC2' });
    const { id } = await lab.sendOne(MEDRPT, 'PATH_MEDRPT_V3');
    await practice.collect();
    await practice.sendAcknowledgement(practice.taken.ids()[0] ?? '', ACCEPTED);
    await sent(practice);
    await lab.collect();
    const [messageId = ''] = lab.taken.ids();
    // The state after a kill: the acknowledgement is in its row, and nothing is settled.
    const row = await before.store.getIncoming(lab.storeKey, messageId);
    const { settled, ...classification } = row?.classification ?? {};
    assert.deepEqual((settled as { id: string }).id, id);
    await before.store.changeIncoming(lab.storeKey, messageId, ['delivered'], { classification });
    await before.store.changeOutgoing(id, ['accepted', 'acknowledged'], { business: 'awaited' });
    await lab.poller.close();
    await lab.close();
    await before.close();

    const again = party(server, { storage: await storageIn(folder) });
    await again.collect();
    assert.equal(again.taken.deliveries[0]?.acknowledgement?.sentId, id);
    assert.deepEqual(await outcomes(again, id), ['not-asked', 'positive']);
    assert.deepEqual(again.taken.failures, []);
  });
});

describe('the outbox', () => {
  it('knows the reference of a message in memory, in a file and in the spool, but not of a large one', async () => {
    const { lab, storage } = await twoParties();
    const file = join(await emptyFolder(), 'request.xml');
    const padded = (bytes: number): string => itk3Request({ extra: `<!--${'x'.repeat(bytes)}-->` });
    await writeFile(file, padded(100_000));
    const cases = [
      [itk3Request(), 'itk3 msg-1'],
      [Buffer.from(MEDRPT), 'nhsack 77 LAB'],
      [{ file }, 'itk3 msg-1'],
      [padded(200_000), 'itk3 msg-1'],
      [padded(PARSE_BYTES), null],
      ['a letter', null],
      [{ json: { resourceType: 'Bundle' } }, null],
    ] as const;
    for (const [payload, reference] of cases) {
      const { message } = await lab.outbox.enqueue({ to: 'X26ABC2', workflowId: 'W', payload });
      assert.equal((await storage.store.getOutgoing(message.id))?.acknowledgementReference, reference);
      // Nothing is awaited that was not requested.
      assert.deepEqual(await outcomes(lab, message.id), ['not-asked', 'not-asked']);
    }
  });

  it('automatically awaits what the message requests, else what its profile says, in the profile’s time', async () => {
    const profiles = loadProfiles(
      JSON.stringify({
        profiles: [
          { workflowId: TOC, infrastructureHours: 3, businessWorkingDays: 1 },
          { workflowId: 'OURS', ackWorkflowId: 'OURS_ACK', form: 'custom', busAck: true },
          { workflowId: 'SILENT', ackWorkflowId: null, form: 'none' },
        ],
      }),
    );
    const storage = await storageIn();
    const mailbox = outboxAt(await tlsSandbox(), { storage, profiles });
    const awaitedFor = async (payload: string, workflowId: string): Promise<string> => {
      const message = { to: 'X26ABC2', workflowId, payload };
      const { message: taken } = await mailbox.outbox.enqueue(message, { requestedAcknowledgements: 'automatic' });
      return (await outcomes(mailbox, taken.id)).join(' ');
    };
    const both = 'awaited awaited';
    assert.equal(await awaitedFor(itk3Request(), 'W'), both);
    assert.equal(await awaitedFor(itk3Request({ inf: 'false' }), TOC), 'not-asked awaited');
    // The profile decides for a payload that cannot be parsed, an encrypted one for instance.
    assert.equal(await awaitedFor('x', TOC), both);
    assert.equal(await awaitedFor('x', 'OURS'), 'not-asked awaited');
    assert.equal(await awaitedFor('x', 'W'), 'not-asked not-asked');
    assert.equal(await awaitedFor(itk3Request(), 'SILENT'), 'not-asked not-asked');
    assert.equal(await awaitedFor(itk3Request(), `${TOC}_ACK`), 'not-asked not-asked');
    const response = itk3Request({ extra: '<response><identifier value="m"/><code value="ok"/></response>' });
    assert.equal(await awaitedFor(response, TOC), 'not-asked not-asked');

    const request = { to: 'X26ABC2', workflowId: TOC, payload: itk3Request() };
    const { message } = await mailbox.outbox.enqueue(request, { requestedAcknowledgements: 'automatic' });
    const row = await storage.store.getOutgoing(message.id);
    assert.ok(row);
    const thursday = Date.UTC(2026, 0, 15, 9);
    assert.equal(limitsFrom(row, thursday).infrastructureBy, thursday + 3 * 3_600_000);
    assert.equal(limitsFrom(row, thursday).businessBy, thursday + 24 * 3_600_000);
  });

  it('settles the copy that arrived of a message that was sent again', async () => {
    const { lab, practice, storage } = await twoParties();
    const lost = await lab.sendOne(itk3Request(), TOC);
    await storage.store.changeOutgoing(lost.id, ['accepted', 'acknowledged'], { state: 'undelivered' });
    const again = await lab.outbox.resend(lost.id);
    await lab.outbox.accepted(again.id);
    assert.deepEqual(await outcomes(lab, again.id), ['awaited', 'awaited']);
    const later = await lab.sendOne(itk3Request(), TOC);
    await storage.store.changeOutgoing(later.id, ['accepted', 'acknowledged'], { state: 'closed' });
    await practice.collect();
    await practice.sendAcknowledgement(practice.taken.ids()[0] ?? '', { ...ACCEPTED, level: 'infrastructure' });
    await sent(practice);
    await lab.collect();
    assert.equal(lab.taken.deliveries[0]?.acknowledgement?.sentId, again.id);
    assert.deepEqual(await outcomes(lab, again.id), ['positive', 'awaited']);
    assert.deepEqual(await outcomes(lab, later.id), ['awaited', 'awaited']);
  });
});
