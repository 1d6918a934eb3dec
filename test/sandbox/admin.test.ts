import assert from 'node:assert/strict';
import type { Sandbox } from '../../lib/sandbox';
import { acknowledge, call, download, inbox, sandboxFor, send, track, type HttpResponse } from './support';

function admin(sandbox: Sandbox, method: string, path: string, body?: unknown): Promise<HttpResponse> {
  const text = body === undefined ? {} : { body: JSON.stringify(body) };
  return call(sandbox, path, { method, ...text });
}

const REPORT = {
  mailbox_id: 'X26ABC1',
  status: 'error',
  workflow_id: 'W',
  code: '21',
  description: 'my error',
  subject: 'my subject',
  local_id: 'my local id',
  file_name: 'my file',
  linked_message_id: 'linked',
};

describe('sandbox: admin endpoints', () => {
  it('does not have them by default', async () => {
    const sandbox = await sandboxFor();
    const paths: Array<[string, string]> = [
      ['DELETE', '/admin/reset'],
      ['DELETE', '/messageexchange/admin/reset'],
      ['DELETE', '/admin/reset/X26ABC1'],
      ['POST', '/messageexchange/admin/report'],
      ['POST', '/admin/message/A/event'],
      ['GET', '/admin/mailbox/X26ABC1'],
      ['GET', '/messageexchange/mailbox/X26ABC1'],
      ['GET', '/admin/message/A'],
      ['POST', '/admin/faults'],
      ['POST', '/admin/clock'],
      ['GET', '/admin/log'],
    ];
    for (const [method, path] of paths) {
      const { status } = await admin(sandbox, method, path, {});
      assert.ok([403, 404, 405].includes(status), `${method} ${path}: ${status}`);
    }
    const rich = await call(sandbox, '/messageexchange/X26ABC1/inbox/rich', { as: 'X26ABC1' });
    assert.equal(rich.status, 404, 'rich is a message id then');
  });

  it('forgets all messages on reset', async () => {
    for (const path of ['/admin/reset', '/messageexchange/admin/reset']) {
      const sandbox = await sandboxFor({ admin: true });
      const id = await send(sandbox);
      const response = await admin(sandbox, 'DELETE', path);
      assert.deepEqual([response.status, response.json()], [200, { message: 'all mailboxes reset' }]);
      assert.deepEqual(await inbox(sandbox), []);
      assert.equal((await track(sandbox, id)).status, 404);
    }
  });

  it('resets one mailbox, while the other side of its messages still knows them', async () => {
    const sandbox = await sandboxFor({ admin: true });
    const received = await send(sandbox);
    const sent = await send(sandbox, { from: 'X26ABC2', to: 'X26ABC1' });
    const other = await send(sandbox, { from: 'X26ABC3', to: 'X26ABC1' });
    assert.equal((await admin(sandbox, 'DELETE', '/admin/reset/x26abc2')).status, 200);
    assert.deepEqual(await inbox(sandbox), []);
    assert.equal((await download(sandbox, received)).status, 404);
    assert.equal((await track(sandbox, received)).json()['status'], 'accepted');
    assert.deepEqual(await inbox(sandbox, 'X26ABC1'), [sent, other]);
    assert.equal((await track(sandbox, sent, { as: 'X26ABC2' })).status, 404);
    assert.equal((await admin(sandbox, 'DELETE', '/admin/reset/NOBODY')).status, 404);
    await sandbox.reset('x26abc1');
    assert.deepEqual(
      sandbox.messages().map(({ messageId }) => messageId),
      [other],
    );
  });

  it('puts a report into an inbox', async () => {
    const sandbox = await sandboxFor({ admin: true });
    const { message_id: id } = (await admin(sandbox, 'POST', '/messageexchange/admin/report', REPORT)).json();
    assert.deepEqual(await inbox(sandbox, 'X26ABC1'), [id]);
    const path = `/messageexchange/X26ABC1/inbox/${String(id)}`;
    const { headers, body } = await call(sandbox, path, { as: 'X26ABC1' });
    const got = ['to', 'workflowid', 'messagetype', 'statuscode', 'statusevent', 'statusdescription', 'filename'];
    assert.deepEqual(
      got.map((name) => headers[`mex-${name}`]),
      ['X26ABC1', 'W', 'REPORT', '21', 'TRANSFER', 'my error', 'my file'],
    );
    assert.deepEqual(
      [headers['mex-linkedmsgid'], headers['mex-localid'], headers['mex-statussuccess']],
      ['linked', 'my local id', 'ERROR'],
    );
    assert.deepEqual([headers['content-length'], body.length], ['0', 0]);
    const details = (await admin(sandbox, 'GET', `/admin/message/${String(id)}`)).json();
    assert.deepEqual(
      [details['message_type'], details['status_code'], details['status_success']],
      ['Report', '21', 'ERROR'],
    );
  });

  it('makes a report of an undelivered message by default', async () => {
    const sandbox = await sandboxFor({ admin: true });
    const { status: _status, ...body } = REPORT;
    const { message_id: id } = (await admin(sandbox, 'POST', '/admin/report', { ...body, subject: null })).json();
    const details = (await admin(sandbox, 'GET', `/messageexchange/admin/message/${String(id).toLowerCase()}`)).json();
    assert.deepEqual(
      [
        details['status'],
        details['status_code'],
        details['status_event'],
        details['status_description'],
        details['subject'],
      ],
      ['Accepted', '14', 'SEND', 'Message not collected by recipient after 5 days', 'NDR'],
    );
  });

  it('refuses an invalid report', async () => {
    const sandbox = await sandboxFor({ admin: true });
    const statuses = [];
    for (const body of [
      {},
      { ...REPORT, status: 'fine' },
      { ...REPORT, code: 21 },
      { ...REPORT, mailbox_id: 'NOBODY' },
    ]) {
      statuses.push((await admin(sandbox, 'POST', '/admin/report', body)).status);
    }
    assert.deepEqual(statuses, [400, 400, 400, 404]);
    assert.equal((await call(sandbox, '/admin/report', { method: 'POST', body: '{' })).status, 400);
  });

  it('adds an event to a message, which moves it in or out of the inbox', async () => {
    const sandbox = await sandboxFor({ admin: true });
    const id = await send(sandbox);
    const add = (status: string, path = `/admin/message/${id}/event`): Promise<HttpResponse> =>
      admin(sandbox, 'POST', path, { status, code: '14', event: 'SEND', description: 'because' });
    assert.equal((await add('error')).status, 200);
    assert.deepEqual(await inbox(sandbox), []);
    const tracked = (await track(sandbox, id)).json();
    assert.deepEqual(
      [tracked['status'], tracked['status_code'], tracked['status_description']],
      ['error', '14', 'because'],
    );
    assert.equal((await download(sandbox, id)).status, 410);
    assert.equal((await add('accepted', `/messageexchange/admin/message/${id}/event`)).status, 200);
    assert.deepEqual(await inbox(sandbox), [id]);
    assert.equal((await download(sandbox, id)).status, 200);
    assert.equal((await add('lost')).status, 400);
    assert.equal((await add('error', '/admin/message/NONE/event')).status, 404);
  });

  it('cannot restore the bytes of an acknowledged message: 410', async () => {
    const sandbox = await sandboxFor({ admin: true });
    const id = await send(sandbox);
    await acknowledge(sandbox, id);
    await admin(sandbox, 'POST', `/admin/message/${id}/event`, { status: 'accepted' });
    assert.deepEqual(await inbox(sandbox), [id]);
    assert.equal((await download(sandbox, id)).status, 410);
  });

  it('shows a mailbox without its password, and a message', async () => {
    const sandbox = await sandboxFor({ admin: true });
    for (const root of ['/admin', '/messageexchange/admin', '/messageexchange']) {
      assert.deepEqual((await admin(sandbox, 'GET', `${root}/mailbox/X26ABC1`)).json(), {
        mailbox_id: 'X26ABC1',
        mailbox_name: 'TESTMB1',
        billing_entity: 'England',
        ods_code: 'X26',
        org_code: 'X26',
        org_name: '',
        active: true,
      });
      assert.equal((await admin(sandbox, 'GET', `${root}/mailbox/NOBODY`)).status, 404);
    }
    const id = await send(sandbox);
    const details = (await admin(sandbox, 'GET', `/admin/message/${id}`)).json();
    assert.deepEqual([details['status'], details['file_size'], details['recipient']], ['Accepted', 5, 'X26ABC2']);
    assert.equal((await admin(sandbox, 'GET', '/admin/message/NONE')).status, 404);
  });

  it('lists the rich inbox and outbox, newest first, with acknowledged messages', async () => {
    const sandbox = await sandboxFor({ admin: true });
    const ids: string[] = [];
    for (let index = 0; index < 12; index += 1) ids.unshift(await send(sandbox));
    await acknowledge(sandbox, ids[3] ?? '');
    const page = async (path: string, as: string): Promise<{ ids: string[]; next: string | undefined }> => {
      const { messages, links } = (await call(sandbox, path, { as })).json();
      const listed = (messages as Array<{ message_id: string }>).map(({ message_id: id }) => id);
      return { ids: listed, next: (links as { next?: string }).next };
    };
    for (const [as, box] of [
      ['X26ABC2', 'inbox'],
      ['X26ABC1', 'outbox'],
    ] as const) {
      const first = await page(`/messageexchange/${as}/${box}/rich?max_results=10`, as);
      assert.deepEqual(first.ids, ids.slice(0, 10));
      const second = await page(first.next ?? '', as);
      assert.deepEqual([second.ids, second.next], [ids.slice(10), undefined]);
      assert.equal((await call(sandbox, `/messageexchange/${as}/${box}/rich?start_time=x`, { as })).status, 400);
      const later = `/messageexchange/${as}/${box}/rich?start_time=2999-01-01T00:00:00Z`;
      assert.deepEqual((await page(later, as)).ids, []);
      assert.equal((await call(sandbox, `/messageexchange/${as}/${box}/rich`)).status, 403);
    }
    assert.equal(
      (await call(sandbox, '/messageexchange/X26ABC1/update', { method: 'POST', as: 'X26ABC1' })).status,
      200,
    );
  });

  it('lets another process arm and clear faults', async () => {
    const sandbox = await sandboxFor({ admin: true });
    const fault = { operation: 'send_message', times: null, effect: { kind: 'status', status: 503 } };
    assert.equal((await admin(sandbox, 'POST', '/admin/faults', fault)).status, 200);
    for (let time = 0; time < 3; time += 1) await assert.rejects(send(sandbox), /503/);
    assert.equal((await admin(sandbox, 'DELETE', '/admin/faults')).status, 200);
    await send(sandbox);
    assert.equal((await admin(sandbox, 'POST', '/admin/faults', { operation: '*' })).status, 400);
  });

  it('lets another process move the clock', async () => {
    const sandbox = await sandboxFor({ admin: true });
    await send(sandbox);
    const set = (await admin(sandbox, 'POST', '/admin/clock', { set: '2027-01-31T12:00:00+01:00' })).json();
    assert.match(String(set['now']), /^2027-01-31T11:00:00/);
    await send(sandbox);
    const moved = (await admin(sandbox, 'POST', '/admin/clock', { advanceMs: 5 * 86_400_000 })).json();
    assert.match(String(moved['now']), /^2027-02-05T11:00:0/);
    assert.match(String((await admin(sandbox, 'GET', '/admin/clock')).json()['now']), /^2027-02-05T11:00:0/);
    // The first message is forgotten, its report and the second message have expired, and the second’s report is there.
    assert.deepEqual(
      sandbox.messages().map(({ status }) => status),
      ['undeliverable', 'undeliverable', 'accepted'],
    );
    for (const body of [{}, { set: 'yesterday' }, { advanceMs: '1' }, { advanceMs: 1e300 }]) {
      assert.equal((await admin(sandbox, 'POST', '/admin/clock', body)).status, 400);
    }
  });

  it('shows another process the messages and requests', async () => {
    const sandbox = await sandboxFor({ admin: true });
    const id = await send(sandbox, { headers: { 'Mex-LocalID': 'ref 1' } });
    const { messages, requests } = (await admin(sandbox, 'GET', '/admin/log')).json();
    const message = {
      messageId: id,
      from: 'X26ABC1',
      to: 'X26ABC2',
      workflowId: 'TEST_WORKFLOW',
      localId: 'ref 1',
      status: 'accepted',
      messageType: 'DATA',
      totalChunks: 1,
      bytes: 5,
    };
    assert.deepEqual(messages, [message]);
    assert.deepEqual(sandbox.messages(), [message]);
    const path = '/messageexchange/X26ABC1/outbox';
    const request = { operation: 'send_message', method: 'POST', path, status: 202, mailboxId: 'X26ABC1' };
    assert.deepEqual(requests, [request]);
  });
});
