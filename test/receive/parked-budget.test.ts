/** Parked messages keep their payloads until a person deals with them: the inbox stops before they fill the disk. */
import assert from 'node:assert/strict';
import { mailboxAt } from '../harness/mailboxes';
import { consumer, pollAndWait, type TestConsumer } from '../harness/consumer';
import { until } from '../harness/until';
import type { InboxPoller, Mailbox } from '../../lib/index';
import type { Sandbox } from '../../lib/sandbox/index';
import { inboxOf, noise, spoolFiles, statesOf, world, type InboxOptions, type StorageFolder } from './durable-support';

const SIZE = 90_000;

describe('the budget for parked messages', () => {
  let server: Sandbox;
  let alice: Mailbox;
  let storage: StorageFolder;
  let one: TestConsumer;
  let inbox: InboxPoller;
  let ids: string[];

  const send = async (): Promise<string> =>
    (await alice.send({ to: 'X26ABC2', workflowId: 'WF', payload: noise(SIZE) })).messageId;

  /** Receives two messages, which are parked because they do not fit a Buffer, and sends a third. */
  async function twoParked(options: InboxOptions): Promise<void> {
    ({ server, alice, storage } = await world());
    one = consumer();
    inbox = inboxOf(server, storage, { maxBufferBytes: SIZE - 1, ...options });
    inbox.add(one);
    ids = [await send(), await send()];
    await pollAndWait(inbox, one);
    await until('two parked', () => one.parkedMessages.length === 2);
    assert.equal(inbox.state().isFull, false);
    ids.push(await send());
  }

  const atMesh = async (): Promise<string[]> =>
    (await mailboxAt(server, { mailboxId: 'X26ABC2' }).listInbox()).messageIds;

  it('stops the inbox when it is used up, deletes nothing, and lets it go on when a message is ended', async () => {
    await twoParked({ maxParkedBytes: 2 * SIZE });
    await pollAndWait(inbox, one);
    assert.equal(inbox.state().isFull, true);
    assert.deepEqual(await statesOf(server, storage), ['parked', 'parked']);
    assert.equal((await spoolFiles(storage)).length, 2);
    assert.equal(one.failures.length, 1);
    assert.match(one.failures[0]?.error.message ?? '', /stay in the MESH inbox/);
    assert.match(one.failures[0]?.error.advice ?? '', /“Maximum parked” \(maxParkedBytes\)/);
    assert.ok((await atMesh()).includes(ids[2] ?? ''));
    await inbox.acknowledge(ids[0] ?? '');
    await pollAndWait(inbox, one);
    await until('the third', () => one.parkedMessages.length === 3);
    assert.deepEqual(await statesOf(server, storage), ['done', 'parked', 'parked']);
  });

  it('is at most half of what would be free on the disk without them', async () => {
    await twoParked({ minFreeBytes: 0 });
    let free = 2 * SIZE - 1;
    storage.spool.freeBytes = async () => free;
    await pollAndWait(inbox, one);
    assert.equal(inbox.state().isFull, true);
    assert.deepEqual(await statesOf(server, storage), ['parked', 'parked']);
    free = 2 * SIZE + 1;
    await pollAndWait(inbox, one);
    await until('the third', () => one.parkedMessages.length === 3);
    assert.equal(inbox.state().isFull, false);
  });

  it('counts what is parked while a list is being taken', async () => {
    ({ server, alice, storage } = await world());
    one = consumer();
    inbox = inboxOf(server, storage, { maxBufferBytes: SIZE - 1, maxParkedBytes: 2 * SIZE });
    inbox.add(one);
    for (let n = 0; n < 30; n += 1) await send();
    await pollAndWait(inbox, one);
    assert.equal(inbox.state().isFull, true);
    assert.ok((await statesOf(server, storage)).length < 30, 'the rest stays at MESH');
  });
});
