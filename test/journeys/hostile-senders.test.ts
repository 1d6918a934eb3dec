import assert from 'node:assert/strict';
import { request } from 'node:https';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startSandbox, type Sandbox } from '../../lib/sandbox';
import { authorizationToken } from '../../lib/protocol/authorization';
import type { RealNodeRed } from '../../scripts/node-red';
import { dataFor, until } from './example-support';
import { mailboxOn, sendAndPollFlow, startNodeRed, MAJORS } from './support';

/** Stands in every field of every message; a sender could write a patient's name there. */
const MARK = 'MARK9434765919';

/** What hostile senders put into names and texts. HTTP headers carry bytes: what is not Latin-1 goes as UTF-8, as other clients send it. */
const NAMES: Record<string, string> = {
  'a path upwards': `../../../../${MARK}`,
  'a path of Windows': `..\\..\\${MARK}`,
  'a whole path': `/tmp/${MARK}/x`,
  'a drive': `C:\\${MARK}.dat`,
  'an encoded path': `..%2f..%2f${MARK}`,
  'a device': `CON.${MARK}`,
  'a device with a port': 'COM1.',
  'another device': 'NUL',
  'dots and blanks at its end': `${MARK}. . .`,
  'only dots': '..',
  '300 characters': `${MARK}${'n'.repeat(300 - MARK.length)}`,
  tags: `<img src=x onerror=alert(1)>${MARK}.html`,
  'a script': `"'><script>/*${MARK}*/</script>`,
  'a template': `\${${MARK}} {{constructor}} __proto__`,
  'a change of direction': `\u202e${MARK}fdp.exe\u2066`,
  'a formula': `=cmd|'/C calc'!${MARK}`,
};

for (const major of MAJORS) {
  describe(`what hostile senders sent, in a real Node-RED ${major}`, function () {
    this.timeout(120_000);
    let sandbox: Sandbox;
    let nodeRed: RealNodeRed;
    let root: string;
    let done: () => Promise<void>;

    before(async () => {
      sandbox = await startSandbox({ clientCertificate: 'optional' });
      root = await mkdtemp(join(tmpdir(), 'mesh-hostile-'));
      ({ nodeRed, done } = await startNodeRed({ major }));
      await nodeRed.deploy(await flow());
    });
    after(async () => {
      await done?.();
      await sandbox?.close();
      await rm(root, { recursive: true, force: true });
    });

    /** X26ABC1 saves files; X26ABC2 writes the MESH Client's folder from bytes, and fails a second time with the message. */
    async function flow(): Promise<object[]> {
      const tabbed = sendAndPollFlow('X26ABC3', 'X26ABC1', {
        poll: { payloadAs: 'file', folder: join(root, 'files') },
      });
      const other = { z: 'tab', x: 100, y: 100 };
      const poll = tabbed.find(({ id }) => id === 'poll');
      return [
        ...(await mailboxOn(sandbox, 'X26ABC1')),
        ...(await mailboxOn(sandbox, 'X26ABC2')),
        ...(await mailboxOn(sandbox, 'X26ABC3')),
        // What is received is not shown in a debug node here: it would be in the log of what we look at.
        ...tabbed.filter(({ id }) => id !== 'received'),
        {
          ...poll,
          ...other,
          id: 'poll2',
          mailbox: 'mailbox-X26ABC2',
          payloadAs: 'buffer',
          wires: [['write', 'bad'], [], [], []],
        },
        {
          ...other,
          id: 'write',
          type: 'mesh-folder-write',
          version: 1,
          folder: join(root, 'client'),
          wires: [['ack2']],
        },
        { ...other, id: 'ack2', type: 'mesh-ack', version: 1, mailbox: 'mailbox-X26ABC2', wires: [[]] },
        { ...other, id: 'bad', type: 'mesh-hl7', version: 1, property: 'payload', wires: [[]] },
        {
          ...other,
          id: 'look2',
          type: 'inject',
          props: [],
          repeat: '',
          crontab: '',
          once: false,
          topic: '',
          wires: [['poll2']],
        },
      ];
    }

    /** Past the library, which would refuse some of it. */
    async function send(to: string, value: string): Promise<void> {
      const text = Buffer.from(value).toString('latin1');
      const headers = {
        authorization: authorizationToken({ mailboxId: 'X26ABC3', password: 'password', sharedKey: sandbox.sharedKey }),
        'content-type': 'application/octet-stream',
        'mex-from': 'X26ABC3',
        'mex-to': to,
        'mex-workflowid': text,
        'mex-localid': text,
        'mex-subject': text,
        'mex-filename': text,
        'mex-partnerid': text,
      };
      const status = await new Promise<number>((resolve, reject) => {
        const sent = request(`${sandbox.url}/messageexchange/X26ABC3/outbox`, {
          method: 'POST',
          headers,
          ca: sandbox.ca ?? '',
        });
        sent.on('response', (response) => resolve(response.resume().statusCode ?? 0)).on('error', reject);
        sent.end(`${MARK} is the payload`);
      });
      assert.equal(status, 202, value);
    }

    const below = async (folder: string): Promise<string[]> =>
      (await readdir(folder, { withFileTypes: true, recursive: true }))
        .filter((entry) => entry.isFile())
        .map(({ name, parentPath }) => join(parentPath, name));

    it('is in its folder under a name of ours, and nowhere else', async () => {
      const count = Object.keys(NAMES).length;
      for (const value of Object.values(NAMES)) for (const to of ['X26ABC1', 'X26ABC2']) await send(to, value);
      await nodeRed.inject('look');
      await nodeRed.inject('look2');
      await until('all acknowledged', () =>
        ['X26ABC1', 'X26ABC2'].every(
          (id) =>
            dataFor(sandbox, id).length === count &&
            dataFor(sandbox, id).every(({ status }) => status === 'acknowledged'),
        ),
      );
      // A message is acknowledged when the store has it, and is in its folder some time after that.
      const namesIn = (...path: string[]): Promise<string[]> => readdir(join(root, ...path)).catch((): string[] => []);
      await until('all in their folders', async () => {
        const [all, pairs] = [await namesIn('files'), await namesIn('client', 'in')];
        return all.length === count && pairs.length === 2 * count && !pairs.some((name) => name.endsWith('.part'));
      });
      const files = await namesIn('files');
      for (const { messageId } of dataFor(sandbox, 'X26ABC1')) {
        const name = files.find((file) => file.startsWith(messageId)) ?? assert.fail(messageId);
        assert.equal(await readFile(join(root, 'files', name), 'utf8'), `${MARK} is the payload`);
        assert.ok(Buffer.byteLength(name) <= 255);
        assert.doesNotMatch(name, /[<>:"|?*\\\u202a-\u202e\u2066-\u2069]|[. ]$/);
      }
      const expected = dataFor(sandbox, 'X26ABC2').flatMap(({ messageId }) => [`${messageId}.ctl`, `${messageId}.dat`]);
      assert.deepEqual((await readdir(join(root, 'client', 'in'))).toSorted(), expected.toSorted());
      for (const path of await below(root)) {
        assert.ok(path.startsWith(join(root, 'files')) || path.startsWith(join(root, 'client')), path);
      }
      // Marks of a control file are inside its texts, whatever they are.
      for (const name of expected.filter((each) => each.endsWith('.ctl'))) {
        const control = await readFile(join(root, 'client', 'in', name), 'utf8');
        assert.doesNotMatch(control, /<(?:img|script)/);
        assert.equal(control.match(/<\/Subject>/g)?.length, 1);
      }
      const elsewhere = (await below(root))
        .concat(await readdir(tmpdir()))
        .filter((path) => path.includes(MARK) && !path.startsWith(join(root, 'files')));
      assert.deepEqual(elsewhere, []);
    });

    it('is in no log, status or Catch error', async () => {
      const caught = await nodeRed.debug('error', 30_000, (value) => JSON.stringify(value).includes('"bad"'));
      assert.ok(!JSON.stringify(caught).includes(MARK));
      for (const id of ['poll', 'poll2', 'write', 'bad', 'ack']) {
        const status = await nodeRed.status(id, () => true).catch(() => ({}));
        assert.ok(!JSON.stringify(status).includes(MARK), id);
      }
      assert.ok(!nodeRed.log().includes(MARK), 'the log');
    });
  });
}
