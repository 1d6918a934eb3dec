import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort, type RealNodeRed } from '../../scripts/node-red';
import { startSandbox, type Sandbox } from '../../lib/sandbox';
import { MAJORS, mailboxOn, sendAndPollFlow, startNodeRed, text, type Caught } from './support';

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

    /** The flow works with what it was given: nothing of the bad day is left. */
    async function goesWell(): Promise<void> {
      await nodeRed.inject('go', text('after the bad day'));
      const { messageId } = (await nodeRed.debug('sent')) as { messageId: string };
      await nodeRed.inject('look');
      await nodeRed.debug('acked', 30_000, (value) => value === messageId);
    }

    it('goes well to begin with, over mutual TLS', async () => {
      await deploy();
      await goesWell();
    });

    const badConfigurations: Array<[string, () => Promise<Changes>, RegExp]> = [
      ['a wrong password', async () => ({ credentials: { password: 'wrong' } }), /password/],
      ['a wrong shared key', async () => ({ credentials: { sharedKey: 'wrong' } }), /shared key/],
      ['no password', async () => ({ credentials: { password: '' } }), /password/i],
      [
        'an address where nothing listens',
        async () => ({ config: { environment: `https://127.0.0.1:${await freePort()}` } }),
        /ECONNREFUSED.*address and port/s,
      ],
      [
        'a host name that does not exist',
        async () => ({ config: { environment: 'https://mesh.invalid' } }),
        /ENOTFOUND|EAI_AGAIN/,
      ],
      [
        'a server whose CA is not trusted',
        async () => ({ tls: { cadata: foreign.ca } }),
        /CA that is missing: \S.*trusted here/s,
      ],
      [
        'an expired client certificate',
        async () => {
          const { cert, key } = await sandbox.clientCertificate({ notAfter: new Date(Date.now() - 60_000) });
          return { tls: { certdata: cert, keydata: key } };
        },
        /certificate/,
      ],
      ['an environment that is none', async () => ({ config: { environment: 'nonsense' } }), /environment/i],
    ];

    for (const [what, changes, expected] of badConfigurations) {
      it(`${what}: an error at Catch, a red status, and Node-RED lives on`, async () => {
        await deploy(await changes());
        await nodeRed.inject('go', text('a letter'));
        const error = await caught('send');
        assert.match(error.message, expected);
        assert.match(error.code ?? '', /^MESH_/);
        await nodeRed.status('send', (status) => status.fill === 'red');
        assert.equal(sandbox.messages().length, 0);
        await deploy();
        await goesWell();
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
      it(`${what}: an error at Catch, a red status, and nothing is sent`, async () => {
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
      ['a gzip that is corrupt', { kind: 'corrupt' }],
    ] as const) {
      it(`${what}: an error at Catch, not delivered, not acknowledged, and received whole later`, async () => {
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

    it('an answer lost after MESH accepted the message: an unknown outcome at Catch, and it is not sent twice', async () => {
      await deploy();
      sandbox.fault({ operation: 'send_message', effect: { kind: 'drop', when: 'after' } });
      await nodeRed.inject('go', text('a letter'));
      const error = await caught('send');
      assert.equal(error.code, 'MESH_UNKNOWN_OUTCOME');
      assert.equal(sandbox.messages().length, 1);
    });

    it('what was not acknowledged before a kill is delivered again after it, and only that', async () => {
      await deploy();
      await goesWell();
      await nodeRed.inject('close-gate');
      await nodeRed.inject('go', text('in flight at the kill'));
      const { messageId } = (await nodeRed.debug('sent')) as { messageId: string };
      await nodeRed.inject('look');
      await nodeRed.debug('received', 30_000, (value) => (value as { messageId: string }).messageId === messageId);
      await nodeRed.inject('look');
      await nodeRed.inject('look');
      await sleep(500);
      const isIt = (value: unknown): boolean => (value as { messageId: string }).messageId === messageId;
      await assert.rejects(nodeRed.debug('received', 0, isIt), 'delivered twice while in flight');
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
