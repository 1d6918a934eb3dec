import assert from 'node:assert/strict';
import { request } from 'node:https';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startSandbox, type Sandbox } from '../../lib/sandbox';
import { authorizationToken } from '../../lib/protocol/authorization';
import type { RealNodeRed } from '../harness/node-red';
import { dataFor } from '../harness/examples';
import { mailboxOn, sendAndPollFlow, startNodeRed, MAJORS } from '../harness/flows';
import { untilInNodeRed } from '../harness/until';

/** A mark in every field of every message, where a sender could write a patient's name. */
const MARK = 'MARK9434765919';

/** Hostile file names and texts. HTTP headers carry bytes: other clients send characters outside Latin-1 as UTF-8. */
const NAMES: Record<string, string> = {
  'a path to a parent folder': `../../../../${MARK}`,
  'a Windows path': `..\\..\\${MARK}`,
  'an absolute path': `/tmp/${MARK}/x`,
  'a drive': `C:\\${MARK}.dat`,
  'an encoded path': `..%2f..%2f${MARK}`,
  'a device': `CON.${MARK}`,
  'a device with a port': 'COM1.',
  'another device': 'NUL',
  'trailing dots and spaces': `${MARK}. . .`,
  'only dots': '..',
  '300 characters': `${MARK}${'n'.repeat(300 - MARK.length)}`,
  tags: `<img src=x onerror=alert(1)>${MARK}.html`,
  'a script': `"'><script>/*${MARK}*/</script>`,
  'a template': `\${${MARK}} {{constructor}} __proto__`,
  'a change of text direction': `\u202e${MARK}fdp.exe\u2066`,
  'a formula': `=cmd|'/C calc'!${MARK}`,
  'a formula and a cell': `@SUM(1)","${MARK}`,
  'a header': `x"; filename="${MARK}.exe`,
  'an encoded line': `${MARK}%0d%0aSet-Cookie: a=b`,
};

for (const major of MAJORS) {
  describe(`a message from a hostile sender, in a real Node-RED ${major}`, function () {
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

    /** X26ABC1 saves files. X26ABC2 writes the MESH Client's folder, and a second node fails with each message. */
    async function flow(): Promise<object[]> {
      const tabbed = sendAndPollFlow('X26ABC3', 'X26ABC1', {
        poll: { payloadAs: 'file', folder: join(root, 'files') },
      });
      const place = { z: 'tab', x: 100, y: 100 };
      const poll = tabbed.find(({ id }) => id === 'poll');
      return [
        ...(await mailboxOn(sandbox, 'X26ABC1')),
        ...(await mailboxOn(sandbox, 'X26ABC2')),
        ...(await mailboxOn(sandbox, 'X26ABC3')),
        // No debug node shows received messages: the log must have no marks.
        ...tabbed.filter(({ id }) => id !== 'received'),
        {
          ...poll,
          ...place,
          id: 'poll2',
          mailbox: 'mailbox-X26ABC2',
          payloadAs: 'buffer',
          wires: [['write', 'bad'], [], [], []],
        },
        {
          ...place,
          id: 'write',
          type: 'mesh-folder-write',
          version: 1,
          folder: join(root, 'client'),
          wires: [['ack2']],
        },
        { ...place, id: 'ack2', type: 'mesh-ack', version: 1, mailbox: 'mailbox-X26ABC2', wires: [[]] },
        { ...place, id: 'bad', type: 'mesh-hl7', version: 1, property: 'payload', wires: [[]] },
        {
          ...place,
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

    /** Sends without the library, which would refuse some of these values. */
    async function send(to: string, value: string): Promise<void> {
      const text = Buffer.from(value).toString('latin1');
      const headers = {
        authorization: authorizationToken({ mailboxId: 'X26ABC3', password: 'password', sharedKey: sandbox.sharedKey }),
        'content-type': 'application/octet-stream',
        'mex-from': 'X26ABC3',
        'mex-to': to,
        // A workflow id is shown in lists, so it has no mark.
        'mex-workflowid': text.replaceAll(MARK, 'W'),
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

    const filesBelow = async (folder: string): Promise<string[]> =>
      (await readdir(folder, { withFileTypes: true, recursive: true }))
        .filter((entry) => entry.isFile())
        .map(({ name, parentPath }) => join(parentPath, name));

    it('is stored in its folder under a safe name, and nowhere else', async () => {
      const count = Object.keys(NAMES).length;
      for (const value of Object.values(NAMES)) for (const to of ['X26ABC1', 'X26ABC2']) await send(to, value);
      await nodeRed.inject('look');
      await nodeRed.inject('look2');
      await untilInNodeRed('all acknowledged', () =>
        ['X26ABC1', 'X26ABC2'].every(
          (id) =>
            dataFor(sandbox, id).length === count &&
            dataFor(sandbox, id).every(({ status }) => status === 'acknowledged'),
        ),
      );
      // A message is acknowledged once the store has it, and reaches its folder later.
      const namesIn = (...path: string[]): Promise<string[]> => readdir(join(root, ...path)).catch((): string[] => []);
      await untilInNodeRed('all in their folders', async () => {
        const [all, pairs] = [await namesIn('files'), await namesIn('client', 'in')];
        const isComplete = ![...all, ...pairs].some((name) => name.endsWith('.part'));
        return all.length === count && pairs.length === 2 * count && isComplete;
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
      for (const path of await filesBelow(root)) {
        assert.ok(path.startsWith(join(root, 'files')) || path.startsWith(join(root, 'client')), path);
      }
      // A control file has the values as text, never as markup.
      for (const name of expected.filter((each) => each.endsWith('.ctl'))) {
        const control = await readFile(join(root, 'client', 'in', name), 'utf8');
        assert.doesNotMatch(control, /<(?:img|script)/);
        assert.equal(control.match(/<\/Subject>/g)?.length, 1);
      }
      const elsewhere = (await filesBelow(root))
        .concat(await readdir(tmpdir()))
        .filter((path) => path.includes(MARK) && !path.startsWith(join(root, 'files')));
      assert.deepEqual(elsewhere, []);
    });

    it('appears in no log, status or Catch error', async () => {
      const caught = await nodeRed.debug('error', 30_000, (value) => JSON.stringify(value).includes('"bad"'));
      assert.ok(!JSON.stringify(caught).includes(MARK));
      for (const id of ['poll', 'poll2', 'write', 'bad', 'ack']) {
        const status = await nodeRed.status(id, () => true).catch(() => ({}));
        assert.ok(!JSON.stringify(status).includes(MARK), id);
      }
      assert.ok(!nodeRed.log().includes(MARK), 'the log');
    });

    /** Requests a path of the mailbox's admin endpoints, as the editor does. */
    const get = async (path: string): Promise<Response> => {
      const headers = { 'node-red-api-version': 'v2' };
      const response = await fetch(`${nodeRed.url}/mesh/mailboxes/mailbox-X26ABC1${path}`, { headers });
      assert.equal(response.status, 200, path);
      assert.equal(response.headers.get('x-content-type-options'), 'nosniff');
      assert.match(response.headers.get('content-security-policy') ?? '', /default-src 'none'; sandbox/);
      assert.equal(response.headers.get('set-cookie'), null);
      return response;
    };

    it('appears in no list, timeline or export of the sidebar, and its private fields are JSON only', async () => {
      const list = await get('/messages?direction=in');
      assert.match(list.headers.get('content-type') ?? '', /^application\/json/);
      const text = await list.text();
      assert.ok(!text.includes(MARK));
      const { messages } = JSON.parse(text) as { messages: Array<{ reference: string; workflowId: string }> };
      assert.equal(messages.length, Object.keys(NAMES).length);
      const subjects = new Set<string>();
      for (const { reference } of messages) {
        assert.ok(!(await (await get(`/messages/in/${reference}`)).text()).includes(MARK));
        const fields = await get(`/messages/in/${reference}/private`);
        assert.match(fields.headers.get('content-type') ?? '', /^application\/json/);
        const { subject = '' } = (await fields.json()) as { subject?: string };
        subjects.add(subject);
      }
      assert.ok(
        [...subjects].some((subject) => subject.includes('<img src=x')),
        'the subject is kept as received',
      );
      for (const format of ['csv', 'jsonl']) {
        const ledger = await (await get(`/ledger?format=${format}`)).text();
        assert.ok(ledger.split('\n').length > messages.length);
        assert.ok(!ledger.includes(MARK), format);
      }
      const found = await get(`/messages?direction=in&search=${encodeURIComponent(MARK)}`);
      assert.deepEqual(((await found.json()) as { messages: unknown[] }).messages, []);
    });

    it('downloads under a name that is no path, device, header or script, as a type no browser runs', async () => {
      const { messages } = (await (await get('/messages?direction=in')).json()) as {
        messages: Array<{ reference: string }>;
      };
      for (const { reference } of messages) {
        const response = await get(`/messages/in/${reference}/payload`);
        assert.equal(await response.text(), `${MARK} is the payload`);
        assert.equal(response.headers.get('content-type'), 'application/octet-stream');
        const header = response.headers.get('content-disposition') ?? '';
        const [, plain = '', encoded = ''] =
          /^attachment; filename="([\w.\- ]{1,150})"; filename\*=UTF-8''([\w.%~!-]+)$/.exec(header) ?? [];
        for (const name of [plain, decodeURIComponent(encoded)]) {
          assert.doesNotMatch(name, /[/\\<>:"|?*%;\p{C}]|^\.|[. ]$|^$/u, header);
          assert.doesNotMatch(name, /^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)/i, header);
        }
      }
    });
  });
}
