import assert from 'node:assert/strict';
import type { RealNodeRed } from '../harness/node-red';
import { startSandbox, type Sandbox } from '../../lib/sandbox';
import { fastClock } from '../harness/clocks';
import { exampleOn } from '../harness/examples';
import { MAJORS, startNodeRed } from '../harness/flows';

for (const major of MAJORS) {
  describe(`the example watchdog in a real Node-RED ${major}`, function () {
    this.timeout(60_000);
    let sandbox: Sandbox;
    let nodeRed: RealNodeRed;
    let done: () => Promise<void>;

    before(async () => {
      sandbox = await startSandbox({ clientCertificate: 'required' });
      ({ nodeRed, done } = await startNodeRed({ major, clock: fastClock() }));
      // Reports the first failure, and requires more space than any disk has.
      const settings = { stoppedMinutes: 0, everySeconds: 1, minFreeGb: 1_000_000 };
      await nodeRed.deploy(await exampleOn(sandbox, 'watchdog', { 'wd-status': settings }));
    });
    after(async () => {
      await done?.();
      await sandbox?.close();
    });

    const alerted = async (debug: string, kind: string): Promise<{ event: string; advice: string }> =>
      (await nodeRed.debug(debug, 30_000, (value) => (value as { kind: string }).kind === kind)) as {
        event: string;
        advice: string;
      };

    it('raises an urgent alert with advice', async () => {
      const { event, advice } = await alerted('wd-critical', 'disk');
      assert.equal(event, 'raised');
      assert.ok(advice);
    });

    it('returns the current health on demand', async () => {
      await nodeRed.inject('wd-now');
      const health = (await nodeRed.debug('wd-health', 30_000)) as { status: string };
      assert.equal(health.status, 'red');
    });

    it('reports that polling has stopped, and that it has recovered', async () => {
      sandbox.fault({ operation: 'list_messages', times: Infinity, effect: { kind: 'status', status: 503 } });
      assert.equal((await alerted('wd-critical', 'polling')).event, 'raised');
      sandbox.clearFaults();
      assert.equal((await alerted('wd-well', 'polling')).event, 'recovered');
    });
  });
}
