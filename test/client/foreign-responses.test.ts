/**
 * Something between this machine and MESH responds in its place, to each operation and with any status: that is a fault
 * of the connection. It ends nothing for good, and nothing of it is taken for a message, a chunk or an acknowledgement.
 */
import assert from 'node:assert/strict';
import { checkConnection, type Mailbox } from '../../lib/index';
import { ConnectionError, MeshError, NotFoundError, ProtocolError, UnknownOutcomeError } from '../../lib/index';
import { RejectedError } from '../../lib/index';
import { failure, fullErrorText } from '../harness/failure';
import { hostileMesh, type HostileResponse } from '../harness/hostile-mesh';
import { accessTo, mailboxAt } from '../harness/mailboxes';

const html = (status: number): HostileResponse => ({
  status,
  headers: { 'content-type': 'text/html; charset=utf-8', 'mex-messageid': '' },
  body: Buffer.from('<html><title>Sign in MARKpage</title></html>'),
});
const json = (body: unknown, status = 200, headers: Record<string, string> = {}): HostileResponse => ({
  status,
  headers: { 'content-type': 'application/json', 'mex-messageid': '', ...headers },
  body: Buffer.from(JSON.stringify(body)),
});
const MESH_ERROR = { message_id: 'MID', detail: [{ event: 'RECEIVE', code: '20', msg: 'Message does not exist' }] };

const whole = { to: 'X26ABC2', workflowId: 'WF', payload: 'short' };
const chunked = { ...whole, payload: 'more than ten bytes', compression: 'never' } as const;
const small = { maxRequestBytes: 10, chunkBytes: 10 };

/** Every operation that may be repeated. */
const CALLS: Record<string, (mailbox: Mailbox) => Promise<unknown>> = {
  handshake: (mailbox) => mailbox.handshake(),
  list_messages: (mailbox) => mailbox.listInbox(),
  head_message: (mailbox) => mailbox.head('MID'),
  retrieve_message: (mailbox) => mailbox.receive('MID'),
  acknowledge_message: (mailbox) => mailbox.acknowledge('MID'),
  'send_message of a first chunk': (mailbox) => mailbox.send(chunked),
  tracking_by_message_id: (mailbox) => mailbox.track('MID'),
  tracking_by_local_id: (mailbox) => mailbox.trackByLocalId('LOCAL'),
  endpointlookup: (mailbox) => mailbox.lookup('X26', 'WF'),
  workflowsearch: (mailbox) => mailbox.searchWorkflow('WF'),
};

/** Statuses that ask for another attempt keep their own error; all others are the connection's. */
const STATUSES = [200, 201, 202, 204, 206, 301, 302, 303, 304, 307, 400, 401, 403, 404, 405, 407, 408, 409, 410];
STATUSES.push(411, 413, 417, 418, 421, 422, 423, 431, 451, 501, 505, 511);

/** Asserts that a call fails as the connection does, with words for a person and nothing of the page. */
async function isForeign(call: Promise<unknown>, status: number, what: string): Promise<void> {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof ProtocolError, `${what}: ${fullErrorText(error)}`);
  assert.ok(error instanceof ConnectionError);
  assert.deepEqual([error.code, error.retry, error.status], ['MESH_PROTOCOL', 'safe', status], what);
  assert.match(error.message, /^Something between this machine and MESH responded in its place \(status \d+/);
  assert.ok(error.advice, what);
  assert.doesNotMatch(fullErrorText(error), /MARK/);
}

describe('a response that is not MESH’s', () => {
  for (const [operation, call] of Object.entries(CALLS)) {
    it(`is a fault of the connection to ${operation}, whatever its status`, async () => {
      let response: HostileResponse = {};
      const server = await hostileMesh(() => response);
      const mailbox = mailboxAt(server, small);
      for (const status of STATUSES) {
        response = html(status);
        await isForeign(call(mailbox), status, `${operation} ${status}`);
      }
    });
  }

  it('to the POST of a whole message leaves its outcome unknown, and is not repeated', async () => {
    let response: HostileResponse = {};
    const server = await hostileMesh(() => response);
    const mailbox = mailboxAt(server);
    for (const status of STATUSES) {
      response = html(status);
      const before = server.seen.length;
      const error = await failure(UnknownOutcomeError, mailbox.send(whole));
      assert.deepEqual([error.status, server.seen.length - before], [status, 1]);
      assert.match(error.message, /something between this machine and MESH responded in its place/);
    }
  });

  it('that says “not now” may be repeated, whoever sends it', async () => {
    for (const status of [425, 429, 503]) {
      const server = await hostileMesh((_request, number) =>
        number === 1 ? html(status) : json({ message_id: 'M' }, 202),
      );
      assert.equal((await mailboxAt(server).send(whole)).messageId, 'M', String(status));
    }
  });

  for (const [what, response] of [
    ['an error of MESH without the message’s headers', json(MESH_ERROR)],
    ['a page without the message’s headers', html(200)],
    ['a page with an empty message id', { ...html(200), headers: { 'mex-messageid': ' ' } }],
    ['another message', { headers: { 'mex-messageid': 'OTHER' }, body: Buffer.from('MARK') }],
    ['two message ids', { headers: { 'mex-messageid': 'MID, OTHER' }, body: Buffer.from('MARK') }],
    ['a partial page', html(206)],
  ] as const) {
    it(`with status 200 or 206 to a download (${what}) is not the message`, async () => {
      const server = await hostileMesh(() => response);
      const mailbox = mailboxAt(server);
      for (const call of [mailbox.receive('MID'), mailbox.head('MID')]) await failure(ProtocolError, call);
      assert.equal(server.count('PUT'), 0);
    });
  }

  it('in place of a later chunk is not that chunk', async () => {
    for (const second of [html(200), json(MESH_ERROR), json({}), { headers: { 'mex-messageid': 'OTHER' } }]) {
      const server = await hostileMesh(({ path }) =>
        path.endsWith('/2')
          ? second
          : { status: 206, headers: { 'mex-chunk-range': '1:2' }, body: Buffer.from('first half') },
      );
      await failure(ProtocolError, mailboxAt(server).receive('MID'));
    }
  });

  for (const [what, response] of [
    ['a page', html(200)],
    ['a page with 202', html(202)],
    ['nothing', { status: 202 }],
    ['an empty object', json({}, 202)],
    ['the id of another message', json({ message_id: 'OTHER' }, 202)],
    ['an error of MESH with its id', json(MESH_ERROR, 202)],
    ['a cut-off JSON', { status: 202, body: Buffer.from('{"message_id":"MI') }],
    ['an id that is no text', json({ message_id: 7 }, 202)],
  ] as const) {
    it(`to a later chunk (${what}) does not count as sent`, async () => {
      const server = await hostileMesh(({ path }) =>
        path.endsWith('/outbox') ? json({ message_id: 'MID' }, 202) : response,
      );
      const sent: number[] = [];
      const sending = mailboxAt(server, small).send(
        { ...chunked, payload: 'three chunks of ten bytes' },
        { onProgress: ({ chunk }) => sent.push(chunk) },
      );
      await failure(ProtocolError, sending);
      assert.deepEqual(sent, [1]);
    });
  }

  it('to the last chunk leaves the outcome unknown', async () => {
    const server = await hostileMesh(({ path }) =>
      path.endsWith('/outbox') ? json({ message_id: 'MID' }, 202) : html(200),
    );
    await failure(UnknownOutcomeError, mailboxAt(server, small).send(chunked));
  });

  it('to the last chunk with status 423 does not count as complete', async () => {
    const server = await hostileMesh(({ path }, number) => {
      if (path.endsWith('/outbox')) return json({ message_id: 'MID' }, 202);
      return number === 1 ? 'break' : html(423);
    });
    await failure(UnknownOutcomeError, mailboxAt(server, small).send(chunked));
  });

  for (const [what, response] of [
    ['a page', html(404)],
    ['nothing', { status: 404, headers: { 'mex-messageid': '' } }],
    ['another server’s JSON', json({ detail: 'Not Found' }, 404)],
    ['a gateway’s JSON', json({ message: 'Not Found' }, 404)],
    ['MESH’s error about another message', json({ ...MESH_ERROR, message_id: 'OTHER' }, 404)],
  ] as const) {
    it(`that does not know the message (${what}) does not make it gone, acknowledged or untracked`, async () => {
      const server = await hostileMesh(() => response);
      const mailbox = mailboxAt(server);
      for (const call of [mailbox.receive('MID'), mailbox.acknowledge('MID'), mailbox.track('MID')])
        await failure(ProtocolError, call);
    });
  }

  for (const [operation, bodies] of Object.entries({
    list_messages: [
      { messages: 'M1' },
      { messages: [1] },
      { messages: [null] },
      { messages: [''] },
      [],
      null,
      'text',
      7,
    ],
    tracking_by_message_id: [{ message_id: 'OTHER' }, { message_id: ['MID'] }, { status: 'acknowledged' }, MESH_ERROR],
    tracking_by_local_id: [{ message_id: 'MID' }, { message_id: 'MID', local_id: 'OTHER' }, { local_id: 'LOCAL' }],
    endpointlookup: [{ results: {} }, { results: [7] }, { mailboxes: [] }],
    workflowsearch: [{ results: 'none' }, { messages: [] }],
    handshake: ['text', 7, [], { mailboxId: 'X26OTHER' }],
    acknowledge_message: ['text', 7, [], { messageId: 'OTHER' }],
    'send_message of a first chunk': [{}, { id: 'M' }, { message_id: '' }, { message_id: {} }, MESH_ERROR],
  })) {
    it(`in JSON of another form is a fault of the connection to ${operation}`, async () => {
      let body: unknown;
      const server = await hostileMesh(() => json(body));
      const mailbox = mailboxAt(server, small);
      for (body of bodies) {
        const call = CALLS[operation] ?? assert.fail(operation);
        await isForeign(call(mailbox), 200, `${operation} ${JSON.stringify(body)}`);
      }
    });
  }

  it('is named by the connection test, which does not take its time for MESH’s', async () => {
    const server = await hostileMesh(() => ({
      ...html(200),
      headers: { 'content-type': 'text/html', date: new Date(0).toUTCString() },
    }));
    const steps = await checkConnection(accessTo(server));
    const failed = steps.filter(({ outcome }) => outcome === 'failed');
    assert.deepEqual(
      failed.map(({ step }) => step),
      ['handshake'],
    );
    assert.match(failed[0]?.text ?? '', /responded in its place \(status 200, text\/html\)/);
    assert.equal(steps.find(({ step }) => step === 'clock')?.outcome, 'skipped');
  });

  it('has advice that fits its status', async () => {
    for (const [status, advice] of [
      [302, /login/],
      [511, /login/],
      [407, /user name and password/],
      [413, /size of requests/],
      [403, /proxy or firewall/],
    ] as const) {
      const server = await hostileMesh(() => html(status));
      assert.match((await failure(ProtocolError, mailboxAt(server).listInbox())).advice ?? '', advice);
    }
  });
});

describe('MESH’s own response', () => {
  const at = async (response: HostileResponse): Promise<Mailbox> => mailboxAt(await hostileMesh(() => response), small);

  it('to send_chunk is also JSON’s null, as NHS England’s sandbox sends it in version 2', async () => {
    const server = await hostileMesh(({ path }) =>
      path.endsWith('/outbox') ? json({ message_id: 'MID' }, 202) : json(null, 202),
    );
    assert.equal((await mailboxAt(server, small).send(chunked)).messageId, 'MID');
  });

  it('to handshake and acknowledge_message is empty, or names the mailbox or message', async () => {
    await (await at({})).handshake();
    await (await at(json({ mailboxId: 'X26ABC1' }))).handshake();
    await (await at({})).acknowledge('MID');
    await (await at(json({ messageId: 'mid' }))).acknowledge('MID');
  });

  it('is a refusal in version 1, in version 2, with the fields of a 400, or with an internal id alone', async () => {
    const v1 = { errorEvent: 'RECEIVE', errorCode: '20', errorDescription: 'x' };
    const internal = { internal_id: '20260101', message: 'An internal error occurred.' };
    for (const body of [MESH_ERROR, v1, internal])
      await failure(NotFoundError, (await at(json(body, 404))).receive('MID'));
    const fields = { detail: [{ loc: ['header', 'mex-to'], msg: 'too long', type: 'value_error' }] };
    await failure(RejectedError, (await at(json(fields, 400))).listInbox());
    await failure(MeshError, (await at({ status: 403 })).listInbox()).then(({ code }) =>
      assert.equal(code, 'MESH_AUTHENTICATION'),
    );
  });

  it('to a chunk that it has already is a 423 with a message and no id, as NHS England’s sandbox sends it', async () => {
    const body = { message: 'An internal error occurred.\n\nPlease contact support.' };
    const server = await hostileMesh(({ path }, number) => {
      if (path.endsWith('/outbox')) return json({ message_id: 'MID' }, 202);
      return number === 1 ? 'break' : json(body, 423);
    });
    assert.equal((await mailboxAt(server, small).send(chunked)).messageId, 'MID');
  });

  it('to HEAD has no body, and JSON as its type', async () => {
    const type = { 'content-type': 'application/vnd.mesh.v2+json', 'mex-messageid': '' };
    await failure(NotFoundError, (await at({ status: 404, headers: type })).head('MID'));
  });
});
