import assert from 'node:assert/strict';
import { exampleFlows, type RealNodeRed } from '../harness/node-red';
import { startSandbox, type Sandbox } from '../../lib/sandbox';
import { fastClock } from '../harness/clocks';
import { dataFor, exampleOn } from '../harness/examples';
import { MAJORS, mailboxOn, sendAndPollFlow, startNodeRed } from '../harness/flows';
import { untilInNodeRed } from '../harness/until';

for (const major of MAJORS) {
  describe(`several mailboxes in a real Node-RED ${major}`, function () {
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
    /** Mailbox ids and environment are the flow's own variables: only credentials are put in, as a person would. */
    const deploy = async (): Promise<void> => {
      const flow = await exampleOn(sandbox, 'several-mailboxes', {
        'several-letters': { environment: '${ENVIRONMENT}' },
        'several-results': { environment: '${ENVIRONMENT}' },
      });
      const other = await mailboxOn(sandbox, 'X26ABC3');
      await nodeRed.deploy([...flow, ...other, ...sendAndPollFlow('X26ABC3', 'X26ABC3', { send: { to: 'X26ABC1' } })]);
    };
    const OURS = (): Record<string, string> => ({
      MESH_ENVIRONMENT: sandbox.url,
      MESH_LETTERS_MAILBOX: 'X26ABC1',
      MESH_RESULTS_MAILBOX: 'X26ABC2',
    });

    before(async () => {
      sandbox = await startSandbox({ clientCertificate: 'required' });
      await start(OURS());
      await deploy();
    });
    after(async () => {
      for (const done of ended) await done();
      await sandbox?.close();
    });

    const handled = (fits: string): Promise<unknown> =>
      nodeRed.debug('sm-done', 30_000, (value) => (value as { handled: string }).handled === fits);

    it('send from the mailbox that the variables name, and receive each workflow in its place', async () => {
      await nodeRed.inject('sm-letter');
      await nodeRed.inject('sm-result');
      await nodeRed.inject('go', [{ p: 'payload', v: 'something else', vt: 'str' }]);
      await untilInNodeRed('three at MESH', () => sandbox.messages().length === 3);
      const sent = sandbox.messages().map(({ from, to, workflowId }) => `${from} ${to} ${workflowId}`);
      assert.deepEqual(sent.toSorted(), [
        'X26ABC1 X26ABC2 TEST_WORKFLOW',
        'X26ABC2 X26ABC1 TEST_WORKFLOW2',
        'X26ABC3 X26ABC1 TEST_WORKFLOW',
      ]);
      await nodeRed.inject('sm-pollnow');
      for (const place of ['letters', 'results', 'rest']) await handled(place);
      await untilInNodeRed('all acknowledged', () => sandbox.messages().every(({ status }) => status === 'acknowledged'));
    });

    it('with one mailbox refused and Node-RED killed: the other goes on, somebody is told, nothing is lost or twice', async () => {
      await sandbox.reset();
      sandbox.setMailboxActive('X26ABC2', false);
      await nodeRed.inject('sm-result');
      await nodeRed.debug('sm-tell');
      await nodeRed.inject('go', [{ p: 'payload', v: 'goes on', vt: 'str' }]);
      await untilInNodeRed('the other mailbox’s', () => dataFor(sandbox, 'X26ABC1').length === 1);
      await nodeRed.inject('sm-pollnow');
      await handled('rest');
      await nodeRed.stop('SIGKILL');
      sandbox.setMailboxActive('X26ABC2', true);
      await start(OURS());
      await deploy();
      await untilInNodeRed('the result', () => dataFor(sandbox, 'X26ABC1').find(({ from }) => from === 'X26ABC2'));
      await nodeRed.inject('sm-pollnow');
      await handled('results');
      assert.equal(dataFor(sandbox, 'X26ABC1').length, 2);
    });

    it('without any variable: the flow runs as it was imported, on the built-in sandbox', async () => {
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
