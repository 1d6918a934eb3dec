/** What a MESH Client has sent, adopted: what arrives after the cut-over settles it, and nothing of it is sent again. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '../../lib/clock';
import { adoptSent } from '../../lib/cutover/adopt-sent';
import { readClientLog } from '../../lib/cutover/client-log';
import { PayloadError, type DurableMailbox, type MessageHeaders, type Storage } from '../../lib/index';
import { itk3Request } from '../acks/fixtures';
import { party, sent } from '../acks/support';
import { failure } from '../harness/failure';
import { mailboxAt, operations } from '../harness/mailboxes';
import { openStorage } from '../../lib/storage';
import { letter, outboxAt, storageIn, tlsSandbox } from '../harness/outboxes';
import { dropSchema, newSchema, postgresUrl } from '../harness/postgres';
import { afterThisTest, emptyFolder } from '../harness/cleanup';
import { accepted, clientRoot, fields, putPair, sendByClient } from './client';

const DAY_MS = 24 * 60 * 60 * 1000;

function adopt(mailbox: DurableMailbox, storage: Storage, root: string, more: object = {}) {
  return adoptSent(
    {
      store: storage.store,
      spool: storage.spool,
      outbox: mailbox.outbox,
      clock: systemClock,
      mailbox: mailbox.storeKey,
      mailboxId: mailbox.mailboxId,
      profiles: mailbox.profiles,
      settleReport: (report) => mailbox.settleReport(report),
    },
    root,
    { days: 31, ...more },
  );
}

async function postgresStorage(): Promise<Storage> {
  const schema = newSchema();
  const storage = await openStorage({ folder: await emptyFolder(), url: await postgresUrl(), schema });
  afterThisTest(async () => {
    await storage.close();
    await dropSchema(schema);
  });
  return storage;
}

describe('adopted messages', () => {
  for (const [name, open] of [
    ['SQLite', storageIn],
    ['PostgreSQL', postgresStorage],
  ] as const) {
    it(`of the client are settled by late acknowledgements and reports, on ${name}`, async () => {
      const server = await tlsSandbox();
      const client = mailboxAt(server);
      const root = await clientRoot();
      const payload = itk3Request({ inf: 'false', id: '0f5b4b1c-7b0e-4d1f-8a4e-6f4f6f1c2a01' });
      const answered = await sendByClient(client, root, { name: 'letter-1', payload, workflowId: 'TOC_FHIR_IP_DISCH' });
      const lost = await sendByClient(client, root, { name: 'letter-2', payload: 'letter 2' });
      const storage = await open();
      const trust = party(server, { storage });
      const practice = party(server, { storage: await storageIn(), mailboxId: 'X26ABC2' });
      const first = await adopt(trust, storage, root);
      assert.deepEqual(first, { adopted: 2, known: 0, older: 0, refused: 0, settled: 0, exceptions: [] });
      await practice.collect();
      await practice.sendAcknowledgement(answered, { form: 'profile', level: 'business', outcome: 'accepted' });
      await sent(practice);
      await trust.collect();
      const report: MessageHeaders = {
        mailboxId: 'X26ABC1',
        messageId: 'REPORT1',
        messageType: 'REPORT',
        from: '',
        to: 'X26ABC1',
        workflowId: 'TEST_WORKFLOW',
        totalChunks: 1,
        linkedMessageId: lost,
        statusCode: '14',
      };
      assert.equal(await trust.settleReport(report), true);
      assert.deepEqual(trust.taken.failures, []);
      const [one] = await trust.outbox.list({ messageId: answered });
      const [two] = await trust.outbox.list({ messageId: lost });
      assert.deepEqual([one?.state, one?.business], ['accepted', 'positive']);
      assert.deepEqual([two?.state, two?.error?.meshCode], ['undelivered', '14']);
      assert.deepEqual(
        trust.events.map(({ event }) => event),
        ['business positive', 'undelivered'],
      );
    });
  }

  it('are adopted once, and never sent, not even when resent', async () => {
    const server = await tlsSandbox();
    const root = await clientRoot();
    const messageId = await sendByClient(mailboxAt(server), root, { name: 'letter-1', payload: 'letter' });
    const storage = await storageIn();
    const mailbox = outboxAt(server, { storage });
    await adopt(mailbox, storage, root);
    const again = await adopt(mailbox, storage, root);
    assert.deepEqual([again.adopted, again.known], [0, 1]);
    mailbox.start();
    const [row] = await mailbox.outbox.list({ messageId });
    const id = row?.id ?? '';
    await storage.store.changeOutgoing(id, ['accepted'], { state: 'undelivered' });
    const error = await failure(PayloadError, mailbox.outbox.resend(id));
    assert.match(`${error.message} ${error.advice}`, /Another client sent it/);
    assert.equal(operations(server, 'send_message').length, 1);
  });

  it('are not those that were sent from here by way of the client’s folders', async () => {
    const server = await tlsSandbox();
    const root = await clientRoot();
    const storage = await storageIn();
    const mailbox = outboxAt(server, { storage });
    mailbox.start();
    const { message } = await mailbox.outbox.enqueue(letter());
    const { messageId = '' } = await mailbox.outbox.accepted(message.id);
    const control = fields({ DTSId: messageId });
    await putPair(join(root, 'SENT'), 'letter', { control, payload: 'letter', status: accepted() });
    const { adopted, known } = await adopt(mailbox, storage, root);
    assert.deepEqual([adopted, known], [0, 1]);
    assert.equal((await mailbox.outbox.list({ messageId })).length, 1);
  });

  it('have no limit that passed before they were adopted, and count the others from when they were sent', async () => {
    const server = await tlsSandbox();
    const root = await clientRoot();
    // The client's files have whole seconds.
    const sentAt = Math.floor(Date.now() / 1000) * 1000 - 60_000;
    const times = { old: sentAt - 10 * DAY_MS, young: sentAt };
    for (const [name, time] of Object.entries(times)) {
      const control = fields({ DTSId: `2026_${name}`, WorkflowId: 'TOC_FHIR_IP_DISCH' });
      await putPair(join(root, 'SENT'), name, {
        control,
        payload: itk3Request({ id: name }),
        status: accepted(new Date(time).toISOString()),
      });
    }
    const storage = await storageIn();
    const mailbox = outboxAt(server, { storage });
    await adopt(mailbox, storage, root);
    const rows = await storage.store.listOutgoing({ mailbox: mailbox.storeKey }, { limit: 9 });
    const [old, young] = ['2026_old', '2026_young'].map((id) => rows.find((row) => row.messageId === id));
    assert.deepEqual([old?.collectBy, old?.businessBy, old?.business], [null, null, 'not-asked']);
    assert.equal(young?.business, 'awaited');
    const limitMs = Number(young?.envelope['collectWithinMs']);
    assert.deepEqual([young?.acceptedAt, young?.collectBy], [sentAt, sentAt + limitMs]);
  });

  it('are settled by the reports and acknowledgements that the client has received', async () => {
    const server = await tlsSandbox();
    const root = await clientRoot();
    const lost = await sendByClient(mailboxAt(server), root, { name: 'letter-1', payload: 'letter' });
    const adt = 'MSH|^~\\&|A|B|C|D|20260401||ADT^A01|M-1|P|2.4|||AL|AL\rPID|||1||SMITH\r';
    const answered = await sendByClient(mailboxAt(server), root, { name: 'letter-2', payload: adt });
    await putPair(join(root, 'IN'), 'R1', {
      control: { MessageType: 'Report', DTSId: lost, WorkflowId: 'TEST_WORKFLOW' },
    });
    const control = fields({ From_DTS: 'X26ABC2', To_DTS: 'X26ABC1', DTSId: 'A1', WorkflowId: 'TEST_WORKFLOW_ACK' });
    const payload = 'MSH|^~\\&|C|D|A|B|20260401||ACK^A01|M-2|P|2.4\rMSA|AA|M-1\r';
    await putPair(join(root, 'IN'), 'A1', { control, payload });
    const storage = await storageIn();
    const mailbox = outboxAt(server, { storage });
    const result = await adopt(mailbox, storage, root);
    assert.equal(result.settled, 2);
    const states = await Promise.all([lost, answered].map((messageId) => mailbox.outbox.list({ messageId })));
    assert.deepEqual(
      states.map(([message]) => [message?.state, message?.business]),
      [
        ['undelivered', 'not-asked'],
        ['accepted', 'positive'],
      ],
    );
  });

  it('leave by name what is not the client’s own, has no id or cannot be read', async () => {
    const server = await tlsSandbox();
    const root = await clientRoot();
    const put = (name: string, control: object, status = accepted()): Promise<void> =>
      putPair(join(root, 'SENT'), name, { control: fields({ ...control }), payload: 'letter', status });
    await put('no-id', {});
    await put('another', { DTSId: 'M1', From_DTS: 'Y99ABC1' });
    await put('refused', { DTSId: 'M2' }, { ...accepted(), success: false });
    await put('old', { DTSId: 'M3' }, accepted(new Date(Date.now() - 40 * DAY_MS).toISOString()));
    await writeFile(join(root, 'SENT', 'broken.ctl'), '<DTSControl>');
    await writeFile(join(root, 'SENT', 'alone.dat'), 'letter');
    await put('good', { DTSId: 'M4' });
    const storage = await storageIn();
    const result = await adopt(outboxAt(server, { storage }), storage, root);
    assert.deepEqual([result.adopted, result.older, result.refused], [1, 1, 1]);
    assert.deepEqual(result.exceptions.map(({ name }) => name).toSorted(), [
      'alone.dat',
      'another',
      'broken.ctl',
      'no-id',
    ]);
  });

  it('come from the log where the client keeps no files', async () => {
    const server = await tlsSandbox();
    const log = join(await emptyFolder(), 'mesh.log');
    const day = new Date().toISOString().slice(0, 10);
    await writeFile(
      log,
      [
        `${day} 00:00:01,123 INFO  Message sent to: X26ABC2 workflowId=TEST_WORKFLOW id 20261201000001123456_ABCDEF`,
        `${day} 00:00:02,123 INFO  Message 20261201000002123456_ABCDE0 received from X26ABC2`,
        `${day} 00:00:03,123 ERROR Send failed 20261201000003123456_ABCDE1`,
        'a line of something else',
      ].join('\r\n'),
    );
    const storage = await storageIn();
    const mailbox = outboxAt(server, { storage });
    const logged = await readClientLog(log);
    const result = await adopt(mailbox, storage, await clientRoot(), { logged });
    assert.equal(result.adopted, 1);
    const [message] = await mailbox.outbox.list({ messageId: '20261201000001123456_ABCDEF' });
    assert.deepEqual([message?.state, message?.workflowId], ['accepted', 'TEST_WORKFLOW']);
  });
});
