/** Every request that our client can make, and further requests by hand, in both versions. */
import { openMailbox, type Mailbox } from '../../lib';
import type { Sandbox } from '../../lib/sandbox';
import { afterThisTest } from '../harness/cleanup';
import { call } from '../sandbox/support';

const WORKFLOW = 'TEST_WORKFLOW';
const UNKNOWN = '20200101000000000000_000000';

function mailbox(url: string, mailboxId: string, more: object = {}): Mailbox {
  const opened = openMailbox({
    environment: url,
    mailboxId,
    password: 'password',
    sharedKey: 'TestKey',
    retry: { attempts: 1 },
    ...more,
  });
  afterThisTest(() => opened.close());
  return opened;
}

const refused = (promise: Promise<unknown>): Promise<unknown> => promise.catch(() => undefined);

/** Calls every method of a mailbox, with success and with refusals. */
export async function clientTour(sandbox: Sandbox, url: string): Promise<void> {
  const alice = mailbox(url, 'X26ABC1', { maxRequestBytes: 3000, chunkBytes: 3000 });
  const bob = mailbox(url, 'X26ABC2');
  const to = 'X26ABC2';
  await alice.handshake();
  const full = await alice.send({
    to,
    workflowId: WORKFLOW,
    payload: 'x'.repeat(2000),
    localId: 'one',
    subject: 'A subject',
    fileName: 'a letter.txt',
    contentType: 'text/plain',
    partnerId: 'sub|tag',
    checksum: 'md5',
    compressed: true,
    encrypted: true,
    compression: 'always',
  });
  const chunked = await alice.send({
    to,
    workflowId: WORKFLOW,
    payload: Buffer.alloc(9000, 'ab'),
    compression: 'never',
  });
  for (let index = 0; index < 12; index += 1)
    await alice.send({ to, workflowId: WORKFLOW, payload: 'x', localId: 'twice' });
  const page = await bob.listInbox({ maxResults: 10, workflowFilter: 'TEST*' });
  await bob.listInbox({ continueFrom: page.continueFrom ?? '' });
  await bob.listInbox();
  for (const id of [full.messageId, chunked.messageId]) {
    await bob.head(id);
    await bob.receive(id);
    await bob.acknowledge(id);
    await alice.track(id);
  }
  await alice.trackByLocalId('one');
  await alice.lookup('X26', WORKFLOW);
  await alice.searchWorkflow(WORKFLOW);
  await refused(alice.trackByLocalId('twice'));
  await refused(alice.trackByLocalId('none'));
  await refused(alice.send({ to: 'X26NOBODY', workflowId: WORKFLOW, payload: 'x' }));
  await refused(bob.head(UNKNOWN));
  await refused(bob.receive(UNKNOWN));
  await refused(bob.receive(full.messageId));
  await refused(bob.acknowledge(UNKNOWN));
  await refused(alice.track(UNKNOWN));
  await refused(mailbox(url, 'X26ABC1', { password: 'wrong' }).handshake());
  sandbox.clock.advance(6 * 24 * 3600 * 1000);
  sandbox.clock.advance(-6 * 24 * 3600 * 1000);
  for (const id of (await alice.listInbox()).messageIds.slice(0, 1)) {
    await alice.head(id);
    await alice.receive(id);
    await alice.acknowledge(id);
  }
}

/** Makes requests by hand in both versions; only their responses are checked. */
export async function handTour(sandbox: Sandbox, url: string): Promise<void> {
  const at = { ...sandbox, url, clock: sandbox.clock };
  const [a, b] = ['/messageexchange/X26ABC1', '/messageexchange/X26ABC2'];
  for (const version of [1, 2] as const) {
    const from = { as: 'X26ABC1', version };
    const headers = { 'Mex-To': 'X26ABC2', 'Mex-WorkflowID': WORKFLOW, 'Mex-LocalID': `local-${version}` };
    const post = { ...from, method: 'POST', body: 'x' };
    const sent = await call(at, `${a}/outbox`, { ...post, headers });
    const id = String(sent.json()['message_id'] ?? sent.json()['messageID']);
    const first = await call(at, `${a}/outbox`, { ...post, headers: { ...headers, 'Mex-Chunk-Range': '1:2' } });
    const chunked = String(first.json()['message_id'] ?? first.json()['messageID']);
    for (const range of ['2:2', '3:2']) {
      await call(at, `${a}/outbox/${chunked}/2`, { ...post, headers: { 'Mex-Chunk-Range': range } });
    }
    await call(at, `${a}/outbox/${UNKNOWN}/2`, { ...post, headers: { 'Mex-Chunk-Range': '2:2' } });
    await call(at, `${a}/outbox`, { ...post, headers: { 'Mex-To': 'X26NOBODY', 'Mex-WorkflowID': WORKFLOW } });
    await call(at, `${a}/outbox`, { ...post, headers: { 'Mex-To': 'X26ABC2' } });
    const to = { as: 'X26ABC2', version };
    for (const path of [
      'inbox',
      'inbox?max_results=1',
      'count',
      `inbox/${id}`,
      `inbox/${chunked}/2`,
      `inbox/${UNKNOWN}/2`,
    ]) {
      await call(at, `${b}/${path}`, to);
    }
    await call(at, `${b}/inbox/${id}/status/acknowledged`, { ...to, method: 'PUT' });
    for (const path of [
      `tracking?messageID=${id}`,
      'tracking',
      `tracking/local-${version}`,
      `tracking/none-${version}`,
    ]) {
      await call(at, `${a}/outbox/${path}`, from);
    }
    for (const path of [`endpointlookup/X26/${WORKFLOW}`, `workflowsearch/${WORKFLOW}`]) {
      await call(at, `/messageexchange/${path}`, from);
    }
    await call(at, a, { ...from, method: 'POST' });
  }
}
