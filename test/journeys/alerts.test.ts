import assert from 'node:assert/strict';
import type { RealNodeRed } from '../harness/node-red';
import { startSandbox, type Sandbox } from '../../lib/sandbox';
import { fastClock } from '../harness/clocks';
import { dataFor, exampleOn, expireAll, startWebhook, type Webhook } from '../harness/examples';
import { mailboxOn, MAJORS, startNodeRed } from '../harness/flows';
import { untilInNodeRed } from '../harness/until';

for (const major of MAJORS) {
  describe(`the example alerts in a real Node-RED ${major}`, function () {
    this.timeout(120_000);
    let sandbox: Sandbox;
    let webhook: Webhook;
    let nodeRed: RealNodeRed;
    let userDir = '';
    const ended: Array<() => Promise<void>> = [];

    /** Starts Node-RED in the same user folder and deploys the example; an empty address leaves the field blank. */
    const start = async ({ url = webhook.url, clock = fastClock(1) } = {}): Promise<void> => {
      const started = await startNodeRed({ major, ...(userDir && { userDir }), clock });
      ({ nodeRed, userDir } = started);
      ended.push(started.done);
      const quick = {
        'al-check': { repeat: '1' },
        'al-poll': { interval: 0.02 },
        'al-alert': { retrySeconds: 1, credentials: { url } },
        'al-send': { infrastructureWithinHours: 0.5 },
        // No disk has this much space.
        'al-watch': { minFreeGb: 1_000_000, everySeconds: 1 },
      };
      await nodeRed.deploy([...(await exampleOn(sandbox, 'alerts', quick)), ...(await mailboxOn(sandbox, 'X26ABC2'))]);
    };
    const letter = (meshSend: object): Promise<void> =>
      nodeRed.inject('al-wrong', [
        { p: 'payload', v: 'A letter', vt: 'str' },
        { p: 'meshSend', v: JSON.stringify(meshSend), vt: 'json' },
      ]);
    const alerted = (
      what: string,
      fits: (alert: Record<string, unknown>) => boolean,
    ): Promise<Record<string, unknown>> => untilInNodeRed(what, () => webhook.received.find(fits));

    before(async () => {
      sandbox = await startSandbox({ clientCertificate: 'required' });
      webhook = await startWebhook();
      await start();
    });
    after(async () => {
      for (const done of ended) await done();
      await webhook?.close();
      await sandbox?.close();
    });
    beforeEach(() => {
      webhook.refuse = false;
      webhook.received.length = 0;
    });

    it('reports a letter that MESH refused, once, with its code', async () => {
      await nodeRed.inject('al-wrong');
      const alert = await alerted('the alert', ({ event }) => event === 'rejected');
      assert.match(String(alert['text']), /code 12/);
      for (let check = 0; check < 2; check += 1) await nodeRed.inject('al-check');
      await nodeRed.inject('al-wrong');
      await untilInNodeRed('both', () => webhook.received.filter(({ event }) => event === 'rejected').length === 2);
      await nodeRed.inject('al-check');
      assert.equal(webhook.received.filter(({ event }) => event === 'rejected').length, 2);
    });

    it('reports a letter that was not collected, with the service desk’s text', async () => {
      await letter({ to: 'X26ABC2', workflowId: 'TEST_WORKFLOW' });
      const { messageId } = await untilInNodeRed('the letter', () => dataFor(sandbox, 'X26ABC2').at(-1));
      expireAll(sandbox);
      const alert = await alerted('the alert', ({ event }) => event === 'undelivered');
      assert.equal(alert['messageId'], messageId);
      assert.match(String(alert['text']), /ssd\.nationalservicedesk@nhs\.net/);
    });

    it('reaches the webhook when it is back, although Node-RED was killed meanwhile', async () => {
      webhook.refuse = true;
      const before = webhook.refused;
      await nodeRed.inject('al-wrong');
      await untilInNodeRed('an attempt', () => webhook.refused > before);
      await nodeRed.stop('SIGKILL');
      webhook.refuse = false;
      await start();
      await alerted('the alert', ({ event }) => event === 'rejected');
    });

    it('reports the conditions of mesh-status', async () => {
      await nodeRed.stop();
      await start();
      const alert = await alerted('the alert', ({ event }) => event === 'disk');
      assert.equal(alert['severity'], 'critical');
    });

    it('reports a letter whose acknowledgement is overdue', async () => {
      await nodeRed.stop();
      await start({ clock: fastClock(3600) });
      await letter({ to: 'X26ABC2', workflowId: 'TEST_WORKFLOW', asks: 'infrastructure' });
      await alerted('the alert', ({ text }) => /overdue: infrastructure/.test(String(text)));
    });

    it('logs that the webhook cannot be reached, and does not go round in circles', async () => {
      await nodeRed.stop();
      await webhook.close();
      await start();
      await nodeRed.inject('al-wrong');
      const shown = (await nodeRed.debug('al-outcome')) as { error: { message: string } };
      assert.match(shown.error.message, /cannot be reached for alerts \(ECONNREFUSED\)/);
      assert.match(nodeRed.log(), /ECONNREFUSED/);
      assert.doesNotMatch(nodeRed.log(), /maximum number of catches/);
    });

    it('names an alert that it skips because the address is blank, and does not go round in circles', async () => {
      await nodeRed.stop();
      await start({ url: '' });
      await nodeRed.status('al-alert', ({ fill, shape }) => fill === 'red' && shape === 'ring');
      await nodeRed.inject('al-wrong');
      const shown = (await nodeRed.debug('al-outcome')) as { error: { message: string } };
      assert.match(shown.error.message, /“Tell the team” skipped an alert\. “Address” is blank/);
      assert.doesNotMatch(nodeRed.log(), /maximum number of catches/);
    });
  });
}
