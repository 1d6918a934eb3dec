/** "Test connection" in a mailbox's dialog, before anything is deployed. */
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import type { Locator } from 'playwright-core';
import { startSandbox, type Sandbox } from '../../lib/sandbox';
import { MAJORS, mailboxOn } from '../journeys/support';
import { authority, type Authority, type Pair } from '../support/certificates';
import { hostileMesh } from '../support/hostile-mesh';
import { listening } from '../support/listening';
import { Editor, needsChromium, THEMES } from './support';

/** Presses the button, waits for the verdict and gives the steps with one outcome. */
async function tested(tray: Locator, outcome: string): Promise<string[]> {
  await tray.getByRole('button', { name: 'Test connection' }).click();
  await tray.getByRole('status').filter({ hasText: 'The connection' }).waitFor();
  await tray.page().waitForFunction(() => document.querySelectorAll('#mesh-test-connection li').length > 0);
  return tray
    .locator(`li[data-outcome="${outcome}"]`)
    .evaluateAll((items) => items.map((item) => item.getAttribute('data-step') ?? ''));
}

const DAY = 24 * 60 * 60 * 1000;

/** What the dialog is given: typed, or chosen among what is deployed. */
interface Case {
  environment?: string;
  tls?: string;
  proxy?: string;
}

/** Each step that can fail only with a server, certificate or proxy of its own: how it comes to fail. */
const FAILURES: ReadonlyArray<{
  what: string;
  failed: string[];
  advice: RegExp;
  given: (own: { ca: Authority }) => Promise<Case>;
}> = [
  {
    what: 'a client certificate that has expired',
    failed: ['certificate'],
    advice: /certificate/,
    given: async () => ({ tls: 'tls-expired' }),
  },
  {
    what: 'a proxy that wants a password',
    failed: ['proxy'],
    advice: /proxy’s user name and password/,
    given: async () => ({ proxy: 'proxy' }),
  },
  {
    what: 'a server that speaks no TLS',
    failed: ['tls'],
    advice: /./,
    given: async () => at(await listening(createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')))),
  },
  {
    what: 'a server that never answers',
    failed: ['tls'],
    advice: /No answer/,
    given: async () => at(await listening(createServer(() => undefined))),
  },
  { what: 'a CA that is not trusted', failed: ['authority'], advice: /CA/, given: async () => ({ tls: 'tls-own' }) },
  {
    what: 'a server’s certificate that has expired',
    failed: ['server-certificate'],
    advice: /expired/,
    given: ({ ca }) => serverOf(ca.issue({ notAfter: new Date(Date.now() - DAY) })),
  },
  {
    what: 'a certificate for another host name',
    failed: ['host-name'],
    advice: /another host name/,
    given: ({ ca }) => serverOf(ca.issue({ names: ['elsewhere.example'] })),
  },
  {
    what: 'a clock that is three hours off',
    failed: ['clock', 'handshake'],
    advice: /clock/,
    given: ({ ca }) => serverOf(ca.issue(), -3 * 60 * 60 * 1000),
  },
];

const at = (port: number): Case => ({ environment: `https://127.0.0.1:${port}` });

/** A server with this certificate that lets nobody in, by a clock that goes otherwise. */
async function serverOf(pair: Promise<Pair>, skewMs = 0): Promise<Case> {
  const headers = () => ({ date: new Date(Date.now() + skewMs).toUTCString() });
  const { url } = await hostileMesh(() => ({ status: 403, headers: headers(), body: Buffer.from('{}') }), await pair);
  return { environment: url, tls: 'tls-own' };
}

/** A proxy that asks everybody for a password. */
async function refusingProxy(): Promise<{ url: string; close: () => void }> {
  const proxy = createServer((socket) =>
    socket.end('HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="x"\r\n\r\n'),
  );
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const { port } = proxy.address() as { port: number };
  return { url: `http://127.0.0.1:${port}`, close: () => proxy.close() };
}

for (const major of MAJORS) {
  for (const theme of THEMES[major]) {
    describe(`test connection in Node-RED ${major}, ${theme}`, function () {
      needsChromium(this);
      let sandbox: Sandbox;
      let editor: Editor;
      let ca: Authority;
      let proxy: { url: string; close: () => void };
      before(async () => {
        sandbox = await startSandbox({ clientCertificate: 'required' });
        ca = await authority('Another CA');
        proxy = await refusingProxy();
        const expired = await sandbox.clientCertificate({ notAfter: new Date(Date.now() - DAY) });
        const [deployedTls, deployed] = await mailboxOn(sandbox, 'X26ABC1');
        const tls = (id: string, credentials: object) => ({ ...deployedTls, id, credentials });
        const flows = [
          { id: 'tab', type: 'tab', label: 'test' },
          deployedTls,
          deployed,
          tls('tls-expired', { certdata: expired.cert, keydata: expired.key, cadata: sandbox.ca }),
          tls('tls-own', { cadata: ca.cert }),
          { id: 'proxy', type: 'http proxy', name: '', url: proxy.url, noproxy: [], credentials: {} },
          { id: 'send', type: 'mesh-send', z: 'tab', mailbox: 'mailbox-X26ABC1', x: 100, y: 100, wires: [] },
        ];
        editor = await Editor.open({ major, theme, flows: [] });
        await editor.nodeRed.deploy(flows);
        await editor.reload();
      });
      after(async () => {
        await editor.close();
        await sandbox.close();
        proxy.close();
      });

      // A dialog that a failed test has left would be in the next one's way.
      afterEach(() => editor.cancelAll());

      it('is green with what is deployed, its stored password and key included, and has no serious fault', async () => {
        const tray = await editor.editConfig('mesh-config', 'mailbox-X26ABC1');
        await tray.locator('#mesh-test-connection-workflow').fill('TEST_WORKFLOW');
        assert.deepEqual(await tested(tray, 'failed'), []);
        assert.deepEqual(await tested(tray, 'skipped'), ['proxy']);
        if (major === '5' && theme === 'light') await editor.picture('test-connection', tray);
        assert.deepEqual(await editor.seriousFaults('#mesh-test-connection'), []);
        await editor.cancel();
      });

      for (const [what, fields, step] of [
        ['another shared key', { sharedKey: 'other' }, 'handshake'],
        ['another password', { password: 'other' }, 'handshake'],
        ['another mailbox', { mailboxId: 'X26NONE' }, 'handshake'],
        ['an unknown name', { environment: 'https://mesh.invalid', password: 'p', sharedKey: 'k' }, 'name'],
        ['a port that refuses', { environment: 'https://127.0.0.1:1', password: 'p', sharedKey: 'k' }, 'tcp'],
        // The stored password goes to nobody but whom it was deployed for.
        ['another address and the stored password', { environment: 'https://127.0.0.1:1' }, 'settings'],
      ] as const) {
        // What is asked is the same in every theme: one red step shows what it looks like there.
        if (theme === 'dark' && what !== 'another shared key') continue;
        it(`shows ${step} in red for ${what}, typed and not deployed`, async () => {
          const tray = await editor.editConfig('mesh-config', 'mailbox-X26ABC1');
          for (const [field, value] of Object.entries(fields)) {
            await tray.locator(`#node-config-input-${field}`).fill(value);
          }
          assert.deepEqual(await tested(tray, 'failed'), [step]);
          const advice = await tray.locator(`li[data-step="${step}"] em`).textContent();
          assert.ok(advice !== null && advice.length > 10);
          const red = await tray.locator(`li[data-step="${step}"]`).boundingBox();
          const dialog = await tray.boundingBox();
          assert.ok(red && dialog && red.y + red.height <= dialog.y + dialog.height, 'the red step can be seen');
          if (major === '5' && theme === 'light' && what === 'a port that refuses') {
            await editor.picture('test-connection-failed', tray);
          }
          assert.deepEqual(await editor.seriousFaults('#mesh-test-connection'), []);
          await editor.cancel();
        });
      }

      // As above: in one theme of each Node-RED.
      for (const { what, failed, advice, given } of theme === 'dark' ? [] : FAILURES) {
        it(`shows ${failed.join(' and ')} in red for ${what}`, async () => {
          const { environment, tls: tlsNode, proxy: proxyNode } = await given({ ca });
          const tray = await editor.editConfig('mesh-config', 'mailbox-X26ABC1');
          if (environment !== undefined) await tray.locator('#node-config-input-environment').fill(environment);
          await tray.locator('#node-config-input-password').fill('password');
          await tray.locator('#node-config-input-sharedKey').fill('TestKey');
          if (tlsNode) await tray.locator('#node-config-input-tls').selectOption(tlsNode);
          if (proxyNode) await tray.locator('#node-config-input-proxy').selectOption(proxyNode);
          const found = await tested(tray, 'failed');
          assert.deepEqual(found, failed, await tray.locator('#mesh-test-connection').innerText());
          assert.match((await tray.locator(`li[data-step="${failed[0]}"]`).textContent()) ?? '', advice);
          await editor.cancel();
        });
      }

      it('warns of a workflow that nobody receives', async () => {
        const tray = await editor.editConfig('mesh-config', 'mailbox-X26ABC1');
        await tray.locator('#mesh-test-connection-workflow').fill('NO_SUCH_WORKFLOW');
        assert.deepEqual(await tested(tray, 'failed'), []);
        assert.deepEqual(await tested(tray, 'warned'), ['workflow']);
        await editor.cancel();
      });

      it('tests a new mailbox of the built-in sandbox', async () => {
        const tray = await editor.editConfig('mesh-config');
        await tray.locator('#node-config-input-mailboxId').fill('X26ABC2');
        assert.deepEqual(await tested(tray, 'failed'), []);
        await editor.cancel();
      });

      it('shows no error on the console', () => editor.noErrors());
    });
  }
}
