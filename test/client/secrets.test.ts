/**
 * Secrets and patient data never enter errors (docs/design.md, rule 12): marked values are looked for in all that an
 * error says.
 */
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { openMailbox, type Mailbox, type MailboxOptions, type OutgoingMessage } from '../../lib/index';
import type { SandboxFaultEffect } from '../../lib/sandbox/index';
import { emptyFolder } from '../harness/cleanup';
import { listening } from '../harness/listening';
import { fullErrorText, failure } from '../harness/failure';
import { hostileMesh, type HostileResponse } from '../harness/hostile-mesh';
import { mailboxAt, sandbox } from '../harness/mailboxes';

const MARK = 'MARK9434765919';
const secrets: Partial<MailboxOptions> = {
  password: `${MARK}password`,
  sharedKey: `${MARK}key`,
  retry: { attempts: 1 },
  connections: 10,
  timeouts: { headersMs: 200, bodyMs: 200 },
};
const message: OutgoingMessage = {
  to: `GPPROVIDER_${MARK}_to`,
  workflowId: 'WF',
  payload: `${MARK} payload`,
  localId: `${MARK}local`,
  subject: `${MARK} subject`,
  fileName: `${MARK}.pdf`,
  partnerId: `${MARK}|tag`,
  checksum: `MD5 ${MARK}`,
};

/** Fails if an error has a marked value, plainly or in one of its encodings on the wire. */
function assertSilent(error: Error): void {
  const text = fullErrorText(error);
  for (const secret of [MARK, Buffer.from(MARK).toString('base64').slice(0, 16), Buffer.from(MARK).toString('hex')]) {
    assert.ok(!text.includes(secret), `the error says ${secret}: ${text}`);
  }
}

/** Every call that carries a marked value. */
const CALLS: Record<string, (mailbox: Mailbox) => Promise<unknown>> = {
  handshake: (mailbox) => mailbox.handshake(),
  'send plain': (mailbox) => mailbox.send({ ...message, compression: 'never' }),
  'send gzip': (mailbox) => mailbox.send(message),
  'send in chunks': (mailbox) => mailbox.send({ ...message, payload: MARK.repeat(10) }),
  receive: (mailbox) => mailbox.receive('MID'),
  'receive into a folder': async (mailbox) => mailbox.receive('MID', { folder: await emptyFolder() }),
  head: (mailbox) => mailbox.head('MID'),
  'track by local id': (mailbox) => mailbox.trackByLocalId(`${MARK}local`),
};

describe('no error has a secret or patient data', () => {
  const body = Buffer.from(`{"text":"${MARK} received"}`);
  const marked = { 'mex-subject': MARK, 'mex-filename': `${MARK}.pdf`, 'mex-to': MARK, 'mex-localid': MARK };
  const responses: Record<string, HostileResponse | 'hang' | 'break'> = {
    'a 400': {
      status: 400,
      body: Buffer.from(`{"detail":[{"loc":["header","mex-subject"],"msg":"too long","input":"${MARK}"}]}`),
    },
    'a 403': { status: 403 },
    'a 404': { status: 404, headers: marked },
    'a 417': { status: 417, body: Buffer.from('{"errorCode":"12","errorEvent":"SEND"}'), headers: marked },
    'a 500': { status: 500, body },
    'a 503': { status: 503, body },
    'a 302': { status: 302, headers: { location: `/${MARK}` } },
    'an unexpected response': { body, headers: { ...marked, 'mex-chunk-range': '7:7' } },
    'a body that is not gzip, declared as gzip': { body, headers: { ...marked, 'content-encoding': 'gzip' } },
    'a gzip with trailing bytes': {
      body: Buffer.concat([gzipSync(body), body]),
      headers: { ...marked, 'content-encoding': 'gzip' },
    },
    'a response that breaks off': { headers: { ...marked, 'content-length': 1000 }, body, ending: 'break' },
    'a response that stops': { headers: { ...marked, 'content-length': 1000 }, body, ending: 'hang' },
    'more than Content-Length': { headers: { ...marked, 'content-length': 3 }, body },
    'no response': 'hang',
    'a break': 'break',
  };
  for (const [what, response] of Object.entries(responses)) {
    it(`if the server sends ${what}`, async () => {
      const server = await hostileMesh(() => response);
      const mailbox = mailboxAt(server, { ...secrets, maxRequestBytes: 60, chunkBytes: 60, compression: 'never' });
      let failed = 0;
      await Promise.all(
        Object.values(CALLS).map(async (call) => {
          const error = await call(mailbox).then(
            () => undefined,
            (thrown: unknown) => thrown as Error,
          );
          if (!error) return;
          failed += 1;
          assertSilent(error);
        }),
      );
      assert.ok(failed >= 3, `${failed} failed`);
    });
  }

  for (const [what, words] of [
    ['malformed HTTP', `HTTP/1.1 200 OK\r\n${MARK}\r\n\r\n${MARK}`],
    ['another protocol', `220 ${MARK} ESMTP\r\n`],
    ['HTTP with a malformed chunk', `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nXX${MARK}\r\n${MARK}`],
  ] as const) {
    it(`if the server speaks ${what} and repeats the data`, async () => {
      const server = createServer((socket) => socket.once('data', () => socket.end(words)));
      const url = `http://127.0.0.1:${await listening(server)}`;
      for (const [name, call] of Object.entries(CALLS)) {
        const mailbox = mailboxAt(
          { url, ca: undefined },
          { ...secrets, maxRequestBytes: 60, chunkBytes: 60, compression: 'never' },
        );
        // The response to a HEAD has no body.
        if (name !== 'head' || !words.includes('chunked')) assertSilent(await failure(Error, call(mailbox)));
      }
    });
  }

  it('if there is no server', async () => {
    for (const url of ['https://127.0.0.1:1', 'https://mesh.invalid']) {
      for (const call of Object.values(CALLS)) {
        assertSilent(
          await failure(
            Error,
            call(
              mailboxAt(
                { url, ca: undefined },
                { ...secrets, maxRequestBytes: 60, chunkBytes: 60, compression: 'never' },
              ),
            ),
          ),
        );
      }
    }
  });

  it('if its CA is unknown', async () => {
    const server = await hostileMesh(() => ({}));
    for (const call of Object.values(CALLS)) {
      assertSilent(await failure(Error, call(mailboxAt({ url: server.url, ca: undefined }, { ...secrets }))));
    }
  });

  const effects: SandboxFaultEffect[] = [
    { kind: 'drop', when: 'after' },
    { kind: 'status', status: 502, after: true },
    { kind: 'truncate', bytes: 2 },
  ];
  for (const effect of effects) {
    it(`if the response to a message is lost (${effect.kind})`, async () => {
      const server = await sandbox({
        protocol: 'http',
        sharedKey: `${MARK}key`,
        mailboxes: [{ mailboxId: 'X26ABC1', password: `${MARK}password` }],
      });
      server.fault({ operation: 'send_message', effect });
      const error = await failure(Error, mailboxAt(server, secrets).send({ ...message, to: 'X26ABC1' }));
      assert.equal(server.messages().length, 1, 'it had arrived');
      assertSilent(error);
    });
  }

  it('if the sandbox refuses the recipient or the headers', async () => {
    const server = await sandbox({
      protocol: 'http',
      sharedKey: `${MARK}key`,
      mailboxes: [{ mailboxId: 'X26ABC1', password: `${MARK}password` }],
    });
    assertSilent(await failure(Error, mailboxAt(server, secrets).send(message)));
    assertSilent(await failure(Error, mailboxAt(server, secrets).trackByLocalId(`${MARK}none`)));
  });

  it('if the message itself is invalid', async () => {
    const folder = await emptyFolder();
    await mkdir(join(folder, `${MARK}folder`));
    await writeFile(join(folder, `${MARK}empty`), '');
    await writeFile(join(folder, `${MARK}’s letter`), 'x');
    const wrong: Array<Partial<OutgoingMessage>> = [
      { subject: `${MARK}\n` },
      { localId: MARK.repeat(50) },
      { to: `https://${MARK}` },
      { fileName: `${MARK}’` },
      { checksum: `${MARK}+` },
      { payload: { file: join(folder, `${MARK}gone`) } },
      { payload: { file: join(folder, `${MARK}folder`) } },
      { payload: { file: join(folder, `${MARK}empty`) } },
      { payload: { file: `${MARK}\0` } },
      { payload: { file: join(folder, `${MARK}’s letter`) }, fileName: '' },
      { payload: { json: { [MARK]: 1n } } },
      {
        payload: {
          json: {
            toJSON() {
              throw new Error(MARK);
            },
          },
        },
      },
      { payload: { [MARK]: MARK } as never },
    ];
    const { fileName: _, ...rest } = message;
    const mailbox = mailboxAt({ url: 'http://127.0.0.1:1', ca: undefined }, secrets);
    for (const each of wrong) assertSilent(await failure(Error, mailbox.send({ ...rest, ...each })));
  });

  it('if a received file cannot be written', async () => {
    const server = await hostileMesh(() => ({ body, headers: marked }));
    const folder = await emptyFolder();
    await writeFile(join(folder, `${MARK}file`), '');
    const mailbox = mailboxAt(server, secrets);
    assertSilent(await failure(Error, mailbox.receive('MID', { folder: join(folder, `${MARK}file`) })));
    assertSilent(await failure(Error, mailbox.receive('MID', { file: join(folder, `${MARK}file`) })));
    assertSilent(await failure(Error, mailbox.receive('MID', { file: `${MARK}\0` })));
    assertSilent(await failure(Error, mailboxAt(server, { ...secrets, maxBufferBytes: 1 }).receive('MID')));
  });

  it('if the call was aborted', async () => {
    const server = await hostileMesh(() => 'hang');
    const mailbox = mailboxAt(server, { ...secrets, timeouts: {} });
    const signal = AbortSignal.timeout(50);
    assertSilent(await failure(Error, mailbox.send(message, { signal })));
    assertSilent(await failure(Error, mailbox.trackByLocalId(`${MARK}local`, { signal })));
  });

  it('if the mailbox cannot be opened', async () => {
    const good = { environment: 'integration', mailboxId: 'X', password: `${MARK}p`, sharedKey: `${MARK}k` };
    for (const wrong of [
      { environment: `ftp://${MARK}` },
      { mailboxId: `${MARK}/` },
      { tls: { cert: MARK, key: MARK } },
      { tls: { pfx: Buffer.from(MARK), passphrase: MARK } },
      { proxy: { url: `socks://user:${MARK}@proxy:1` } },
    ]) {
      assertSilent(await failure(Error, (async () => openMailbox({ ...good, ...wrong }))()));
    }
  });
});
