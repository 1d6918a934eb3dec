import assert from 'node:assert/strict';
import { BodyStore } from '../../lib/sandbox/bodies';
import { Messages } from '../../lib/sandbox/messages';
import type { Message } from '../../lib/sandbox/message';
import { acknowledge, call, download, inbox, postChunk, sandboxFor, send, track } from './support';

const DAY = 24 * 60 * 60 * 1000;
const MINUTE = 60_000;

const failed = {
  workflowId: 'TOC_FHIR_IP_DISCH',
  headers: { 'Mex-LocalID': 'ref 1', 'Mex-Subject': 'subject', 'Mex-FileName': 'a.xml' },
};

describe('sandbox: expiry and reports', () => {
  it('keeps a message in the inbox for five days', async () => {
    const sandbox = await sandboxFor();
    const id = await send(sandbox);
    sandbox.clock.advance(5 * DAY - MINUTE);
    assert.deepEqual(await inbox(sandbox), [id]);
    assert.equal((await download(sandbox, id)).status, 200);
    assert.deepEqual(await inbox(sandbox, 'X26ABC1'), []);
  });

  it('removes it from the inbox after five days, and it can no longer be downloaded', async () => {
    const sandbox = await sandboxFor();
    const id = await send(sandbox);
    sandbox.clock.advance(5 * DAY);
    assert.deepEqual(await inbox(sandbox), []);
    assert.equal((await download(sandbox, id)).status, 410);
    assert.equal((await acknowledge(sandbox, id)).status, 200);
    const {
      status,
      status_success: success,
      status_code: code,
      status_event: event,
    } = (await track(sandbox, id)).json();
    assert.deepEqual([status, success, code, event], ['undeliverable', false, '14', 'SEND']);
  });

  it('sends the sender a REPORT with every header of the specification and no body', async () => {
    const sandbox = await sandboxFor();
    sandbox.clock.set(new Date('2026-01-26T12:00:00.000Z'));
    const id = await send(sandbox, failed);
    sandbox.clock.set(new Date('2026-01-31T12:00:01.000Z'));
    const [reportId = ''] = await inbox(sandbox, 'X26ABC1');
    const path = `/messageexchange/X26ABC1/inbox/${reportId}`;
    for (const method of ['GET', 'HEAD']) {
      const { status, headers, body } = await call(sandbox, path, {
        method,
        as: 'X26ABC1',
        headers: { 'Accept-Encoding': 'gzip' },
      });
      assert.deepEqual([status, body.length, headers['content-length']], [200, 0, '0']);
      const mex = Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith('mex-')));
      assert.deepEqual(mex, {
        'mex-messageid': reportId,
        'mex-messagetype': 'REPORT',
        'mex-linkedmsgid': id,
        'mex-to': 'X26ABC2',
        'mex-workflowid': 'TOC_FHIR_IP_DISCH',
        'mex-localid': 'ref 1',
        'mex-subject': 'subject',
        'mex-addresstype': 'ALL',
        'mex-version': '1.0',
        'mex-statuscode': '14',
        'mex-statusevent': 'SEND',
        'mex-statusdescription': 'Message not collected by recipient after 5 days',
        'mex-statussuccess': 'ERROR',
        'mex-statustimestamp': '20260131120001',
      });
      assert.equal(headers['content-encoding'], undefined);
    }
    assert.equal((await call(sandbox, `${path}/2`, { as: 'X26ABC1' })).status, 404);
    const first = (await track(sandbox, id, { version: 1 })).json();
    assert.deepEqual(
      [first['status'], first['statusSuccess'], first['linkedMsgId'], first['failureDate']],
      ['Undeliverable', 'ERROR', reportId, '20260131120001'],
    );
  });

  it('says in the REPORT if the recipient’s mailbox is disabled', async () => {
    const sandbox = await sandboxFor();
    await send(sandbox);
    sandbox.setMailboxActive('X26ABC2', false);
    sandbox.clock.advance(5 * DAY);
    const [reportId = ''] = await inbox(sandbox, 'X26ABC1');
    const { headers } = await call(sandbox, `/messageexchange/X26ABC1/inbox/${reportId}`, { as: 'X26ABC1' });
    assert.match(String(headers['mex-statusdescription']), /deactivated/);
  });

  it('acknowledges a REPORT like any message', async () => {
    const sandbox = await sandboxFor();
    await send(sandbox);
    sandbox.clock.advance(5 * DAY);
    const [reportId = ''] = await inbox(sandbox, 'X26ABC1');
    assert.equal((await acknowledge(sandbox, reportId, { as: 'X26ABC1' })).status, 200);
    assert.deepEqual(await inbox(sandbox, 'X26ABC1'), []);
  });

  it('never reports an acknowledged message or a REPORT', async () => {
    const sandbox = await sandboxFor();
    await acknowledge(sandbox, await send(sandbox));
    await send(sandbox);
    sandbox.clock.advance(5 * DAY);
    assert.equal((await inbox(sandbox, 'X26ABC1')).length, 1);
    sandbox.clock.advance(5 * DAY);
    assert.deepEqual(await inbox(sandbox, 'X26ABC1'), []);
    assert.equal(sandbox.messages().filter(({ messageType }) => messageType === 'REPORT').length, 1);
  });

  it('counts the five days of a chunked message from its last chunk', async () => {
    const sandbox = await sandboxFor();
    const id = await send(sandbox, { headers: { 'Mex-Chunk-Range': '1:2' } });
    sandbox.clock.advance(4 * DAY);
    await postChunk(sandbox, id, 2, 2);
    sandbox.clock.advance(4 * DAY);
    assert.deepEqual(await inbox(sandbox), [id]);
    sandbox.clock.advance(DAY);
    assert.deepEqual(await inbox(sandbox), []);
  });

  it('forgets the message after thirty days', async () => {
    const sandbox = await sandboxFor();
    const id = await send(sandbox);
    sandbox.clock.advance(30 * DAY - MINUTE);
    assert.equal((await download(sandbox, id)).status, 410);
    sandbox.clock.advance(MINUTE);
    assert.equal((await download(sandbox, id)).status, 404);
    assert.equal((await track(sandbox, id)).status, 404);
  });

  it('reports even if the clock jumps over all of it at once', async () => {
    const sandbox = await sandboxFor();
    const id = await send(sandbox);
    sandbox.clock.advance(40 * DAY);
    assert.equal((await inbox(sandbox, 'X26ABC1')).length, 1);
    assert.equal((await download(sandbox, id)).status, 404);
  });

  it('expires only messages that are due', async () => {
    const sandbox = await sandboxFor();
    await send(sandbox);
    sandbox.clock.advance(DAY);
    const later = await send(sandbox);
    sandbox.clock.advance(4 * DAY);
    assert.deepEqual(await inbox(sandbox), [later]);
    sandbox.clock.advance(DAY);
    assert.deepEqual(await inbox(sandbox), []);
  });

  it('refuses an invalid time', async () => {
    const sandbox = await sandboxFor();
    assert.throws(() => sandbox.clock.set(new Date('never')), /not valid/);
    assert.throws(() => sandbox.clock.advance(Number.NaN), /cannot be moved/);
    assert.throws(() => sandbox.clock.advance(1e17), /cannot be moved/);
    assert.ok(Math.abs(sandbox.clock.now().getTime() - Date.now()) < 1000);
  });

  it('remembers a bounded number of finished messages and every unfinished one', async () => {
    const sandbox = await sandboxFor({ maxFinishedMessages: 2 });
    const waiting = await send(sandbox);
    const ids = [];
    for (let index = 0; index < 3; index += 1) {
      const id = await send(sandbox);
      await acknowledge(sandbox, id);
      ids.push(id);
    }
    assert.deepEqual(
      sandbox.messages().map(({ messageId }) => messageId),
      [waiting, ...ids.slice(1)],
    );
    assert.equal((await track(sandbox, ids[0] ?? '')).status, 404);
  });

  it('forgets the local id of a forgotten message', async () => {
    const messages = new Messages(new BodyStore());
    const details = { workflowId: 'W', localId: 'L' } as Message['details'];
    const message: Message = {
      messageId: 'A',
      type: 'DATA',
      from: 'X',
      to: 'Y',
      details,
      totalChunks: 1,
      chunks: [],
      events: [{ status: 'accepted', at: 0 }],
      uploadedAt: 0,
      inboxExpiry: 1,
      position: 0,
      bytes: 0,
    };
    messages.add(message);
    assert.deepEqual(messages.withLocalId('X', 'L'), [message]);
    messages.forget(message);
    assert.deepEqual([messages.withLocalId('X', 'L'), [...messages.all()], messages.inboxCount('Y')], [[], [], 0]);
  });
});
