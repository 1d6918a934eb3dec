/**
 * The admin endpoints of a real Node-RED: their permissions, what each response contains, and the user in the ledger.
 */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import type { LedgerEntry } from '../../lib/index';
import { attachment } from '../../nodes/admin/sidebar-payloads';
import type { NodeRedMajor, RealNodeRed } from '../harness/node-red';
import { sendAndPollFlow, startNodeRed, text } from '../harness/flows';
import { pause } from './support';

const MAJOR = (process.env['NODE_RED'] ?? '5') as NodeRedMajor;
const { hashSync } = createRequire(require.resolve('node-red/package.json'))('bcryptjs') as {
  hashSync(this: void, password: string, rounds: number): string;
};

const USERS = { reader: ['mesh.read', 'status.read'], operator: ['mesh.read', 'mesh.write'], clerk: '*' };
const users = Object.entries(USERS).map(([username, permissions]) => ({
  username,
  password: hashSync('secret', 4),
  permissions,
}));

const sandboxMailbox = (mailboxId: string) => ({
  id: `mailbox-${mailboxId}`,
  type: 'mesh-config',
  name: mailboxId,
  version: 1,
  environment: 'sandbox',
  mailboxId,
});
/** A mailbox on another machine, perhaps a proxy in front of Live. */
const REMOTE = {
  ...sandboxMailbox('X26ABC9'),
  environment: 'https://mesh.invalid',
  credentials: { password: 'MARKED-PASSWORD', sharedKey: 'MARKED-KEY' },
};
const FLOWS = [
  ...sendAndPollFlow('X26ABC1', 'X26ABC2'),
  sandboxMailbox('X26ABC1'),
  sandboxMailbox('X26ABC2'),
  REMOTE,
  { id: 'track9', type: 'mesh-track', z: 'tab', x: 1, y: 1, version: 1, mailbox: REMOTE.id, wires: [[], []] },
];

const BOX = '/mesh/mailboxes/mailbox-X26ABC1';
const READ = [
  '/mesh/mailboxes',
  `${BOX}/activity`,
  `${BOX}/messages`,
  `${BOX}/messages/out/x`,
  `${BOX}/ledger`,
  '/mesh/profiles',
];
const WRITE = [`${BOX}/actions`, `${BOX}/messages/out/x/actions`, '/mesh/check', '/mesh/lookup'];
const TICKETS = { reader: `${BOX}/ledger/ticket`, clerk: `${BOX}/messages/out/x/payload/ticket` };
const PAYLOAD = [`${BOX}/messages/out/x/private`, `${BOX}/messages/out/x/payload`];

interface Call {
  user?: string;
  method?: string;
  headers?: Record<string, string | undefined>;
  body?: unknown;
}

describe('the admin endpoints', function () {
  this.timeout(60_000);
  let nodeRed: RealNodeRed;
  let done: () => Promise<void>;
  const tokens = new Map<string, string>();

  /** A request like the editor's, unless the headers differ. */
  async function call(path: string, { user, method = 'GET', headers = {}, body }: Call = {}): Promise<Response> {
    const all: Record<string, string | undefined> = {
      'node-red-api-version': 'v2',
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(user === undefined ? {} : { authorization: `Bearer ${tokens.get(user)}` }),
      ...headers,
    };
    const sent = Object.fromEntries(
      Object.entries(all).filter((pair): pair is [string, string] => pair[1] !== undefined),
    );
    const isBytes = typeof body === 'string';
    return fetch(nodeRed.url + path, {
      method,
      headers: sent,
      ...(body === undefined ? {} : { body: isBytes ? body : JSON.stringify(body) }),
    });
  }

  const compose = (user: string | undefined, box: string, message: object, payload = 'MARKED-PAYLOAD') =>
    call(`/mesh/mailboxes/${box}/compose`, {
      ...(user === undefined ? {} : { user }),
      method: 'POST',
      headers: {
        'content-type': 'application/octet-stream',
        'mesh-message': encodeURIComponent(JSON.stringify(message)),
      },
      body: payload,
    });

  async function list(user: string, box: string, direction: string) {
    const response = await call(`/mesh/mailboxes/${box}/messages?direction=${direction}`, { user });
    return ((await response.json()) as { messages: Array<{ reference: string; state: string; error?: unknown }> })
      .messages;
  }

  async function until(what: string, fact: () => Promise<boolean>): Promise<void> {
    for (const end = Date.now() + 20_000; !(await fact()); await pause(50)) {
      if (Date.now() > end) throw new Error(`in vain waited for: ${what}`);
    }
  }

  describe('with adminAuth', () => {
    before(async () => {
      const settings = `adminAuth: { type: 'credentials', users: ${JSON.stringify(users)} },`;
      ({ nodeRed, done } = await startNodeRed({ major: MAJOR, flows: FLOWS, settings }));
      for (const username of Object.keys(USERS)) {
        const response = await fetch(`${nodeRed.url}/auth/token`, {
          method: 'POST',
          body: new URLSearchParams({
            client_id: 'node-red-admin',
            grant_type: 'password',
            scope: '',
            username,
            password: 'secret',
          }),
        });
        tokens.set(username, ((await response.json()) as { access_token: string }).access_token);
      }
      await until('the mailboxes to be open', async () => (await call(READ[2] ?? '', { user: 'reader' })).ok);
    });
    after(() => done());

    it('respond 401 without a user, and to a user without the permission', async () => {
      const asked: Array<[string, string | undefined]> = [
        ...[...READ, ...WRITE, ...PAYLOAD].map((path): [string, undefined] => [path, undefined]),
        ...[...WRITE, ...PAYLOAD].map((path): [string, string] => [path, 'reader']),
        ...PAYLOAD.map((path): [string, string] => [path, 'operator']),
      ];
      for (const [path, user] of asked) {
        const post = WRITE.includes(path) ? { method: 'POST', body: { action: 'poll' } } : {};
        const response = await call(path, { ...(user ? { user } : {}), ...post });
        assert.equal(response.status, 401, `${path} for ${user ?? 'nobody'}`);
        assert.ok(!(await response.text()).includes('X26ABC'), path);
      }
      for (const user of [undefined, 'reader', 'operator']) {
        assert.equal((await compose(user, 'mailbox-X26ABC1', { to: 'X26ABC2', workflowId: 'W' })).status, 401);
      }
      assert.deepEqual(await list('reader', 'mailbox-X26ABC1', 'out'), []);
    });

    it('respond 403 to requests that another site can make a browser send', async () => {
      for (const path of [...READ, ...PAYLOAD]) {
        const without = await call(path, { user: 'clerk', headers: { 'node-red-api-version': undefined } });
        assert.equal(without.status, 403, path);
        const cross = await call(path, { user: 'clerk', headers: { 'sec-fetch-site': 'cross-site' } });
        assert.equal(cross.status, 403, path);
      }
      for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x']) {
        for (const path of [...WRITE, `${BOX}/compose`]) {
          const response = await call(path, {
            user: 'clerk',
            method: 'POST',
            headers: { 'content-type': type },
            body: 'x=1',
          });
          assert.equal(response.status, 403, `${path} as ${type}`);
        }
      }
    });

    it('accept a file, and show readers neither its names nor its payload nor a secret', async () => {
      const message = {
        to: 'X26ABC2',
        workflowId: 'TEST_WORKFLOW',
        subject: 'MARKED-SUBJECT',
        fileName: 'MARKED-FILE.txt',
      };
      const taken = await compose('clerk', 'mailbox-X26ABC1', message);
      assert.equal(taken.status, 200, await taken.clone().text());
      const { reference } = (await taken.json()) as { reference: string };
      await until(
        'its acceptance',
        async () => (await list('reader', 'mailbox-X26ABC1', 'out'))[0]?.state === 'accepted',
      );
      const poll = await call('/mesh/mailboxes/mailbox-X26ABC2/actions', {
        user: 'operator',
        method: 'POST',
        body: { action: 'poll' },
      });
      assert.deepEqual(await poll.json(), { started: true });
      await until('its receipt', async () => (await list('reader', 'mailbox-X26ABC2', 'in'))[0]?.state === 'done');
      const [received] = await list('reader', 'mailbox-X26ABC2', 'in');
      const inbox = '/mesh/mailboxes/mailbox-X26ABC2';
      const responses = [
        ...READ.map((path) => path.replace('/out/x', `/out/${reference}`)),
        `${inbox}/messages?direction=in&search=MARKED`,
        `${inbox}/messages/in/${received?.reference}`,
        `${inbox}/ledger?format=jsonl`,
        `${BOX}/messages?search=MARKED-SUBJECT`,
      ];
      for (const path of responses) {
        const response = await call(path, { user: 'reader' });
        assert.equal(response.status, 200, path);
        assert.ok(!/MARKED/.test(await response.text()), path);
        assert.equal(response.headers.get('cache-control'), 'no-store');
      }
      assert.ok(!/MARKED/.test(nodeRed.log()));

      const fields = await call(`${inbox}/messages/in/${received?.reference}/private`, { user: 'clerk' });
      const { subject, fileName } = (await fields.json()) as { subject: string; fileName: string };
      assert.deepEqual([subject, fileName], ['MARKED-SUBJECT', 'MARKED-FILE.txt']);
      const payload = await call(`${inbox}/messages/in/${received?.reference}/payload`, { user: 'clerk' });
      assert.equal(await payload.text(), 'MARKED-PAYLOAD');
      assert.equal(payload.headers.get('content-type'), 'application/octet-stream');
      assert.match(payload.headers.get('content-disposition') ?? '', /^attachment; filename="MARKED-FILE.txt"/);

      const events = async (path: string): Promise<string[]> => {
        const { timeline } = (await (await call(path, { user: 'reader' })).json()) as { timeline: LedgerEntry[] };
        return timeline
          .filter(({ detail }) => 'user' in detail)
          .map(({ event, detail }) => `${event} ${detail['user']}`);
      };
      assert.deepEqual(await events(`${BOX}/messages/out/${reference}`), ['composed clerk']);
      assert.deepEqual(await events(`${inbox}/messages/in/${received?.reference}`), [
        'looked at clerk',
        'downloaded clerk',
      ]);
    });

    it('issue a download ticket to a user with the permission, which works once and in that user’s name', async () => {
      const [received] = await list('reader', 'mailbox-X26ABC2', 'in');
      const message = `/mesh/mailboxes/mailbox-X26ABC2/messages/in/${received?.reference}`;
      const post = { method: 'POST', body: {} };
      const ticketFor = async (path: string, user: string): Promise<string> => {
        const response = await call(`${path}/ticket`, { ...post, user });
        assert.equal(response.status, 200, path);
        return ((await response.json()) as { ticket: string }).ticket;
      };
      // Like a browser that follows a link: without token and header.
      const shown = (path: string, ticket: string, headers: Record<string, string> = {}): Promise<Response> =>
        fetch(`${nodeRed.url}${path}?days=1&ticket=${ticket}`, { headers });

      for (const user of [undefined, 'reader', 'operator']) {
        const response = await call(`${message}/payload/ticket`, { ...post, ...(user ? { user } : {}) });
        assert.equal(response.status, 401, String(user));
      }
      for (const [user, path] of Object.entries(TICKETS)) {
        const plain = { user, method: 'POST', headers: { 'content-type': 'text/plain' }, body: 'x' };
        assert.equal((await call(path, plain)).status, 403, path);
        const without = { ...post, user, headers: { 'node-red-api-version': undefined } };
        assert.equal((await call(path, without)).status, 403, path);
      }
      assert.equal((await call(TICKETS.clerk, { ...post, user: 'clerk' })).status, 404, 'no such message');

      const ticket = await ticketFor(`${message}/payload`, 'clerk');
      const first = await shown(`${message}/payload`, ticket, { 'sec-fetch-site': 'same-origin' });
      assert.equal(await first.text(), 'MARKED-PAYLOAD');
      assert.match(first.headers.get('content-disposition') ?? '', /^attachment/);
      const replayed = await shown(`${message}/payload`, ticket);
      assert.deepEqual([replayed.status, await replayed.text()], [403, '']);

      const other = await ticketFor(`${BOX}/ledger`, 'reader');
      assert.equal((await shown(`${message}/payload`, other)).status, 403, 'a ledger’s ticket opens no message');
      const site = await ticketFor(`${message}/payload`, 'clerk');
      assert.equal((await shown(`${message}/payload`, site, { 'sec-fetch-site': 'cross-site' })).status, 403);
      assert.equal((await shown(`${message}/payload`, 'guessed')).status, 403);

      const csv = await (await shown(`${BOX}/ledger`, await ticketFor(`${BOX}/ledger`, 'reader'))).text();
      assert.match(csv, /composed/);
      assert.ok(!/MARKED/.test(csv));
      const { timeline } = (await (await call(message, { user: 'reader' })).json()) as { timeline: LedgerEntry[] };
      const downloads = timeline.filter(({ event }) => event === 'downloaded').map(({ detail }) => detail['user']);
      assert.deepEqual(downloads, ['clerk', 'clerk']);
    });

    it('refuse an impossible action with a text, and record nothing', async () => {
      const [sent] = await list('reader', 'mailbox-X26ABC1', 'out');
      const path = `${BOX}/messages/out/${sent?.reference}`;
      for (const action of ['resend', 'drop', 'acknowledge', '', undefined]) {
        const response = await call(`${path}/actions`, { user: 'operator', method: 'POST', body: { action } });
        assert.equal(response.status, 400, String(action));
        assert.match(((await response.json()) as { error: { message: string } }).error.message, /\.$/);
      }
      const unknown = await call(`${BOX}/messages/in/no-such/actions`, {
        user: 'operator',
        method: 'POST',
        body: { action: 'acknowledge' },
      });
      assert.equal(unknown.status, 404);
      assert.equal((await compose('clerk', 'mailbox-X26ABC1', { to: '', workflowId: 'W' })).status, 400);
      assert.equal((await compose('clerk', 'mailbox-X26ABC1', { to: 'X26ABC2', workflowId: 'W' }, '')).status, 400);
      assert.equal((await call('/mesh/mailboxes/no-such/messages', { user: 'reader' })).status, 404);
    });

    it('show a named user the messages of any mailbox', async () => {
      // Only a deploy brings credentials, a flow file does not.
      assert.ok((await call('/flows', { user: 'clerk', method: 'POST', body: { flows: FLOWS } })).ok);
      const path = `/mesh/mailboxes/${REMOTE.id}/messages/out/x/private`;
      await until('its mailbox', async () =>
        /not in the store/.test(await (await call(path, { user: 'clerk' })).text()),
      );
    });
  });

  describe('without adminAuth', () => {
    it('send stored credentials only to the address for which they were deployed', async () => {
      for (const environment of ['https://localhost:1', 'https://mesh.invalid:8443', 'live']) {
        const typed = { id: REMOTE.id, mailboxId: 'X26ABC9', password: '__PWRD__', sharedKey: '__PWRD__', environment };
        const response = await call('/mesh/check', { method: 'POST', body: typed });
        const text = await response.text();
        assert.equal(response.status, 200);
        const { steps } = JSON.parse(text) as { steps: Array<{ step: string; outcome: string; text: string }> };
        assert.deepEqual(
          steps.map(({ step, outcome }) => `${step} ${outcome}`),
          ['settings failed'],
          `${environment} ${text}`,
        );
        assert.ok(!/MARKED/.test(text));
      }
    });

    before(async () => {
      ({ nodeRed, done } = await startNodeRed({ major: MAJOR }));
      await nodeRed.deploy(FLOWS);
      for (const id of ['mailbox-X26ABC1', REMOTE.id]) {
        await until('the mailboxes to be open', async () => (await call(`/mesh/mailboxes/${id}/messages`)).ok);
      }
    });
    after(() => done());

    it('show, download and compose no message of a mailbox outside this machine’s sandbox', async () => {
      const box = `/mesh/mailboxes/${REMOTE.id}`;
      const responses = [
        await call(`${box}/messages/out/x/private`),
        await call(`${box}/messages/in/x/payload`),
        await compose(undefined, REMOTE.id, { to: 'X26ABC2', workflowId: 'W' }),
      ];
      for (const response of responses) {
        assert.equal(response.status, 403);
        assert.match(await response.text(), /adminAuth/);
      }
      assert.equal((await compose(undefined, 'mailbox-X26ABC1', { to: 'X26ABC2', workflowId: 'W' })).status, 200);
    });

    it('serve the sidebar’s script, texts and plugin to the editor', async () => {
      const name = '@mesh-flows/node-red-nhs-mesh';
      const script = await call(`/resources/${name}/mesh-sidebar/main.js`);
      assert.match(script.headers.get('content-type') ?? '', /javascript/);
      const html = await (await call('/plugins', { headers: { accept: 'text/html' } })).text();
      assert.match(html, /mesh-sidebar\/main\.js/);
      const texts = await (await call('/plugins/messages?lng=en-US')).text();
      assert.match(texts, /Poll now/);
    });

    it('still require the editor’s header', async () => {
      assert.equal((await call('/mesh/mailboxes', { headers: { 'node-red-api-version': undefined } })).status, 403);
    });

    it('reveal no secret of a mailbox that does not work', async () => {
      await nodeRed.inject('go', text('x'));
      const response = await (await call('/mesh/mailboxes')).text();
      assert.match(response, /X26ABC9/);
      assert.ok(!/MARKED/.test(response));
    });
  });

  it('give a download a file name that can leave neither the header nor the folder', () => {
    const hostile = [
      '../../etc/passwd',
      '..\\..\\x.exe',
      'a"\r\nSet-Cookie: x=1\r\n.txt',
      'ü‮fdp.exe',
      '...',
      '',
      '\u0000',
      `${'a'.repeat(149)}😀😀`,
      "it's (1).txt",
    ];
    for (const name of hostile) {
      const header = attachment(name, '20260101_AB');
      assert.match(header, /^attachment; filename="[\w.\- ]+"; filename\*=UTF-8''[\w.%~!-]+$/, JSON.stringify(name));
      const [, encoded = ''] = /UTF-8''(.*)$/.exec(header) ?? [];
      assert.ok(!/[/\\\r\n\0\u202e]|^\./.test(decodeURIComponent(encoded)), header);
    }
    for (const device of ['CON', 'nul.txt', 'Com1.pdf', '<NUL>', 'LPT9 . ']) {
      assert.match(attachment(device, 'x'), /filename="_\w/, device);
    }
    assert.match(attachment('letter.pdf', 'x'), /filename="letter.pdf"/);
    assert.match(attachment('', 'x'), /filename="x.dat"/);
  });
});
