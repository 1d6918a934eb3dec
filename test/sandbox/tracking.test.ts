import assert from 'node:assert/strict';
import { acknowledge, call, errorOf, sandboxFor, send, track, V2 } from './support';

const NOON = new Date('2026-01-31T12:00:00.000Z');
const LOCAL = { headers: { 'Mex-LocalID': 'ref 1/2', 'Mex-FileName': 'a.txt' } };

const byLocalId = (localId: string): string =>
  `/messageexchange/X26ABC1/outbox/tracking/${encodeURIComponent(localId)}`;

describe('sandbox: tracking', () => {
  it('reports the outcome of a message in version 2, with ISO times', async () => {
    const sandbox = await sandboxFor();
    sandbox.clock.set(NOON);
    const id = await send(sandbox, LOCAL);
    const response = await track(sandbox, id);
    const { upload_timestamp: uploaded, expiry_time: expiry, status_timestamp: at, ...rest } = response.json();
    assert.equal(response.headers['content-type'], V2);
    assert.match(String(uploaded), /^2026-01-31T12:00:0\d\.\d{3}Z$/);
    assert.match(String(expiry), /^2026-02-05T12:00:0\d\.\d{3}Z$/);
    assert.equal(at, uploaded);
    assert.deepEqual(rest, {
      message_id: id,
      local_id: 'ref 1/2',
      workflow_id: 'TEST_WORKFLOW',
      filename: 'a.txt',
      recipient: 'X26ABC2',
      recipient_name: 'TESTMB2',
      recipient_ods_code: 'X26',
      recipient_org_code: 'X26',
      recipient_org_name: '',
      status_success: true,
      status: 'accepted',
      status_event: 'TRANSFER',
      status_description: 'Transferred to recipient mailbox',
      status_code: '00',
    });
  });

  it('reports all fields of the specification in version 1, with compact times', async () => {
    const sandbox = await sandboxFor();
    sandbox.clock.set(NOON);
    const id = await send(sandbox, LOCAL);
    const { uploadTimestamp, expiryTime, statusTimestamp, ...rest } = (await track(sandbox, id, { version: 1 })).json();
    assert.match(String(uploadTimestamp), /^2026013112000\d$/);
    assert.match(String(expiryTime), /^2026020512000\d$/);
    assert.equal(statusTimestamp, uploadTimestamp);
    assert.deepEqual(rest, {
      addressType: 'ALL',
      checksum: '',
      chunkCount: 1,
      compressFlag: '',
      contentEncoding: '',
      downloadTimestamp: '',
      dtsId: id,
      encryptedFlag: '',
      fileName: 'a.txt',
      fileSize: 5,
      isCompressed: '',
      localId: 'ref 1/2',
      meshRecipientOdsCode: 'X26',
      messageId: id,
      messageType: 'DATA',
      partnerId: '',
      recipient: 'X26ABC2',
      recipientBillingEntity: 'Wales',
      recipientName: 'TESTMB2',
      recipientOrgCode: 'X26',
      recipientOrgName: '',
      recipientSmtp: 'x26abc2@dts.nhs.uk',
      sender: 'X26ABC1',
      senderBillingEntity: 'England',
      senderName: 'TESTMB1',
      senderOdsCode: 'X26',
      senderOrgCode: 'X26',
      senderOrgName: '',
      senderSmtp: 'x26abc1@dts.nhs.uk',
      status: 'Accepted',
      statusCode: '00',
      statusDescription: 'Transferred to recipient mailbox',
      statusEvent: 'TRANSFER',
      statusSuccess: 'SUCCESS',
      subject: '',
      version: '1.0',
      workflowId: 'TEST_WORKFLOW',
    });
  });

  it('has the time of the acknowledgement', async () => {
    const sandbox = await sandboxFor();
    sandbox.clock.set(NOON);
    const id = await send(sandbox);
    sandbox.clock.set(new Date('2026-01-31T15:00:00.000Z'));
    await acknowledge(sandbox, id);
    const second = (await track(sandbox, id)).json();
    assert.deepEqual([second['status'], second['status_success']], ['acknowledged', true]);
    assert.match(String(second['status_timestamp']), /^2026-01-31T15:00:0/);
    const first = (await track(sandbox, id, { version: 1 })).json();
    assert.equal(first['status'], 'Acknowledged');
    assert.match(String(first['downloadTimestamp']), /^2026013115000\d$/);
  });

  it('returns 404 for an unknown message or another mailbox’s, and 400 without an id', async () => {
    const sandbox = await sandboxFor();
    const id = await send(sandbox);
    assert.deepEqual(errorOf(await track(sandbox, '20200529155357895317_3573F8'))[1], '20');
    for (const as of ['X26ABC2', 'X26ABC3']) assert.equal((await track(sandbox, id, { as })).status, 404);
    assert.equal((await track(sandbox, '')).status, 400);
    assert.equal((await call(sandbox, '/messageexchange/X26ABC1/outbox/tracking', { as: 'X26ABC1' })).status, 400);
  });

  it('finds a message by its local id, with the body of version 1', async () => {
    const sandbox = await sandboxFor();
    const id = await send(sandbox, LOCAL);
    const response = await call(sandbox, byLocalId('ref 1/2'), { as: 'X26ABC1' });
    assert.deepEqual([response.status, response.json()['messageId']], [200, id]);
    assert.equal(response.headers['content-type'], 'application/json');
  });

  it('returns 300 for an ambiguous local id, and 404 for an unknown one', async () => {
    const sandbox = await sandboxFor();
    await send(sandbox, LOCAL);
    await send(sandbox, { ...LOCAL, from: 'X26ABC3' });
    assert.equal((await call(sandbox, byLocalId('ref 1/2'), { as: 'X26ABC1' })).status, 200);
    await send(sandbox, LOCAL);
    assert.equal((await call(sandbox, byLocalId('ref 1/2'), { as: 'X26ABC1' })).status, 300);
    assert.equal((await call(sandbox, byLocalId('ref 1'), { as: 'X26ABC1' })).status, 404);
  });

  it('does not know a message until the tracking lag is over', async () => {
    const sandbox = await sandboxFor({ trackingLagMs: 300_000 });
    const id = await send(sandbox, LOCAL);
    sandbox.clock.advance(295_000);
    assert.equal((await track(sandbox, id)).status, 404);
    assert.equal((await call(sandbox, byLocalId('ref 1/2'), { as: 'X26ABC1' })).status, 404);
    sandbox.clock.advance(5_000);
    assert.equal((await track(sandbox, id)).status, 200);
    assert.equal((await call(sandbox, byLocalId('ref 1/2'), { as: 'X26ABC1' })).status, 200);
  });
});
