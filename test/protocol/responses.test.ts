import assert from 'node:assert/strict';
import { readError, readInbox, readMailboxes, readMessageId, readTracking } from '../../lib/protocol/responses';

const GARBAGE = [undefined, null, '', 'text', 5, [], {}, { messages: 'x' }, { messages: [1] }, { results: 5 }];

describe('the response to list_messages', () => {
  it('has ids, the next page and a count in version 2', () => {
    const next = '/messageexchange/M/inbox?max_results=10&continue_from=abc%3D%3D';
    assert.deepEqual(readInbox({ messages: ['a', 'b'], links: { self: '/x', next }, approx_inbox_count: 7 }), {
      messageIds: ['a', 'b'],
      continueFrom: 'abc==',
      approximateCount: 7,
    });
  });

  it('has only ids in version 1', () => assert.deepEqual(readInbox({ messages: ['a'] }), { messageIds: ['a'] }));

  for (const [what, links] of [
    ['null', null],
    ['with a null next', { next: null }],
    ['with an empty next', { next: '' }],
    ['with a next that does not say where', { next: '/messageexchange/M/inbox' }],
    ['with a next whose place is empty', { next: '/inbox?continue_from=' }],
  ] as const) {
    it(`is the last page if its links are ${what}`, () =>
      assert.deepEqual(readInbox({ messages: [], links, approx_inbox_count: null }), { messageIds: [] }));
  }

  it('may have unknown fields', () =>
    assert.deepEqual(readInbox({ messages: [], internalID: '1', more: {} }), { messageIds: [] }));

  it('is refused without a list of ids', () => {
    for (const body of GARBAGE) assert.throws(() => readInbox(body), JSON.stringify(body));
  });
});

describe('the response to send_message', () => {
  for (const [body, id] of [
    [{ message_id: 'A' }, 'A'],
    [{ messageID: 'B' }, 'B'],
    [{ messageId: 'C' }, 'C'],
    [{ message_id: null, messageID: 'D' }, 'D'],
    [{ message_id: '' }, undefined],
    [{ message_id: 5 }, undefined],
    ...GARBAGE.map((garbage) => [garbage, undefined] as const),
  ] as const) {
    it(`${JSON.stringify(body)} has the id ${id ?? 'undefined'}`, () => assert.equal(readMessageId(body), id));
  }
});

describe('the response to tracking', () => {
  it('is read in version 2', () => {
    assert.deepEqual(
      readTracking({
        message_id: 'MID',
        local_id: 'ours',
        workflow_id: 'WF',
        filename: 'a.txt',
        expiry_time: '2026-02-01T00:00:00',
        upload_timestamp: '2026-01-02T03:04:05',
        recipient: 'X26ABC2',
        recipient_name: 'Name',
        recipient_ods_code: 'X26',
        recipient_org_code: 'O',
        recipient_org_name: 'Org',
        status: 'Acknowledged',
        status_success: true,
        status_event: 'TRANSFER',
        status_code: '00',
        status_description: 'done',
        status_timestamp: '20260102030405',
      }),
      {
        messageId: 'MID',
        status: 'acknowledged',
        localId: 'ours',
        workflowId: 'WF',
        fileName: 'a.txt',
        expiryTime: '2026-02-01T00:00:00.000Z',
        uploadTimestamp: '2026-01-02T03:04:05.000Z',
        recipient: 'X26ABC2',
        recipientName: 'Name',
        recipientOdsCode: 'X26',
        recipientOrgCode: 'O',
        recipientOrgName: 'Org',
        statusSuccess: true,
        statusEvent: 'TRANSFER',
        statusCode: '00',
        statusDescription: 'done',
        statusTimestamp: '2026-01-02T03:04:05.000Z',
      },
    );
  });

  it('is read in version 1 into the same type', () => {
    assert.deepEqual(
      readTracking({
        messageId: 'MID',
        localId: 'ours',
        workflowId: 'WF',
        fileName: 'a.txt',
        subject: 's',
        expiryTime: '20260201000000',
        uploadTimestamp: '20260102030405',
        downloadTimestamp: '20260103030405',
        recipient: 'X26ABC2',
        recipientName: 'Name',
        meshRecipientOdsCode: 'X26',
        recipientOrgCode: 'O',
        recipientOrgName: 'Org',
        status: 'Undeliverable',
        statusSuccess: 'ERROR',
        statusEvent: 'SEND',
        statusCode: '14',
        statusDescription: 'not collected',
        statusTimestamp: '20260102030405',
        fileSize: 12,
        chunkCount: 2,
        linkedMsgId: 'REP',
        failureDiagnostic: 'why',
      }),
      {
        messageId: 'MID',
        status: 'undeliverable',
        localId: 'ours',
        workflowId: 'WF',
        fileName: 'a.txt',
        subject: 's',
        expiryTime: '2026-02-01T00:00:00.000Z',
        uploadTimestamp: '2026-01-02T03:04:05.000Z',
        downloadTimestamp: '2026-01-03T03:04:05.000Z',
        recipient: 'X26ABC2',
        recipientName: 'Name',
        recipientOdsCode: 'X26',
        recipientOrgCode: 'O',
        recipientOrgName: 'Org',
        statusSuccess: false,
        statusEvent: 'SEND',
        statusCode: '14',
        statusDescription: 'not collected',
        statusTimestamp: '2026-01-02T03:04:05.000Z',
        fileSize: 12,
        totalChunks: 2,
        linkedMessageId: 'REP',
        failureDiagnostic: 'why',
      },
    );
  });

  it('may have nulls in every other field', () => {
    const nulls = Object.fromEntries(
      ['local_id', 'workflow_id', 'status', 'status_success', 'upload_timestamp', 'fileSize', 'linkedMsgId'].map(
        (name) => [name, null],
      ),
    );
    assert.deepEqual(readTracking({ ...nulls, message_id: 'MID' }), { messageId: 'MID', status: '' });
  });

  it('is a success with SUCCESS, true or "true"', () => {
    const success = (status_success: unknown): boolean | undefined =>
      readTracking({ message_id: 'M', status_success }).statusSuccess;
    assert.deepEqual(['SUCCESS', 'success', 'true', true].map(success), [true, true, true, true]);
    assert.deepEqual(['ERROR', 'false', false].map(success), [false, false, false]);
    assert.equal(success(null), undefined);
  });

  it('is refused without a message id', () => {
    for (const body of [...GARBAGE, { message_id: null }, { message_id: '' }]) {
      assert.throws(() => readTracking(body), JSON.stringify(body));
    }
  });
});

describe('the response to a lookup', () => {
  it('is read in versions 1 and 2 into the same type', () => {
    const expected = [{ mailboxId: 'X26ABC1', name: 'One' }];
    assert.deepEqual(readMailboxes({ results: [{ mailbox_id: 'X26ABC1', mailbox_name: 'One' }] }), expected);
    assert.deepEqual(
      readMailboxes({ query_id: 'q', results: [{ address: 'X26ABC1', description: 'One', endpoint_type: 'MESH' }] }),
      expected,
    );
  });

  it('may be empty or have nulls; rows without an address are left out', () => {
    assert.deepEqual(readMailboxes({ results: [] }), []);
    assert.deepEqual(readMailboxes({ results: [{ mailbox_id: 'A', mailbox_name: null }, { mailbox_name: 'none' }] }), [
      { mailboxId: 'A', name: '' },
    ]);
  });

  it('is refused without results', () => {
    for (const body of GARBAGE) assert.throws(() => readMailboxes(body), JSON.stringify(body));
  });
});

describe('the body of an error response', () => {
  it('is read in version 1', () => {
    assert.deepEqual(
      readError({ messageID: 'MID', errorEvent: 'SEND', errorCode: '12', errorDescription: 'Unregistered to address' }),
      { code: '12', event: 'SEND', description: 'Unregistered to address', messageId: 'MID' },
    );
  });

  it('is read in version 2, as a list and as a single entry', () => {
    const detail = { event: 'SEND', code: '12', msg: 'Unregistered to address' };
    const expected = { code: '12', event: 'SEND', description: 'Unregistered to address', messageId: 'MID' };
    assert.deepEqual(readError({ message_id: 'MID', detail: [detail] }), expected);
    assert.deepEqual(readError({ message_id: 'MID', detail }), expected);
  });

  it('names the field of a 400 and never its value', () => {
    const body = {
      detail: [
        { loc: ['header', 'mex-subject', 0, { v: 'MARK' }], msg: 'too long', type: 'x', input: 'MARK', ctx: 'MARK' },
      ],
    };
    assert.deepEqual(readError(body), { description: 'too long', fields: 'header mex-subject' });
  });

  it('is its text for a plain 404', () =>
    assert.deepEqual(readError({ detail: 'Not Found' }), { description: 'Not Found' }));

  it('says nothing if it is full of nulls', () => {
    assert.deepEqual(readError({ errorCode: null, errorEvent: null, errorDescription: null, detail: null }), {});
    assert.deepEqual(readError({ detail: [{ event: null, code: null, msg: null, loc: null }] }), {});
  });

  for (const body of [
    undefined,
    null,
    'text',
    5,
    [],
    {},
    { detail: [] },
    { detail: 5 },
    { errorCode: 12 },
    { detail: [5] },
  ]) {
    it(`${JSON.stringify(body)} says nothing`, () => assert.deepEqual(readError(body), {}));
  }
});
