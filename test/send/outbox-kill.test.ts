import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, cp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { StorageError } from '../../lib/errors';
import type { Sandbox } from '../../lib/sandbox/index';
import type { Store } from '../../lib/store/store';
import { afterThisTest, emptyFolder } from '../harness/cleanup';
import { steppedClock } from '../harness/clocks';
import { letter, outboxAt, storageIn, tlsSandbox } from '../harness/outboxes';
import { eventually } from '../harness/until';
import { LOAD_TYPESCRIPT } from '../harness/typescript';

const MINUTE = 60_000;

/** A storage folder whose outbox has these messages, not being sent yet. */
async function prepare(...payloads: Array<string | Buffer>) {
  const server = await tlsSandbox();
  const folder = await emptyFolder();
  const ca = join(folder, 'ca.pem');
  await writeFile(ca, server.ca);
  const stateFolder = join(folder, 'state');
  const storage = await storageIn(stateFolder);
  const mailbox = outboxAt(server, { storage });
  const ids: string[] = [];
  for (const payload of payloads) ids.push((await mailbox.outbox.enqueue(letter(payload))).message.id);
  await mailbox.close();
  await storage.close();
  return { server, stateFolder, ca, ids, id: ids[0] ?? '' };
}

/** Starts the sender. `events` returns the events it has printed so far. */
function sender(server: Sandbox, folder: string, ca: string): { child: ChildProcess; events: () => string[] } {
  const script = join(__dirname, 'outbox-sender.ts');
  const child = spawn(process.execPath, [...LOAD_TYPESCRIPT, script, folder, server.url, ca], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  afterThisTest(() => child.kill('SIGKILL'));
  let output = '';
  child.stdout?.on('data', (piece: Buffer) => (output += piece.toString()));
  return { child, events: () => output.split('\n').filter(Boolean) };
}

async function kill(child: ChildProcess): Promise<void> {
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

const uploads = (server: Sandbox): string[] =>
  server
    .requests()
    .flatMap(({ operation, path }) =>
      operation === 'send_message' ? ['1'] : operation === 'send_chunk' ? [path.split('/').at(-1) ?? ''] : [],
    );

/** The next start, with a clock that the test advances. */
async function restart(server: Sandbox & { ca: string }, folder: string) {
  const clock = steppedClock((ms) => server.clock.advance(ms));
  const mailbox = outboxAt(server, { storage: await storageIn(folder), clock });
  mailbox.start();
  return { mailbox, clock };
}

describe('outbox: kill -9', () => {
  it('in a chunked upload: it continues with the first chunk that was not saved, and arrives once', async () => {
    const { server, stateFolder, ca, id } = await prepare(Buffer.alloc(450_000, 'c'));
    // Long enough for the kill; if that comes before the third chunk, the next start has to wait it out.
    server.fault({ operation: 'send_chunk', after: 1, times: 1, effect: { kind: 'delay', ms: 5000 } });
    const { child, events } = sender(server, stateFolder, ca);
    await eventually('two chunks', () => events().filter((event) => event === 'chunk').length === 2);
    await kill(child);
    const { mailbox } = await restart(server, stateFolder);
    await mailbox.outbox.accepted(id);
    const seen = uploads(server).filter((chunk, index, all) => chunk !== all[index - 1]);
    assert.deepEqual(seen, ['1', '2', '3', '4', '5']);
    assert.deepEqual(
      server.messages().map(({ status }) => status),
      ['accepted'],
    );
  });

  it('while the response to the last chunk is awaited: 423, and it is accepted', async () => {
    const { server, stateFolder, ca, id } = await prepare(Buffer.alloc(250_000, 'c'));
    server.fault({ operation: 'send_chunk', after: 1, effect: { kind: 'drop', when: 'after' } });
    const { child, events } = sender(server, stateFolder, ca);
    await eventually('the last chunk', () => server.messages()[0]?.status === 'accepted');
    await kill(child);
    assert.ok(!events().includes('accepted'));
    const { mailbox } = await restart(server, stateFolder);
    await mailbox.outbox.accepted(id);
    assert.equal(server.requests().at(-1)?.status, 423);
    assert.equal(server.messages().length, 1);
  });

  it('and the store is put back behind what was sent: 423 to any chunk means that MESH has it whole', async () => {
    const { server, stateFolder, ca, id } = await prepare(Buffer.alloc(450_000, 'c'));
    server.fault({ operation: 'send_chunk', after: 3, effect: { kind: 'drop', when: 'after' } });
    const { child } = sender(server, stateFolder, ca);
    await eventually('the last chunk', () => server.messages()[0]?.status === 'accepted');
    await kill(child);
    const database = new DatabaseSync(join(stateFolder, 'mesh.db'));
    database.exec('UPDATE outgoing SET chunks_sent = 1');
    database.close();
    const { mailbox } = await restart(server, stateFolder);
    await mailbox.outbox.accepted(id);
    assert.equal(server.requests().at(-1)?.status, 423);
    assert.equal(server.messages().length, 1);
  });

  it('after MESH has accepted it and before the response: unknown, adopted, sent once', async () => {
    const { server, stateFolder, ca, id } = await prepare('letter');
    // MESH has the message; its response is lost.
    server.fault({ operation: 'send_message', effect: { kind: 'status', status: 500, after: true } });
    const { child } = sender(server, stateFolder, ca);
    await eventually('its POST', () => server.messages().length === 1);
    await kill(child);
    const { mailbox, clock } = await restart(server, stateFolder);
    await eventually('adopted', async () => {
      clock.advance(MINUTE);
      return (await mailbox.outbox.get(id))?.state === 'accepted';
    });
    assert.equal((await mailbox.outbox.get(id))?.messageId, server.messages()[0]?.messageId);
    assert.equal(uploads(server).length, 1);
  });

  it('before MESH has accepted it: unknown, looked up, needs a decision, not sent again', async () => {
    const { server, stateFolder, ca, id } = await prepare('letter');
    server.fault({ operation: 'send_message', effect: { kind: 'delay', ms: 60_000 } });
    const { child, events } = sender(server, stateFolder, ca);
    await eventually('its intent', () => events().includes('sending'));
    await kill(child);
    const { mailbox, clock } = await restart(server, stateFolder);
    await eventually('a decision needed', async () => {
      clock.advance(MINUTE);
      return (await mailbox.outbox.get(id))?.needsDecision;
    });
    assert.ok(mailbox.eventsOf(id).includes('unknown'));
    assert.ok(uploads(server).length <= 1);
  });
});

describe('outbox: kill -9 with several intents committed ahead', () => {
  /** Five letters; the first POST hangs, and the intent of the second is committed; then the kill. */
  async function killed() {
    const payloads = Array.from({ length: 5 }, (_, count) => `letter ${count}`);
    const { server, stateFolder, ca, ids } = await prepare(...payloads);
    server.fault({ operation: 'send_message', times: 1, effect: { kind: 'delay', ms: 60_000 } });
    const { child, events } = sender(server, stateFolder, ca);
    await eventually('the first on its way', () => events().includes('sending'));
    // The intent of the second is committed while the first is on the wire, without an event.
    await new Promise((resolve) => setTimeout(resolve, 500));
    await kill(child);
    return { server, stateFolder, ids };
  }

  async function sendingIn(folder: string): Promise<number> {
    const storage = await storageIn(folder);
    const [mailbox = ''] = await storage.store.mailboxes();
    const { messages } = await storage.store.countOutgoing(mailbox);
    await storage.close();
    return messages.sending;
  }

  it('only the message on the wire is unknown; the marks show that the others were not begun', async () => {
    const { server, stateFolder, ids } = await killed();
    assert.equal(await sendingIn(stateFolder), 2);
    const { mailbox } = await restart(server, stateFolder);
    await Promise.all(ids.slice(1).map((id) => mailbox.outbox.accepted(id)));
    assert.equal((await mailbox.outbox.get(ids[0] ?? ''))?.state, 'unknown');
    assert.ok(mailbox.eventsOf(ids[1] ?? '').includes('not begun'));
    assert.deepEqual(
      server.messages().map(({ localId }) => localId),
      ids.slice(1),
    );
  });

  it('with the clock set back by eight hours since the start, the message ahead was still not begun', async () => {
    const server = await tlsSandbox();
    const folder = await emptyFolder();
    const storage = await storageIn(folder);
    const clock = steppedClock();
    const first = outboxAt(server, { storage, clock });
    first.start();
    await first.outbox.accepted((await first.outbox.enqueue(letter('before'))).message.id);
    clock.step(-8 * 60 * MINUTE);
    server.fault({ operation: 'send_message', times: 1, effect: { kind: 'delay', ms: 60_000 } });
    const ids: string[] = [];
    for (const text of ['on the wire', 'ahead']) ids.push((await first.outbox.enqueue(letter(text))).message.id);
    const [key = ''] = await storage.store.mailboxes();
    await eventually('both intents', async () => (await storage.store.countOutgoing(key)).messages.sending === 2);
    // What a kill at this moment would leave.
    const left = await emptyFolder();
    await cp(folder, left, { recursive: true });
    const { mailbox } = await restart(server, left);
    await mailbox.outbox.accepted(ids[1] ?? '');
    assert.ok(mailbox.eventsOf(ids[1] ?? '').includes('not begun'));
    assert.equal((await mailbox.outbox.get(ids[0] ?? ''))?.state, 'unknown');
  });

  it('after a power cut, which leaves no marks, both are unknown', async () => {
    const { server, stateFolder, ids } = await killed();
    await rm(join(stateFolder, 'sending'), { recursive: true });
    const { mailbox } = await restart(server, stateFolder);
    await Promise.all(ids.slice(2).map((id) => mailbox.outbox.accepted(id)));
    for (const id of ids.slice(0, 2)) assert.equal((await mailbox.outbox.get(id))?.state, 'unknown');
  });

  it('a store restored to the moment of the kill does not resend a message that was being sent', async () => {
    const { server, stateFolder, ids } = await killed();
    const backup = await emptyFolder();
    const files = ['mesh.db', 'mesh.db-wal'];
    for (const name of files) await copyFile(join(stateFolder, name), join(backup, name));
    const storage = await storageIn(stateFolder);
    const first = outboxAt(server, { storage });
    first.start();
    await Promise.all(ids.slice(1).map((id) => first.outbox.accepted(id)));
    await first.close();
    await storage.close();
    for (const name of files) await copyFile(join(backup, name), join(stateFolder, name));
    const { mailbox } = await restart(server, stateFolder);
    await Promise.all(ids.slice(1).map((id) => mailbox.outbox.accepted(id)));
    // The marks know MESH's response to each, also to those that the backup has as queued.
    assert.deepEqual(
      server.messages().map(({ localId }) => localId),
      ids.slice(1),
    );
    for (const { localId, messageId } of server.messages())
      assert.equal((await mailbox.outbox.get(localId ?? ''))?.messageId, messageId);
  });

  it('a response of MESH that the store could not save is known at the next start', async () => {
    const server = await tlsSandbox();
    const storage = await storageIn();
    let isFull = false;
    const store = new Proxy(storage.store, {
      get(target, name: keyof Store) {
        if (name === 'changeBatch' && isFull) return () => Promise.reject(new StorageError('The disk is full.'));
        const value: unknown = target[name];
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    const rough = outboxAt(server, { storage: { ...storage, store } });
    const { message } = await rough.outbox.enqueue(letter());
    rough.outbox.onEvent(({ event }) => (isFull ||= event === 'sending'));
    rough.start();
    await eventually('MESH has it', () => server.messages()[0]?.status === 'accepted');
    await eventually('the store is full', () => rough.states.some(({ storeError }) => storeError !== undefined));
    await rough.close();
    const next = outboxAt(server, { storage });
    next.start();
    await next.outbox.accepted(message.id);
    assert.equal((await next.outbox.get(message.id))?.messageId, server.messages()[0]?.messageId);
    assert.equal(server.messages().length, 1);
    assert.ok(!server.requests().some(({ operation }) => operation.startsWith('tracking')));
  });
});

describe('outbox: stop', () => {
  it('lets the POST in progress end, and leaves the rest for the next start', async () => {
    const server = await tlsSandbox();
    const storage = await storageIn();
    const mailbox = outboxAt(server, { storage });
    server.fault({ operation: 'send_message', effect: { kind: 'delay', ms: 300 } });
    const queued = [await mailbox.outbox.enqueue(letter('1')), await mailbox.outbox.enqueue(letter('2'))];
    mailbox.start();
    await eventually('the first on its way', () => mailbox.events.some(({ event }) => event === 'sending'));
    await mailbox.close();
    const states = await Promise.all(queued.map(async ({ message }) => (await mailbox.outbox.get(message.id))?.state));
    assert.deepEqual(states, ['accepted', 'queued']);
    const other = outboxAt(server, { storage });
    other.start();
    await other.outbox.accepted(queued[1]?.message.id ?? '');
    assert.equal(server.messages().length, 2);
  });

  it('aborts a POST that does not end within five seconds: unknown', async () => {
    const server = await tlsSandbox();
    const storage = await storageIn();
    const mailbox = outboxAt(server, { storage });
    server.fault({ operation: 'send_message', effect: { kind: 'delay', ms: 30_000 } });
    const { message } = await mailbox.outbox.enqueue(letter());
    mailbox.start();
    await eventually('on its way', () => mailbox.events.some(({ event }) => event === 'sending'));
    const start = performance.now();
    await mailbox.close();
    const took = performance.now() - start;
    assert.ok(took > 4500 && took < 7000, `${took} ms`);
    assert.equal((await mailbox.outbox.get(message.id))?.state, 'unknown');
  });

  it('leaves no timer and no listener: the process ends', async () => {
    const { server, stateFolder, ca } = await prepare('letter');
    const { child, events } = sender(server, stateFolder, ca);
    await eventually('accepted', () => events().includes('accepted'));
    const gone = once(child, 'exit');
    child.stdin?.end();
    const [code] = (await Promise.race([
      gone,
      new Promise((resolve) => setTimeout(resolve, 5000, ['still there'])),
    ])) as [unknown];
    assert.equal(code, 0);
  });

  it('a wait with an aborted signal is an error, not an unhandled rejection', async () => {
    const server = await tlsSandbox();
    const mailbox = outboxAt(server, { storage: await storageIn() });
    const { message } = await mailbox.outbox.enqueue(letter());
    await assert.rejects(mailbox.outbox.accepted(message.id, AbortSignal.abort()), { code: 'MESH_ABORTED' });
  });
});
