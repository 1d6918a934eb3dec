import assert from 'node:assert/strict';
import { exampleFlows, type RealNodeRed } from '../harness/node-red';
import { startSandbox, type Sandbox } from '../../lib/sandbox';
import { fastClock } from '../harness/clocks';
import { dataFor, exampleOn } from '../harness/examples';
import { mailboxOn, MAJORS, sendAndPollFlow, startNodeRed, text } from '../harness/flows';
import { untilInNodeRed } from '../harness/until';

for (const major of MAJORS) {
  describe(`the example several-mailboxes in a real Node-RED ${major}`, function () {
    this.timeout(60_000);
    let sandbox: Sandbox;
    let nodeRed: RealNodeRed;
    let userDir = '';
    const clock = fastClock();
    const ended: Array<() => Promise<void>> = [];

    const start = async (env: Record<string, string>): Promise<void> => {
      const started = await startNodeRed({ major, ...(userDir && { userDir }), env, clock });
      ({ nodeRed, userDir } = started);
      ended.push(started.done);
    };
    /** Deploys the example. Mailbox ids and environment come from its variables; only credentials are added. */
    const deploy = async (): Promise<void> => {
      const flow = await exampleOn(sandbox, 'several-mailboxes', {
        'several-letters': { environment: '${ENVIRONMENT}' },
        'several-results': { environment: '${ENVIRONMENT}' },
      });
      const sender = await mailboxOn(sandbox, 'X26ABC3');
      await nodeRed.deploy([...flow, ...sender, ...sendAndPollFlow('X26ABC3', 'X26ABC3', { send: { to: 'X26ABC1' } })]);
    };
    const variables = (): Record<string, string> => ({
      MESH_ENVIRONMENT: sandbox.url,
      MESH_LETTERS_MAILBOX: 'X26ABC1',
      MESH_RESULTS_MAILBOX: 'X26ABC2',
    });

    before(async () => {
      sandbox = await startSandbox({ clientCertificate: 'required' });
      await start(variables());
      await deploy();
    });
    after(async () => {
      for (const done of ended) await done();
      await sandbox?.close();
    });

    const handled = (route: 'letters' | 'rest' | 'results'): Promise<unknown> =>
      nodeRed.debug(
        route === 'letters' ? 'sm-done2' : 'sm-done',
        30_000,
        (value) => (value as { handled: string }).handled === route,
      );

    it('sends from the mailboxes that the variables name, and routes each received workflow', async () => {
      await nodeRed.inject('sm-letter');
      await nodeRed.inject('sm-result');
      await nodeRed.inject('go', text('something else'));
      await untilInNodeRed('three at MESH', () => sandbox.messages().length === 3);
      const sent = sandbox.messages().map(({ from, to, workflowId }) => `${from} ${to} ${workflowId}`);
      assert.deepEqual(sent.toSorted(), [
        'X26ABC1 X26ABC2 TEST_WORKFLOW',
        'X26ABC2 X26ABC1 TEST_WORKFLOW2',
        'X26ABC3 X26ABC1 TEST_WORKFLOW',
      ]);
      await nodeRed.inject('sm-pollnow');
      for (const route of ['letters', 'results', 'rest'] as const) await handled(route);
      await untilInNodeRed('all acknowledged', () =>
        sandbox.messages().every(({ status }) => status === 'acknowledged'),
      );
    });

    it('one mailbox refused, Node-RED killed: the other works, it alerts, nothing is lost or doubled', async () => {
      await sandbox.reset();
      sandbox.setMailboxActive('X26ABC2', false);
      await nodeRed.inject('sm-result');
      assert.match(String(await nodeRed.debug('sm-error')), /./);
      await nodeRed.inject('go', text('still works'));
      await untilInNodeRed('the other mailbox’s message', () => dataFor(sandbox, 'X26ABC1').length === 1);
      await nodeRed.inject('sm-pollnow');
      await handled('rest');
      await nodeRed.stop('SIGKILL');
      sandbox.setMailboxActive('X26ABC2', true);
      await start(variables());
      await deploy();
      await untilInNodeRed('the result', () => dataFor(sandbox, 'X26ABC1').find(({ from }) => from === 'X26ABC2'));
      await nodeRed.inject('sm-pollnow');
      await handled('results');
      assert.equal(dataFor(sandbox, 'X26ABC1').length, 2);
    });

    it('runs without any variable as imported, on the built-in sandbox', async () => {
      await nodeRed.stop();
      userDir = '';
      await start({});
      await nodeRed.deploy(exampleFlows('several-mailboxes'));
      await nodeRed.inject('sm-letter');
      await nodeRed.debug('sm-sent');
      await nodeRed.inject('sm-pollnow');
      await handled('letters');
    });
  });
}
