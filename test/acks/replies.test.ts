/** Replies to file flows over a real sandbox: which stage of which request each of them settles. */
import assert from 'node:assert/strict';
import { gzipSync } from 'node:zlib';
import { loadProfiles, type Delivery, type OutgoingMessage } from '../../lib/index';
import { emptyFolder } from '../harness/cleanup';
import { storageIn, tlsSandbox } from '../harness/outboxes';
import { tgz } from '../harness/tar';
import { party, sent, twoParties, type Party } from './support';

const CHECK = 'LIST_CHECK';
const BATCH = 'BATCH';
const PORTAL = 'PORTAL';
const NOTIFY = 'NOTIFY';

/** A check whose replies come on its own workflow, a batch matched by file name, and requests reported row by row. */
const PROFILES = loadProfiles(
  JSON.stringify({
    profiles: [
      {
        workflowId: CHECK,
        replies: [
          {
            name: 'receipt',
            kind: 'receipt',
            dueWithin: { hours: 1 },
            when: { subject: 'SUCCESS' },
            match: [
              { in: 'localId', request: 'localId' },
              { in: 'json', path: 'request.message_id', request: 'messageId' },
            ],
          },
          {
            name: 'list',
            kind: 'result',
            dueWithin: { hours: 24 },
            match: [{ in: 'localId', request: 'localId' }],
            outcomes: [{ outcome: 'positive', when: { firstLine: '^\\d{10},?$' } }],
            otherwise: 'negative',
          },
        ],
      },
      {
        workflowId: PORTAL,
        replies: [
          {
            name: 'answer',
            kind: 'result',
            dueWithin: { hours: 1 },
            from: ['X26ABC3', 'X26ABC4'],
            match: [{ in: 'localId', request: 'localId' }],
          },
        ],
      },
      {
        workflowId: BATCH,
        replies: [
          {
            name: 'InfAck',
            kind: 'receipt',
            dueWithin: { hours: 2 },
            when: { workflowId: 'BATCH_REPLY', fileNamePattern: '_InfAck_' },
            match: [{ in: 'fileName', pattern: '^(.+)_InfAck_', request: 'fileNameStem' }],
            outcomes: [
              { outcome: 'negative', when: { row: { column: 'CODE', equals: 'Failure' } }, code: '10002' },
              { outcome: 'positive', when: { row: { column: 'CODE', equals: 'Success' } }, code: '20013' },
            ],
            otherwise: 'unclear',
          },
          {
            name: 'BusAck',
            kind: 'result',
            dueWithin: { workingDays: 2 },
            when: { workflowId: 'BATCH_REPLY', fileNamePattern: '_BusAck_' },
            match: [{ in: 'fileName', pattern: '^(.+)_BusAck_', request: 'fileNameStem' }],
            outcomes: [{ outcome: 'partial', when: { row: { column: 'CODE', equals: ['Fatal Error'] } } }],
          },
        ],
      },
      {
        workflowId: NOTIFY,
        requestKey: { in: 'firstRow', column: 2 },
        replies: [
          {
            name: 'report',
            kind: 'report',
            occurs: 'any',
            when: { workflowId: 'NOTIFY_REPORT', columns: ['requestRefId', 'status'] },
            match: [{ in: 'rows', column: 'requestRefId', request: 'localId' }],
          },
          {
            name: 'archive',
            kind: 'result',
            occurs: 'optional',
            when: { workflowId: 'NOTIFY_ARCHIVE' },
            match: [{ in: 'localId', pattern: '^(.+)\\.tar\\.gz$', request: 'localIdStem' }],
            outcomes: [{ outcome: 'positive', when: { archive: { has: '^{match}\\.csv$' } } }],
            otherwise: 'negative',
          },
          {
            name: 'keyed',
            kind: 'receipt',
            occurs: 'optional',
            when: { workflowId: 'NOTIFY_KEYED', json: { path: 'status[0].code' } },
            match: [{ in: 'json', path: 'status[0].code', request: 'key' }],
          },
        ],
      },
    ],
  }),
);
const LIST = '9997877896,\n9991742182,\n';

/** Two mailboxes with these profiles: the service at the other end only sends what the test says. */
async function start() {
  const { lab, practice: service, storage, server } = await twoParties({ profiles: PROFILES });
  /** Sends from the service, as a service does: nothing of it is awaited. Returns what the lab was delivered. */
  const reply = async (message: Omit<OutgoingMessage, 'to'>, by: Party = service): Promise<Delivery | undefined> => {
    await by.outbox.enqueue({ to: 'X26ABC1', ...message });
    await sent(by);
    await lab.collect();
    return lab.taken.deliveries.at(-1);
  };
  const request = async (workflowId: string, message: object = {}) => {
    const { message: queued } = await lab.outbox.enqueue(
      { to: 'X26ABC2', workflowId, payload: LIST, ...message },
      { requestedAcknowledgements: 'automatic' },
    );
    const accepted = await lab.outbox.accepted(queued.id);
    return { ...accepted, messageId: accepted.messageId ?? '' };
  };
  const stages = async (id: string) =>
    Object.fromEntries((await lab.outbox.get(id))?.stages?.map(({ name, outcome }) => [name, outcome]) ?? []);
  return { lab, service, storage, server, reply, request, stages };
}

describe('replies to a file flow', () => {
  it('settle their stages by local id on the request’s own workflow, each told once and delivered as a reply', async () => {
    const { lab, reply, request, stages } = await start();
    const { id, messageId } = await request(CHECK, { localId: 'REF-1' });
    assert.deepEqual(await stages(id), { receipt: 'awaited', list: 'awaited' });
    const receipt = await reply({
      workflowId: CHECK,
      subject: 'SUCCESS',
      localId: 'REF-1',
      payload: '{"status":"pending"}',
    });
    assert.equal(receipt?.kind, 'business-acknowledgement');
    assert.deepEqual(receipt?.reply, {
      workflowId: CHECK,
      stage: 'receipt',
      kind: 'receipt',
      outcome: 'positive',
      sentId: id,
      sentMessageId: messageId,
      isDuplicate: false,
    });
    assert.deepEqual(await stages(id), { receipt: 'positive', list: 'awaited' });
    await reply({ workflowId: CHECK, subject: 'cleaned', localId: 'REF-1', payload: LIST });
    assert.deepEqual(await stages(id), { receipt: 'positive', list: 'positive' });
    assert.equal((await lab.outbox.get(id))?.replies, 'positive');
    assert.deepEqual(
      lab.events.filter(({ reply: each }) => each).map(({ event, reply: each }) => [event, each?.stage]),
      [
        ['reply positive', 'receipt'],
        ['reply positive', 'list'],
      ],
    );
    assert.deepEqual(lab.taken.failures, []);
  });

  it('are never taken for a request: mesh-ack sends nothing for them, and nothing is awaited of what they send', async () => {
    const { lab, service, reply, request } = await start();
    await request(CHECK, { localId: 'REF-1' });
    const delivered = await reply({ workflowId: CHECK, subject: 'SUCCESS', localId: 'REF-1', payload: '{}' });
    const { messageId = '' } = delivered?.received.message ?? {};
    for (const form of ['profile', 'custom'] as const) {
      const wanted = { form, level: 'business', outcome: 'accepted', custom: 'ok' } as const;
      assert.deepEqual(await lab.sendAcknowledgement(messageId, wanted), { sent: false, why: 'acknowledgement' });
    }
    assert.equal((await service.outbox.list({}))[0]?.stages, undefined);
  });

  it('that are empty, or say what no list says, are negative and never an empty list; what follows is then not awaited', async () => {
    const { lab, reply, request, stages } = await start();
    for (const [localId, payload] of [
      ['REF-1', 'The file contains one or more invalid NHS Numbers. '],
      ['REF-2', '\n'],
    ] as const) {
      const { id } = await request(CHECK, { localId });
      const delivered = await reply({ workflowId: CHECK, subject: 'ERROR', localId, payload });
      assert.equal(delivered?.reply?.outcome, 'negative');
      assert.deepEqual(await stages(id), { receipt: 'awaited', list: 'negative' });
      assert.equal(lab.eventsOf(id).at(-1), 'reply negative');
    }
    const { id } = await request(BATCH, { fileName: 'FLU_v5_X99999_1.csv' });
    const file = 'CODE|DISPLAY\r\nFailure|Processing Error\r\n';
    await reply({ workflowId: 'BATCH_REPLY', fileName: 'FLU_v5_X99999_1_InfAck_20260227.csv', payload: file });
    assert.deepEqual(await stages(id), { InfAck: 'negative', BusAck: 'not-asked' });
  });

  it('are matched by the stem of the file name; rows that failed make them partial, wherever they stand', async () => {
    const { reply, request, stages, lab } = await start();
    const { id } = await request(BATCH, { fileName: 'FLU_v5_X99999_1.csv' });
    await request(BATCH, { fileName: 'FLU_v5_X99999_10.csv' });
    await reply({
      workflowId: 'BATCH_REPLY',
      fileName: 'flu_V5_x99999_1_InfAck_20260227T14101500.csv',
      payload: 'MESSAGE_HEADER_ID|CODE\r\n"a ""quoted"" | id"|Success\r\n',
    });
    const row = (n: number): string => `"id ${n}\nwith a line end"|OK|\n`;
    const rows = Array.from({ length: 9000 }, (_, n) => row(n)).join('');
    const busAck = await reply({
      workflowId: 'BATCH_REPLY',
      fileName: 'FLU_v5_X99999_1_BusAck_20260227T14101500.csv',
      payload: `ID|CODE|LOCAL_ID\n${rows}x|Fatal Error|\n`,
    });
    assert.equal(busAck?.reply?.sentId, id);
    assert.deepEqual(await stages(id), { InfAck: 'positive', BusAck: 'partial' });
    assert.deepEqual(lab.taken.failures, []);
  });

  it('that say what the profile does not know settle nothing, and are raised', async () => {
    const { reply, request, stages, lab } = await start();
    const { id } = await request(BATCH, { fileName: 'a.csv' });
    const delivered = await reply({ workflowId: 'BATCH_REPLY', fileName: 'a_InfAck_1.csv', payload: 'CODE\nMaybe\n' });
    assert.equal(delivered?.reply?.problem, 'unclear');
    assert.deepEqual(await stages(id), { InfAck: 'awaited', BusAck: 'awaited' });
    assert.match(
      lab.taken.failures[0]?.error.message ?? '',
      /reply “InfAck”\) says something that its workflow’s profile/,
    );
  });

  it('settle each request that their rows name, and a key that was kept at sending', async () => {
    const { reply, request, stages, lab } = await start();
    const first = await request(NOTIFY, { localId: 'B-1', payload: 'ref,KEY-7\n' });
    const second = await request(NOTIFY, { localId: 'B-2', payload: 'ref,KEY-8\n' });
    const payload = 'date,"requestRefId",status\n1,B-1,sent\n2,B-2,failed\n3,b-1,sent\n';
    const report = await reply({ workflowId: 'NOTIFY_REPORT', subject: '2026-04-03', payload });
    assert.deepEqual([report?.reply?.sentId, report?.reply?.further?.[0]?.sentId], [first.id, second.id]);
    const keyed = await reply({ workflowId: 'NOTIFY_KEYED', payload: '{"status":[{"code":"key-8"}]}' });
    assert.equal(keyed?.reply?.sentId, second.id);
    assert.deepEqual(await stages(first.id), { report: 'positive', archive: 'not-asked', keyed: 'not-asked' });
    assert.deepEqual(await stages(second.id), { report: 'positive', archive: 'not-asked', keyed: 'positive' });
    const unknown = await reply({ workflowId: 'NOTIFY_REPORT', payload: 'requestRefId,status\nB-1,x\nB-9,x\n' });
    assert.deepEqual([unknown?.reply?.sentId, unknown?.reply?.problem], [first.id, 'unmatched']);
    assert.equal(lab.taken.failures.length, 1);
  });

  it('are positive by what an archive has in it, by its names', async () => {
    const { reply, request, stages } = await start();
    const { id } = await request(NOTIFY, { localId: 'my_file.csv.gz' });
    const good = await request(NOTIFY, { localId: 'other.csv' });
    const archive = (localId: string, ...names: string[]) =>
      reply({ workflowId: 'NOTIFY_ARCHIVE', localId, payload: tgz(names.map((name) => ({ name, content: 'hello' }))) });
    // Another's list, and a name that is almost the one.
    await archive('my_file.tar.gz', 'submission.json', 'my_file-csv', 'your_file.csv');
    await archive('other.tar.gz', 'submission.json', 'other.csv');
    assert.equal((await stages(id))['archive'], 'negative');
    assert.equal((await stages(good.id))['archive'], 'positive');
  });

  it('of one stage that come again are told as duplicates and settle once; a worse one counts', async () => {
    const { reply, request, stages, lab } = await start();
    const { id } = await request(CHECK, { localId: 'REF-1' });
    const receipt = { workflowId: CHECK, subject: 'SUCCESS', localId: 'REF-1', payload: '{}' };
    await reply(receipt);
    const again = await reply(receipt);
    assert.equal(again?.reply?.isDuplicate, true);
    const list = { workflowId: CHECK, subject: 'list', localId: 'REF-1' };
    await reply({ ...list, payload: LIST });
    assert.equal((await reply({ ...list, payload: '9997877896,\n' }))?.reply?.isDuplicate, true);
    assert.equal((await reply({ ...list, payload: 'refused' }))?.reply?.isDuplicate, false);
    assert.deepEqual(await stages(id), { receipt: 'positive', list: 'negative' });
    const told = lab.events.filter(({ reply: each }) => each).map(({ event }) => event);
    const repeated = 'reply repeated';
    assert.deepEqual(told, ['reply positive', repeated, 'reply positive', repeated, 'reply negative']);
    const report = { workflowId: 'NOTIFY_REPORT', payload: 'requestRefId,status\nB-1,x\n' };
    await request(NOTIFY, { localId: 'B-1' });
    assert.equal((await reply(report))?.reply?.isDuplicate, false);
    assert.equal((await reply(report))?.reply?.isDuplicate, true);
    assert.equal((await reply({ ...report, payload: `${report.payload}B-1,y\n` }))?.reply?.isDuplicate, false);
  });

  it('that two requests could claim settle neither and are raised; what else names one of them decides', async () => {
    const { reply, request, stages, lab } = await start();
    const first = await request(CHECK, { localId: 'SAME' });
    const second = await request(CHECK, { localId: 'SAME' });
    const list = await reply({ workflowId: CHECK, subject: 'list', localId: 'SAME', payload: LIST });
    assert.deepEqual([list?.reply?.problem, list?.reply?.sentId], ['ambiguous', undefined]);
    assert.match(lab.taken.failures[0]?.error.message ?? '', /could belong to several messages, and settled none/);
    const payload = JSON.stringify({ request: { message_id: second.messageId } });
    const receipt = await reply({ workflowId: CHECK, subject: 'SUCCESS', localId: 'SAME', payload });
    assert.equal(receipt?.reply?.sentId, second.id);
    assert.deepEqual(await stages(first.id), { receipt: 'awaited', list: 'awaited' });
    assert.deepEqual(await stages(second.id), { receipt: 'positive', list: 'awaited' });
  });

  it('that name two requests at once, or none, settle nothing and are raised', async () => {
    const { reply, request, stages, lab } = await start();
    const first = await request(CHECK, { localId: 'REF-1' });
    const second = await request(CHECK, { localId: 'REF-2' });
    const payload = JSON.stringify({ request: { message_id: second.messageId } });
    for (const localId of ['REF-1', 'REF-3', undefined]) {
      const receipt = { workflowId: CHECK, subject: 'SUCCESS', payload: localId === 'REF-1' ? payload : '{}' };
      const delivered = await reply({ ...receipt, ...(localId === undefined ? {} : { localId }) });
      assert.deepEqual([delivered?.kind, delivered?.reply?.problem], ['business-acknowledgement', 'unmatched']);
    }
    assert.equal(lab.taken.failures.length, 3);
    for (const { id } of [first, second]) assert.deepEqual(await stages(id), { receipt: 'awaited', list: 'awaited' });
  });

  it('count from the recipient of the request only, unless the profile names others', async () => {
    const { reply, request, stages, server } = await start();
    const stranger = party(server, { storage: await storageIn(), mailboxId: 'X26ABC3' });
    const { id } = await request(CHECK, { localId: 'REF-1' });
    const delivered = await reply({ workflowId: CHECK, subject: 'list', localId: 'REF-1', payload: LIST }, stranger);
    assert.equal(delivered?.reply?.problem, 'unmatched');
    assert.deepEqual(await stages(id), { receipt: 'awaited', list: 'awaited' });
  });

  it('on the request’s own workflow come from the mailboxes that the profile names; what others send is data', async () => {
    const { reply, request, stages, server, lab } = await start();
    const named = party(server, { storage: await storageIn(), mailboxId: 'X26ABC3' });
    const { id } = await request(PORTAL, { localId: 'REF-1' });
    const message = { workflowId: PORTAL, localId: 'REF-1', payload: LIST };
    const fromRecipient = await reply(message);
    assert.deepEqual([fromRecipient?.kind, fromRecipient?.reply], ['data', undefined]);
    assert.deepEqual(await stages(id), { answer: 'awaited' });
    assert.equal((await reply(message, named))?.reply?.sentId, id);
    assert.deepEqual(lab.taken.failures, []);
  });

  it('keep no name in the row of the reply once it has settled, and none in an error', async () => {
    const { reply, request, lab, storage } = await start();
    await request(CHECK, { localId: 'SECRET-1' });
    await reply({ workflowId: CHECK, subject: 'list', localId: 'SECRET-1', payload: LIST });
    await reply({ workflowId: CHECK, subject: 'list', localId: 'SECRET-2', payload: LIST });
    for (const messageId of lab.taken.ids()) {
      const row = await storage.store.getIncoming(lab.storeKey, messageId);
      assert.equal(row?.classification?.['kind'], 'reply');
      assert.doesNotMatch(JSON.stringify(row?.classification), /SECRET/);
    }
    assert.doesNotMatch(lab.taken.failures.map(({ error }) => String(error)).join(), /SECRET/);
  });

  it('that are large or hostile are read in bounded time, and are not taken for what they are not', async () => {
    const { reply, request } = await start();
    await request(CHECK, { localId: 'REF-1' });
    const nested = `{"request":{"message_id":${'['.repeat(100_000)}`;
    const huge = JSON.stringify({ request: { message_id: 'x' }, filler: 'y'.repeat(1_100_000) });
    for (const payload of [nested, huge]) {
      const began = performance.now();
      const delivered = await reply({ workflowId: CHECK, subject: 'SUCCESS', localId: 'REF-1', payload });
      assert.ok(performance.now() - began < 5000);
      assert.equal(delivered?.reply?.stage, 'receipt');
    }
    const bomb = gzipSync(Buffer.alloc(20_000_000));
    const archived = await reply({ workflowId: 'NOTIFY_ARCHIVE', localId: 'x.tar.gz', payload: bomb });
    assert.equal(archived?.reply?.problem, 'unmatched');
  });

  it('that settled before a kill, and are read again after it, settle nothing twice', async () => {
    const server = await tlsSandbox();
    const folder = await emptyFolder();
    const before = await storageIn(folder);
    const lab = party(server, { storage: before, profiles: PROFILES });
    const service = party(server, { storage: await storageIn(), mailboxId: 'X26ABC2' });
    const { id } = await lab.sendOne(LIST, NOTIFY, { localId: 'B-1' });
    const { localId = '' } = (await lab.outbox.get(id)) ?? {};
    const payload = `requestRefId,status\n${localId},x\n`;
    await service.outbox.enqueue({ to: 'X26ABC1', workflowId: 'NOTIFY_REPORT', payload });
    await sent(service);
    await lab.collect();
    const [messageId = ''] = lab.taken.ids();
    const row = await before.store.getIncoming(lab.storeKey, messageId);
    const { settled, ...classification } = row?.classification ?? {};
    assert.deepEqual((settled as object[]).length, 1);
    // The state after a kill: the stage is settled, and the row of the reply does not say so.
    const readings = [
      { ...(classification['readings'] as object[])[0], rows: [{ request: 'localId', value: localId }] },
    ];
    const unsettled = { ...classification, readings };
    await before.store.changeIncoming(lab.storeKey, messageId, ['delivered'], { classification: unsettled });
    const stages = (await before.store.getOutgoing(id))?.stages;
    await lab.poller.close();
    await lab.close();
    await before.close();

    const after = await storageIn(folder);
    const again = party(server, { storage: after, profiles: PROFILES });
    await again.collect();
    const { reply } = again.taken.deliveries[0] ?? {};
    assert.deepEqual([reply?.sentId, reply?.isDuplicate], [id, false]);
    assert.deepEqual((await after.store.getOutgoing(id))?.stages, stages);
  });
});
