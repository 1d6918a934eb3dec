/**
 * Three mailboxes in one Node-RED on one server, each with its own store rows, spool and poller: each message arrives
 * in the mailbox that it was sent to and in no other, also if the official client sends it, in chunks and compressed.
 */
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { RealNodeRed } from '../harness/node-red';
import { fastClock } from '../harness/clocks';
import { mailboxOn, startNodeRed, text } from '../harness/flows';
import { forNodes, mailboxTab } from './support/for-nodes';
import { payloadFile, sha256OfFile, type PayloadFile } from './support/payloads';
import { officialSandbox, ourSandbox, workFolder, type Server } from './support/servers';

const MAILBOXES = ['X26ABC1', 'X26ABC2', 'X26ABC3'];
const next = (mailboxId: string, by = 1): string => MAILBOXES[(MAILBOXES.indexOf(mailboxId) + by) % 3] ?? '';

interface Received {
  messageId: string;
  from: string;
  sha256: string;
  totalChunks: number;
  deliveryCount: number;
  file: string;
}

interface Sent {
  messageId: string;
  chunks: number;
}

/** Returns the comparable properties of a received message. */
const comparable = ({ from, sha256, totalChunks, deliveryCount }: Received): object => ({
  from,
  sha256,
  totalChunks,
  deliveryCount,
});

for (const [major, name, through] of [
  ['5', 'the official sandbox', officialSandbox],
  ['4', 'the official sandbox', officialSandbox],
  ['5', 'our sandbox', ourSandbox],
] as const) {
  describe(`Three mailboxes in one Node-RED ${major} on ${name}`, function () {
    this.timeout(60_000);
    let server: Server;
    let nodeRed: RealNodeRed;
    let done: (() => Promise<void>) | undefined;

    before(async () => {
      server = await through();
      await server.reset();
      // Sent messages are tracked every few minutes.
      ({ nodeRed, done } = await startNodeRed({ major, clock: fastClock() }));
      const flow: unknown[] = [];
      for (const mailboxId of MAILBOXES) {
        const folder = join(await workFolder(), `${major}-${server.name}-${mailboxId}`.replaceAll(' ', '-'));
        await mkdir(folder);
        const config = { maxRequestMb: 2, chunkMb: 2, compression: 'always' };
        flow.push(...(await mailboxOn(forNodes(server), mailboxId, { config })));
        flow.push(...mailboxTab(mailboxId, next(mailboxId), folder));
      }
      await nodeRed.deploy(flow);
    });
    after(async () => {
      await done?.();
      await server?.reset();
    });

    /** Takes the debug message of a message that a mailbox received. */
    const received = async (mailboxId: string, messageId: string): Promise<Received> =>
      (await nodeRed.debug(
        `${mailboxId}-received`,
        30_000,
        (v) => (v as Received).messageId === messageId,
      )) as Received;

    async function sendTo(to: string, from: string, { path }: PayloadFile): Promise<Sent> {
      await nodeRed.inject(`${from}-go`, text(path));
      const sent = (await nodeRed.debug(`${from}-sent`)) as Sent;
      assert.ok((await server.mailbox(to).listInbox()).messageIds.includes(sent.messageId));
      return sent;
    }

    /** Checks that all inboxes are empty, and that no debug node has a delivery or an error left. */
    async function nothingElse(): Promise<void> {
      for (const mailboxId of MAILBOXES) {
        assert.deepEqual((await server.mailbox(mailboxId).listInbox()).messageIds, []);
        for (const each of ['received', 'error']) await assert.rejects(nodeRed.debug(`${mailboxId}-${each}`, 0));
      }
    }

    it('each receives its messages whole and once, and no others', async () => {
      const expected: Array<{ to: string; from: string; messageId: string; sha256: string; chunks: number }> = [];
      const chunksOf: number[] = [];
      for (const from of MAILBOXES) {
        // 1,000 bytes for one, some more for the next: three pairs of different files.
        const index = MAILBOXES.indexOf(from);
        for (const bytes of [1000 + index, 5_000_000 + index]) {
          const payload = await payloadFile(bytes, 'random');
          const { messageId, chunks } = await sendTo(next(from), from, payload);
          chunksOf.push(chunks);
          expected.push({ to: next(from), from, messageId, sha256: payload.sha256, chunks });
        }
      }
      assert.deepEqual(chunksOf, [1, 3, 1, 3, 1, 3]);
      for (const mailboxId of MAILBOXES) await nodeRed.inject(`${mailboxId}-look`);
      for (const { to, from, messageId, sha256, chunks } of expected) {
        const mesh = await received(to, messageId);
        assert.deepEqual(comparable(mesh), { from, sha256, totalChunks: chunks, deliveryCount: 1 });
        assert.equal(await sha256OfFile(mesh.file), sha256);
        await nodeRed.debug(`${to}-acked`, 30_000, (value) => value === messageId);
      }
      await nothingElse();
      // Reported at the mailbox that sent it, and only there.
      for (const { from, messageId } of expected) {
        const isThis = (value: unknown): boolean => {
          const change = value as { messageId?: string; event: string };
          return change.messageId === messageId && change.event === 'acknowledged';
        };
        await nodeRed.debug(`${from}-change`, 30_000, isThis);
        for (const other of [1, 2]) await assert.rejects(nodeRed.debug(`${next(from, other)}-change`, 0, isThis));
      }
    });

    it('each receives messages from the official client, in chunks and compressed', async () => {
      const expected: Array<{ to: string; from: string; messageId: string; sha256: string }> = [];
      for (const from of MAILBOXES) {
        for (const content of ['random', 'compressible'] as const) {
          const to = next(from, 2);
          const { path: file, sha256 } = await payloadFile(4_000_000 + MAILBOXES.indexOf(from), content);
          const fields = { workflow_id: 'TEST_WORKFLOW' };
          const sending = { to, file, compress: true, maxChunkBytes: 1_500_000, fields };
          expected.push({ to, from, sha256, messageId: await server.official(from).send(sending) });
        }
      }
      for (const mailboxId of MAILBOXES) await nodeRed.inject(`${mailboxId}-look`);
      for (const { to, from, messageId, sha256 } of expected) {
        const mesh = await received(to, messageId);
        assert.deepEqual(comparable(mesh), { from, sha256, totalChunks: 3, deliveryCount: 1 });
        assert.equal(await sha256OfFile(mesh.file), sha256);
        await nodeRed.debug(`${to}-acked`, 30_000, (value) => value === messageId);
        assert.equal((await server.official(from).track(messageId))['status'], 'acknowledged');
      }
      await nothingElse();
    });

    it('the official client receives their messages, in chunks and compressed', async () => {
      for (const from of MAILBOXES) {
        const payload = await payloadFile(5_000_000 + MAILBOXES.indexOf(from), 'random');
        const { messageId } = await sendTo(next(from), from, payload);
        const file = join(await workFolder(), `official-${messageId}`);
        const message = await server.official(next(from)).receive(messageId, file);
        assert.equal(message.sha256, payload.sha256);
        assert.equal(message.headers['total-chunks'], '3');
        assert.equal(message.headers['content-compressed'], 'Y');
        await server.official(next(from)).acknowledge(messageId);
      }
      await nothingElse();
    });
  });
}
