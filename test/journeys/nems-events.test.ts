import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startWebhook, type Webhook } from '../harness/examples';
import { ExampleRun } from '../harness/example-run';
import { MAJORS } from '../harness/flows';
import { untilInNodeRed } from '../harness/until';

for (const major of MAJORS) {
  describe(`the example nems-events in a real Node-RED ${major}`, function () {
    this.timeout(90_000);
    let run: ExampleRun;
    let childHealth: Webhook;
    let folder: string;

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'mesh-nems-'));
      childHealth = await startWebhook();
      const variables = {
        CHILD_HEALTH_URL: childHealth.url,
        DEMOGRAPHICS_FOLDER: join(folder, 'demographics'),
        UNROUTED_FOLDER: join(folder, 'unrouted'),
      };
      run = await ExampleRun.start('nems-events', {
        major,
        changes: {
          'nems-events': { env: Object.entries(variables).map(([name, value]) => ({ name, value, type: 'str' })) },
          'ne-poll': { interval: 0.005 },
          'example-x26abc12': { leaseMinutes: 0.02, maxDeliveries: 1000 },
        },
      });
      await run.untilGreen('ne-poll', 'ne-send');
    });
    after(async () => {
      await run?.end();
      await childHealth?.close();
      await rm(folder, { recursive: true, force: true });
    });
    beforeEach(() => {
      childHealth.refuse = false;
      childHealth.received.length = 0;
    });

    /** Sends an event as JSON, which the webhook reads. Its form does not affect the routing. */
    const send = async (partnerId: string | undefined, event: string): Promise<string> => {
      const before = run.sandbox.messages().length;
      const meshSend = JSON.stringify({ workflowId: 'CHANGEOFGP_1', ...(partnerId !== undefined && { partnerId }) });
      await run.nodeRed.inject('ne-both', [
        { p: 'payload', v: JSON.stringify({ event }), vt: 'str' },
        { p: 'meshSend', v: meshSend, vt: 'json' },
      ]);
      await untilInNodeRed('the event at MESH', () => run.sandbox.messages().length > before);
      return run.sandbox.messages().at(-1)?.messageId ?? '';
    };
    const done = (messageId: string): Promise<unknown> =>
      run.nodeRed.debug('ne-acked', 30_000, (value) => value === messageId);
    const alert = (fits: RegExp): Promise<unknown> =>
      run.nodeRed.debug('ne-alert', 30_000, (value) => fits.test((value as { what: string }).what));
    const files = async (name: string): Promise<string[]> => readdir(join(folder, name)).catch(() => []);

    it('sends an event once to every route that its tags name, and then acknowledges it', async () => {
      const one = await send('SUB1|CHILD-HEALTH~~~SUB2|HEALTH-VISITING', 'one');
      await done(one);
      const both = await send('SUB1|CHILD-HEALTH~~~SUB3|DEMOGRAPHICS', 'both');
      await done(both);
      assert.deepEqual(childHealth.received, [{ event: 'one' }, { event: 'both' }]);
      assert.deepEqual(await files('demographics'), [`${both}.xml`]);
      assert.deepEqual(await files('unrouted'), []);
    });

    it('keeps an event without a route and raises an alert: unknown tag, no tags, or no header', async () => {
      const kept = [
        await send('SUB9|PALLIATIVE', 'unknown'),
        await send('~~~|~~~nothing', 'broken'),
        await send(undefined, 'none'),
      ];
      for (const messageId of kept) {
        await alert(/has an unknown tag, or none/);
        await done(messageId);
      }
      assert.deepEqual((await files('unrouted')).toSorted(), kept.map((messageId) => `${messageId}.xml`).toSorted());
      assert.deepEqual(childHealth.received, []);
    });

    it('child health offline, Node-RED killed: alerts, redelivers, ends when every route has the event', async () => {
      childHealth.refuse = true;
      const messageId = await send('SUB1|CHILD-HEALTH~~~SUB3|DEMOGRAPHICS', 'later');
      await alert(/Child health responded with 503/);
      await run.restart('SIGKILL');
      await alert(/Child health responded with 503/);
      childHealth.refuse = false;
      await done(messageId);
      assert.deepEqual(childHealth.received, [{ event: 'later' }]);
      assert.ok((await files('demographics')).includes(`${messageId}.xml`));
    });

    it('raises an alert for a folder that is not writable, and writes the event when it is', async () => {
      await rm(join(folder, 'demographics'), { recursive: true, force: true });
      await writeFile(join(folder, 'demographics'), 'in the way');
      const messageId = await send('SUB3|DEMOGRAPHICS', 'folder');
      await run.nodeRed.debug('ne-alert', 30_000, (value) => (value as { messageId: string }).messageId === messageId);
      await rm(join(folder, 'demographics'));
      await mkdir(join(folder, 'demographics'));
      await done(messageId);
      assert.deepEqual(await files('demographics'), [`${messageId}.xml`]);
    });
  });
}
