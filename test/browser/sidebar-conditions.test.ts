/** What the MESH sidebar says of a mailbox that a person has to do something about. */
import assert from 'node:assert/strict';
import { MAJORS, needsChromium, THEMES } from '../harness/browser';
import { sendAndPollFlow } from '../harness/flows';
import { MeshSidebar } from '../harness/sidebar';

const MAJOR = '5';

for (const theme of MAJORS.includes(MAJOR) ? THEMES[MAJOR] : []) {
  describe(`the MESH sidebar, ${theme}, of a mailbox whose parked messages take as much space as they may`, function () {
    needsChromium(this);
    let mesh: MeshSidebar;

    before(async () => {
      // What is no JSON cannot be delivered as JSON: it is parked.
      const flow = sendAndPollFlow('X26ABC1', 'X26ABC2', { poll: { payloadAs: 'json' } });
      const config = { X26ABC2: { maxParkedGb: 0.001 } };
      mesh = await MeshSidebar.open({ major: MAJOR, theme, height: 1000, flow, config });
    });
    after(() => mesh?.close());

    it('says that nothing more is received, and what to do', async () => {
      const { editor, sidebar } = mesh;
      for (const letter of ['one', 'two', 'three']) {
        const payload = `${letter}, no JSON `.repeat(50_000);
        await editor.nodeRed.inject('go', [{ p: 'payload', v: payload, vt: 'str' }]);
      }
      await mesh.choose('X26ABC2');
      const trouble = sidebar.locator('.mesh-trouble', { hasText: 'nothing more is received' });
      for (let look = 0; look < 40 && !(await trouble.isVisible()); look += 1) {
        // It is noticed when there is something more to receive.
        await editor.nodeRed.inject('go', [{ p: 'payload', v: '{}', vt: 'str' }]);
        await editor.nodeRed.inject('look', []);
        await trouble.waitFor({ timeout: 1000 }).catch(() => undefined);
      }
      assert.match(await trouble.innerText(), /Parked messages take \d MiB.*\s+Redeliver the parked messages/);
      const screenshot = process.env['MESH_PICTURES'];
      if (screenshot) await editor.page.screenshot({ path: `/tmp/inbox-full-${theme}.png` });
    });
  });
}
