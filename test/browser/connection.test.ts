/** "Test connection" in the dialog of a mailbox, before the mailbox is deployed. */
import assert from 'node:assert/strict';
import type { Locator } from 'playwright-core';
import { CHECK_STEPS } from '../../lib/index';
import { startSandbox, type Sandbox } from '../../lib/sandbox';
import { fastClock } from '../harness/clocks';
import { mailboxOn } from '../harness/flows';
import { at, FAILING } from './failing-connections';
import { Editor, MAJORS, needsChromium, THEMES } from '../harness/browser';

/** Presses the button, waits for the verdict and returns the steps with one outcome. */
async function stepsAfterTest(tray: Locator, outcome: string): Promise<string[]> {
  await tray.getByRole('button', { name: 'Test connection' }).click();
  await tray.getByRole('status').filter({ hasText: 'The connection' }).waitFor({ timeout: 60_000 });
  await tray.page().waitForFunction(() => document.querySelectorAll('#mesh-test-connection li').length > 0);
  return tray
    .locator(`li[data-outcome="${outcome}"]`)
    .evaluateAll((items) => items.map((item) => item.getAttribute('data-step') ?? ''));
}

/** Runs in the page: changes config nodes like a user who presses Update and does not deploy. */
function change(nodes: Record<string, object>): void {
  const { RED } = globalThis as unknown as { RED: { nodes: { node(id: string): object } } };
  for (const [id, fields] of Object.entries(nodes)) Object.assign(RED.nodes.node(id), fields, { changed: true });
}

for (const major of MAJORS) {
  for (const theme of THEMES[major]) {
    describe(`test connection in Node-RED ${major}, ${theme}`, function () {
      needsChromium(this);
      let sandbox: Sandbox;
      let editor: Editor;
      before(async () => {
        sandbox = await startSandbox({ clientCertificate: 'required' });
        const flows = [
          { id: 'tab', type: 'tab', label: 'test' },
          ...(await mailboxOn(sandbox, 'X26ABC1')),
          { id: 'proxy', type: 'http proxy', name: '', url: 'http://127.0.0.1:1', noproxy: [], credentials: {} },
          { id: 'send', type: 'mesh-send', z: 'tab', mailbox: 'mailbox-X26ABC1', x: 100, y: 100, wires: [] },
        ];
        // Five times as fast: the test of a server that hangs takes 2 s, not 10.
        editor = await Editor.open({ major, theme, flows: [], clock: fastClock(5, 0) });
        await editor.nodeRed.deploy(flows);
        await editor.reload();
      });
      after(async () => {
        await editor.close();
        await sandbox.close();
      });

      // A dialog left open by a failed test would hinder the next one.
      afterEach(() => editor.cancelAll());

      it('passes with the deployed settings and stored secrets, and is accessible', async () => {
        const tray = await editor.editConfig('mesh-config', 'mailbox-X26ABC1');
        await tray.locator('#mesh-test-connection-workflow').fill('TEST_WORKFLOW');
        assert.deepEqual(await stepsAfterTest(tray, 'failed'), []);
        assert.deepEqual(await stepsAfterTest(tray, 'skipped'), ['proxy']);
        if (major === '5' && theme === 'light') await editor.picture('test-connection', tray);
        assert.deepEqual(await editor.seriousViolations('#mesh-test-connection'), []);
        await editor.cancel();
      });

      for (const [what, fields, step] of [
        ['another shared key', { sharedKey: 'other' }, 'handshake'],
        ['another password', { password: 'other' }, 'handshake'],
        ['another mailbox and typed secrets', { mailboxId: 'X26NONE', password: 'p', sharedKey: 'k' }, 'handshake'],
        ['another mailbox and the stored password', { mailboxId: 'X26NONE' }, 'settings'],
        ['an unknown name', { environment: 'https://mesh.invalid', password: 'p', sharedKey: 'k' }, 'name'],
        ['a port that refuses', { environment: 'https://127.0.0.1:1', password: 'p', sharedKey: 'k' }, 'tcp'],
        // The stored password is sent only to the server it was deployed for.
        ['another address and the stored password', { environment: 'https://127.0.0.1:1' }, 'settings'],
      ] as const) {
        // The requests are the same in every theme: one failed step shows its colours.
        if (theme === 'dark' && what !== 'another shared key') continue;
        it(`shows ${step} as failed for ${what}, typed and not deployed`, async () => {
          const tray = await editor.editConfig('mesh-config', 'mailbox-X26ABC1');
          for (const [field, value] of Object.entries(fields)) {
            await tray.locator(`#node-config-input-${field}`).fill(value);
          }
          assert.deepEqual(await stepsAfterTest(tray, 'failed'), [step]);
          const advice = await tray.locator(`li[data-step="${step}"] em`).textContent();
          assert.ok(advice !== null && advice.length > 10);
          if (major === '5' && theme === 'light' && what === 'a port that refuses') {
            await editor.picture('test-connection-failed', tray);
          }
          assert.deepEqual(await editor.seriousViolations('#mesh-test-connection'), []);
          await editor.cancel();
        });
      }

      for (const { what, failed = [], warned = [], make } of theme === 'light' ? FAILING : []) {
        const steps = [...failed, ...warned].join(' and ');
        it(`shows ${steps} for ${what}, with visible advice and no passed step after it`, async () => {
          const typed = await make(sandbox);
          await editor.page.evaluate(change, { 'tls-X26ABC1': { credentials: typed.tls }, proxy: typed.proxy ?? {} });
          const tray = await editor.editConfig('mesh-config', 'mailbox-X26ABC1');
          for (const [field, value] of Object.entries(at(typed))) {
            await tray.locator(`#node-config-input-${field}`).fill(value);
          }
          if (typed.proxy) await tray.locator('select#node-config-input-proxy').selectOption('proxy');
          await tray.locator('#mesh-test-connection-workflow').fill(typed.workflow ?? '');
          assert.deepEqual(await stepsAfterTest(tray, 'failed'), failed);
          if (warned.length > 0) assert.deepEqual(await stepsAfterTest(tray, 'warned'), warned);
          const [first = 'settings'] = [...failed, ...warned];
          const advice = tray.locator(`li[data-step="${first}"] em`);
          assert.ok(((await advice.textContent()) ?? '').length > 10);
          if (failed.length > 0) {
            const box = await advice.boundingBox();
            const body = await tray.locator('.red-ui-tray-body').boundingBox();
            assert.ok(box && body && box.y >= body.y && box.y + box.height <= body.y + body.height, 'out of sight');
            const later = CHECK_STEPS.slice(CHECK_STEPS.indexOf(first) + 1);
            const passed = await tray
              .locator('li[data-outcome="passed"]')
              .evaluateAll((items) => items.map((item) => item.getAttribute('data-step')));
            assert.deepEqual(
              later.filter((step) => passed.includes(step)),
              [],
            );
          }
          await editor.cancel();
        });
      }

      it('tests a new mailbox of the built-in sandbox', async () => {
        const tray = await editor.editConfig('mesh-config');
        await tray.locator('#node-config-input-mailboxId').fill('X26ABC2');
        assert.deepEqual(await stepsAfterTest(tray, 'failed'), []);
        await editor.cancel();
      });

      it('shows no error on the console', () => editor.noErrors());
    });
  }
}
