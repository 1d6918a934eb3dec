import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RealNodeRed } from '../harness/node-red';
import { untilInNodeRed } from '../harness/until';
import { startSandbox, type Sandbox } from '../../lib/sandbox';
import { MAJORS, mailboxOn, sendAndPollFlow, startNodeRed, text, type Caught } from '../harness/flows';
import { freePort } from '../harness/ports';

for (const major of MAJORS) {
  describe(`a bad day in a real Node-RED ${major}`, function () {
    this.timeout(120_000);
    let sandbox: Sandbox;
    let foreign: Sandbox;
    let nodeRed: RealNodeRed;
    let userDir: string;
    let done: () => Promise<void>;

    before(async () => {
      sandbox = await startSandbox({ clientCertificate: 'required' });
      foreign = await startSandbox();
      ({ nodeRed, userDir, done } = await startNodeRed({ major }));
    });

    after(async () => {
      await done?.();
      await Promise.all([sandbox?.close(), foreign?.close()]);
    });

    beforeEach(async () => {
      sandbox.clearFaults();
      await sandbox.reset();
    });

    type Changes = NonNullable<Parameters<typeof mailboxOn>[2]>;

    async function deploy(changes: Changes = {}, flow: Parameters<typeof sendAndPollFlow>[2] = {}): Promise<void> {
      await nodeRed.deploy([
        ...(await mailboxOn(sandbox, 'X26ABC1', changes)),
        ...(await mailboxOn(sandbox, 'X26ABC2')),
        ...sendAndPollFlow('X26ABC1', 'X26ABC2', flow),
      ]);
    }

    async function caught(from: string): Promise<Caught> {
      return (await nodeRed.debug('error', 30_000, (value) => (value as Caught).source.id === from)) as Caught;
    }

    /** Sends and receives a message: the fault has left nothing behind. */
    async function recovers(): Promise<void> {
      await nodeRed.inject('go', text('after the bad day'));
      const { messageId } = (await nodeRed.debug('sent')) as { messageId: string };
      await nodeRed.inject('look');
      await nodeRed.debug('acked', 30_000, (value) => value === messageId);
    }

    it('sends and receives over mutual TLS before any fault', async () => {
      await deploy();
      await recovers();
    });

    /** With `later`, the letter stays in the outbox and is sent when the mailbox is fixed. */
    const badConfigurations: Array<[string, () => Promise<Changes>, RegExp, fate?: 'later']> = [
      ['a wrong password', async () => ({ credentials: { password: 'wrong' } }), /password/, 'later'],
      ['a wrong shared key', async () => ({ credentials: { sharedKey: 'wrong' } }), /shared key/, 'later'],
      ['no password', async () => ({ credentials: { password: '' } }), /password/i],
      [
        'an address where nothing listens',
        async () => ({ config: { environment: `https://127.0.0.1:${await freePort()}` } }),
        /ECONNREFUSED.*address, port/s,
      ],
      [
        'a host name that does not exist',
        async () => ({ config: { environment: 'https://mesh.invalid' } }),
        /ENOTFOUND|EAI_AGAIN/,
      ],
      [
        'a server whose CA is not trusted',
        async () => ({ tls: { cadata: foreign.ca } }),
        /missing CA: \S.*trusted here/s,
        'later',
      ],
      [
        'an expired client certificate',
        async () => {
          const { cert, key } = await sandbox.clientCertificate({ notAfter: new Date(Date.now() - 60_000) });
          return { tls: { certdata: cert, keydata: key } };
        },
        /certificate/,
        'later',
      ],
      ['an invalid environment', async () => ({ config: { environment: 'nonsense' } }), /environment/i],
    ];

    for (const [what, changes, expected, fate] of badConfigurations) {
      const end = fate === 'later' ? ', and the letter is sent when it is fixed' : '';
      it(`${what}: an error at Catch, no green status, and Node-RED keeps running${end}`, async () => {
        await deploy(await changes());
        await nodeRed.inject('go', text('a letter'));
        const error = await caught('send');
        assert.match(error.message, expected);
        assert.match(error.code ?? '', /^MESH_/);
        await nodeRed.status('send', ({ fill }) => fill === 'red' || fill === 'yellow');
        assert.equal(sandbox.messages().length, 0);
        await deploy();
        await recovers();
        assert.equal(sandbox.messages().length, fate === 'later' ? 2 : 1);
      });
    }

    const badMessages: Array<[string, object, ReturnType<typeof text>, RegExp]> = [
      ['a missing recipient', { to: '' }, text('a letter'), /recipient|\bto\b/],
      [
        'a line break in the subject',
        {},
        [...text('a letter'), { p: 'meshSend', v: JSON.stringify({ subject: 'one\r\ntwo' }), vt: 'json' }],
        /subject.*carriage return/s,
      ],
      ['an empty payload', {}, text(''), /empty/],
      ['a file that is not there', { payloadIs: 'file' }, text('/no/such/file'), /ENOENT.*no such file/s],
      ['a payload that is a number', {}, [{ p: 'payload', v: '42', vt: 'num' }], /payload/i],
    ];

    for (const [what, send, props, expected] of badMessages) {
      it(`${what}: an error at Catch and a red status, and nothing is sent`, async () => {
        await deploy({}, { send });
        await nodeRed.inject('go', props);
        const error = await caught('send');
        assert.match(error.message, expected);
        await nodeRed.status('send', (status) => status.fill === 'red');
        assert.equal(sandbox.messages().length, 0);
      });
    }

    for (const [what, effect] of [
      ['a download that breaks off', { kind: 'truncate', bytes: 1000 }],
      ['a corrupt gzip', { kind: 'corrupt' }],
    ] as const) {
      it(`${what}: an error at Catch, no delivery and no acknowledgement, and the whole message later`, async () => {
        await deploy();
        const letter = 'A long letter. '.repeat(40_000) + Math.random();
        await nodeRed.inject('go', text(letter));
        const { messageId } = (await nodeRed.debug('sent')) as { messageId: string };
        sandbox.fault({ operation: 'retrieve_message', times: Infinity, effect });
        await nodeRed.inject('look');
        const error = await caught('poll');
        assert.equal(error.code, 'MESH_DOWNLOAD');
        await nodeRed.status('poll', (status) => status.fill === 'red');
        assert.equal(sandbox.messages()[0]?.status, 'accepted');
        sandbox.clearFaults();
        await nodeRed.inject('look');
        await nodeRed.debug('acked', 30_000, (value) => value === messageId);
        assert.equal(sandbox.messages()[0]?.status, 'acknowledged');
      });
    }

    it('a lost response without a lookup: needs a decision, an error at Catch, and is not sent twice', async () => {
      await deploy({}, { send: { localId: 'A12345', localIdShared: true } });
      sandbox.fault({ operation: 'send_message', effect: { kind: 'drop', when: 'after' } });
      await nodeRed.inject('go', text('a letter'));
      const error = await caught('send');
      assert.equal(error.code, 'MESH_UNKNOWN_OUTCOME');
      await nodeRed.status('send', (status) => status.text === 'needs decision: 1');
      assert.equal(sandbox.messages().length, 1);
      // Dropped, so that the following tests find nothing that needs a decision.
      await nodeRed.inject('track-now', [{ p: 'meshTrack', v: JSON.stringify({ list: 'held' }), vt: 'json' }]);
      const [undecided] = (await nodeRed.debug('tracked')) as Array<{ id: string }>;
      await nodeRed.inject('go', [{ p: 'meshSend', v: JSON.stringify({ drop: undecided?.id }), vt: 'json' }]);
      assert.equal(((await nodeRed.debug('sent')) as { status: string }).status, 'dropped');
    });

    it('killed while MESH is offline: after the restart each queued message is sent once, in order', async () => {
      await deploy({}, { send: { confirm: 'queued' } });
      const unavailable = {
        operation: '*',
        mailboxId: 'X26ABC1',
        times: Infinity,
        effect: { kind: 'status', status: 503 },
      } as const;
      sandbox.fault(unavailable);
      const ids: string[] = [];
      for (let number = 1; number <= 12; number += 1) {
        await nodeRed.inject('go', text(`letter ${number}`));
        const sent = (await nodeRed.debug('sent')) as { id: string; status: string };
        assert.equal(sent.status, 'queued');
        ids.push(sent.id);
        // From now on a handshake goes first and no message is on the wire, so a kill leaves no outcome unknown.
        if (number === 1) await nodeRed.status('send', ({ text: shown }) => shown === 'offline, 1 queued', 30_000);
      }
      await nodeRed.status('send', ({ text: shown }) => shown === `offline, ${ids.length} queued`);
      await nodeRed.stop('SIGKILL');
      sandbox.clearFaults();
      assert.equal(sandbox.messages().length, 0);

      const again = await startNodeRed({ major, userDir });
      ({ nodeRed, done } = again);
      await deploy();
      await untilInNodeRed('every letter at MESH', () => sandbox.messages().length >= ids.length);
      await recovers();
      const [last, ...rest] = sandbox.messages().toReversed();
      assert.ok(last);
      assert.deepEqual(
        rest.toReversed().map(({ localId }) => localId),
        ids,
      );
    });

    it('the storage has one owner: a second Node-RED waits for it, and works by itself once the first has ended', async () => {
      await deploy();
      await nodeRed.status('send', ({ text: shown }) => shown === 'connected');
      const second = await startNodeRed({ major, userDir });
      const first = nodeRed;
      nodeRed = second.nodeRed;
      try {
        await deploy();
        await nodeRed.status('send', ({ fill, shape, text: shown }) => {
          return fill === 'yellow' && shape === 'ring' && shown === 'waiting for storage';
        });
        await nodeRed.inject('go', text('a letter'));
        assert.equal((await caught('send')).code, 'MESH_STORAGE');
      } finally {
        await first.stop();
      }
      // mesh-send shows the error of its letter until the next one; mesh-ack has had none.
      await nodeRed.status('ack', ({ text: shown }) => shown === 'connected', 30_000);
      await recovers();
    });

    it('a message that was not acknowledged before a kill is redelivered after it, and no other', async () => {
      await deploy();
      await recovers();
      await nodeRed.inject('close-gate');
      await nodeRed.inject('go', text('delivered before the kill'));
      const { messageId } = (await nodeRed.debug('sent')) as { messageId: string };
      await nodeRed.inject('look');
      await nodeRed.debug('received', 30_000, (value) => (value as { messageId: string }).messageId === messageId);
      await nodeRed.inject('look');
      await nodeRed.inject('look');
      await sleep(500);
      const isThis = (value: unknown): boolean => (value as { messageId: string }).messageId === messageId;
      await assert.rejects(nodeRed.debug('received', 0, isThis), 'redelivered during its lease');
      await nodeRed.stop('SIGKILL');

      const again = await startNodeRed({ major, userDir });
      ({ nodeRed, done } = again);
      await deploy();
      await nodeRed.inject('look');
      const received = (await nodeRed.debug('received')) as { messageId: string; deliveryCount: number };
      assert.equal(received.messageId, messageId);
      assert.equal(await nodeRed.debug('acked'), messageId);
      assert.deepEqual(
        sandbox.messages().map((message) => message.status),
        ['acknowledged', 'acknowledged'],
      );
    });
  });
}
