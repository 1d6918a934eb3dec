import assert from 'node:assert/strict';
import { ledgerHead, ledgerLine } from '../../lib/index';
import { steppedClock } from '../harness/clocks';
import { letter, outboxAt, storageIn, tlsSandbox } from '../harness/outboxes';
import { emptyFolder } from '../harness/cleanup';
import { eventually } from '../harness/until';

const entry = {
  sequence: 1,
  time: Date.UTC(2026, 0, 15, 9, 30),
  mailbox: 'https://mesh X26ABC1',
  direction: 'out',
  reference: '=1+1',
  messageId: null,
  event: 'chunk',
  detail: { chunk: 1, note: 'a "quoted", one' },
} as const;

describe('the ledger as text', () => {
  it('is CSV in which a spreadsheet takes no id for a formula', () => {
    assert.equal(ledgerHead('csv'), 'time,direction,reference,messageId,event,detail\r\n');
    assert.equal(
      ledgerLine(entry, 'csv'),
      `2026-01-15T09:30:00.000Z,out,'=1+1,,chunk,"{""chunk"":1,""note"":""a \\""quoted\\"", one""}"\r\n`,
    );
  });

  it('is one line of six cells, whatever the id, and no cell begins a formula', () => {
    const cells = (line: string): string[] =>
      [...line.slice(0, -2).matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^",\r\n]*))/g)].map(
        ([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain ?? '',
      );
    for (const id of ['=cmd', '+1', '-1', '@SUM(1)', '\t=1', '\r=1', '\n=1', 'a"b', 'a,b', 'a\r\n=1,2', '"=1', ',=1']) {
      const line = ledgerLine({ ...entry, reference: id, messageId: id, event: id, detail: { id } }, 'csv');
      assert.ok(line.endsWith('\r\n'));
      const read = cells(line);
      assert.equal(read.length, 6, JSON.stringify(line));
      for (const cell of read) assert.doesNotMatch(cell, /^[=+\-@\t\r\n]/, JSON.stringify(line));
      for (const cell of read.slice(2, 5)) assert.ok(cell === id || cell === `'${id}`);
      assert.deepEqual(JSON.parse(read[5] ?? ''), { id });
    }
  });

  it('is JSON, one event on each line', () => {
    assert.equal(ledgerHead('jsonl'), '');
    assert.deepEqual(JSON.parse(ledgerLine(entry, 'jsonl')), {
      time: '2026-01-15T09:30:00.000Z',
      direction: 'out',
      reference: '=1+1',
      messageId: null,
      event: 'chunk',
      detail: entry.detail,
    });
  });

  it('has every event of a mailbox; an undelivered message has the text for the service desk', async () => {
    const server = await tlsSandbox();
    const storage = await storageIn(await emptyFolder());
    const clock = steppedClock((ms) => server.clock.advance(ms));
    const mailbox = outboxAt(server, { storage, clock });
    const ids: string[] = [];
    for (let n = 0; n < 300; n += 1) ids.push((await mailbox.outbox.enqueue(letter(`letter ${n}`))).message.id);
    mailbox.start();
    const last = await mailbox.outbox.accepted(ids.at(-1) ?? '');
    const events: string[] = [];
    for await (const line of mailbox.outbox.ledger({ from: 0, to: clock.now() + 60_000 })) events.push(line.event);
    assert.deepEqual(
      ['queued', 'attempt', 'accepted'].map((name) => events.filter((event) => event === name).length),
      [300, 300, 300],
    );
    assert.equal(last.serviceDesk, undefined);
    await mailbox.settleReport({
      mailboxId: 'X26ABC1',
      messageId: 'REPORT1',
      messageType: 'REPORT',
      from: '',
      to: 'X26ABC2',
      workflowId: last.workflowId,
      totalChunks: 1,
      linkedMessageId: last.messageId ?? '',
      statusCode: '14',
      statusEvent: 'SEND',
    });
    await eventually('undelivered', async () => (await mailbox.outbox.get(last.id))?.state === 'undelivered');
    const { serviceDesk = '' } = (await mailbox.outbox.get(last.id)) ?? {};
    assert.match(serviceDesk, new RegExp(`Message id: ${last.messageId}`));
    assert.match(serviceDesk, /mailbox: X26ABC1\n.*\n.*\nReport: SEND 14\n/);
  });
});
