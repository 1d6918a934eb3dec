/**
 * The closed loop of acknowledgements through the official sandbox, which knows nothing of them: the pack's own
 * examples run unchanged, except for their mailboxes, in a real Node-RED. Positive and negative outcomes settle the
 * sent messages.
 */
import assert from 'node:assert/strict';
import type { RealNodeRed } from '../harness/node-red';
import { exampleOn } from '../harness/examples';
import { startNodeRed, text } from '../harness/flows';
import { freePort } from '../harness/ports';
import { untilInNodeRed } from '../harness/until';
import { forNodes } from './support/for-nodes';
import { officialSandbox, type Server } from './support/servers';

interface Sent {
  id: string;
  messageId: string;
}

interface Acknowledgement {
  code: string;
  level: string;
  result: string;
  sentId: string;
  sentMessageId: string;
}

/** A change of a sent message, from mesh-track. */
interface Change {
  event: string;
  id: string;
  /** The stored outcome. */
  business: string;
}

describe('The closed loop through the official sandbox', function () {
  this.timeout(60_000);
  let server: Server;
  let nodeRed: RealNodeRed;
  let done: (() => Promise<void>) | undefined;

  before(async () => {
    server = await officialSandbox();
    await server.reset();
    ({ nodeRed, done } = await startNodeRed({}));
  });
  after(async () => {
    await done?.();
    await server?.reset();
  });

  const taken = async <Value>(debug: string, fits: (value: Value) => boolean = () => true): Promise<Value> =>
    (await nodeRed.debug(debug, 30_000, (value) => fits(value as Value))) as Value;

  /** Waits until both inboxes are empty. */
  const inboxesAreEmpty = (): Promise<unknown> =>
    untilInNodeRed('empty inboxes', async () => {
      const lists = await Promise.all(['X26ABC1', 'X26ABC2'].map((id) => server.mailbox(id).listInbox()));
      return lists.every(({ messageIds }) => messageIds.length === 0);
    });

  /** Waits until the business outcome of a sent message is `result`. */
  async function businessOutcome(id: string, result: string): Promise<void> {
    const change = await taken<Change>(
      'change',
      ({ event, id: sentId }) => event === `business ${result}` && sentId === id,
    );
    assert.equal(change.business, result);
  }

  describe('a letter (ITK3)', () => {
    before(async () => {
      const quick = { interval: 0.02 };
      const changes = {
        'cl-poll': quick,
        'cl-answers': quick,
        'cl-send': { to: 'X26ABC2' },
        // The official sandbox has X26ABC1 to X26ABC3.
        'loop-x26abc14': { mailboxId: 'X26ABC1' },
        'loop-x26abc15': { mailboxId: 'X26ABC2' },
      };
      await nodeRed.deploy([
        ...(await exampleOn(forNodes(server), 'closed-loop', changes)),
        ...changeTab('loop-x26abc14'),
      ]);
    });

    for (const { button, code, result } of [
      { button: 'cl-known', code: '30001', result: 'positive' },
      { button: 'cl-unknown', code: '30002', result: 'negative' },
    ]) {
      it(`acknowledged with ${code} is ${result} for its sender`, async () => {
        await nodeRed.inject(button);
        const sent = await taken<Sent>('cl-sent');
        const acknowledgements = [await taken<Acknowledgement>('cl-answer'), await taken<Acknowledgement>('cl-answer')];
        assert.deepEqual(acknowledgements.map((each) => `${each.level} ${each.code} ${each.result}`).sort(), [
          `business ${code} ${result}`,
          'infrastructure 20013 positive',
        ]);
        for (const { sentId, sentMessageId } of acknowledgements) {
          assert.deepEqual([sentId, sentMessageId], [sent.id, sent.messageId]);
        }
        await businessOutcome(sent.id, result);
        await inboxesAreEmpty();
      });
    }
  });

  describe('a pathology report (MEDRPT, made from HL7 v2)', () => {
    before(async () => {
      const [lab, gp] = [await freePort(), await freePort()];
      const variables = { LAB_PORT: lab, GP_PORT: gp, LAB_EDI: '000000004400001', GP_EDI: '000000024600002' };
      const env = Object.entries({ ...variables, LAB_NAME: 'LAB', GP_PRACTICE: 'D82015' });
      const flow = await exampleOn(forNodes(server), 'pathology', {
        pathology: { env: env.map(([name, value]) => ({ name, value: String(value), type: 'str' })) },
        'pa-send': { to: 'X26ABC2' },
        'pa-inbox': { interval: 0.02 },
        'pa-answers': { interval: 0.02 },
        // The official sandbox has X26ABC1 to X26ABC3.
        'example-x26abc8': { mailboxId: 'X26ABC1' },
        'example-x26abc9': { mailboxId: 'X26ABC2' },
      });
      await nodeRed.deploy([...flow, ...changeTab('example-x26abc8')]);
      for (const id of ['pa-in', 'pa-gpsystem']) await nodeRed.status(id, ({ fill }) => fill === 'green');
    });

    it('reaches the GP system as HL7 v2, and its NHSACK (IAF) settles it as positive', async () => {
      await nodeRed.inject('pa-new');
      const sent = await taken<Sent>('pa-sent');
      assert.match(await taken<string>('pa-gpgot'), /OBX\|1\|NM\|42T\.\.\^Serum vitamin B12\|\|1001\|/);
      const nhsack = await taken<Acknowledgement>('pa-answer');
      assert.deepEqual([nhsack.code, nhsack.result, nhsack.sentId], ['IAF', 'positive', sent.id]);
      await businessOutcome(sent.id, 'positive');
      await inboxesAreEmpty();
    });

    it('if incomplete, is refused by its NHSACK (IRI) and is negative for its sender', async () => {
      const header = "UNB+UNOC:3+000000004400001:80+000000024600002:80+260716:1200+90++MEDRPT++1'";
      const report = "UNH+1+MEDRPT:0:1:RT:NHS003'BGM+LSR'UNT+3+1'";
      await nodeRed.inject('raw', text(`${header}${report}UNZ+7+90'`));
      const sent = await taken<Sent>('raw-sent');
      const nhsack = await taken<Acknowledgement>('pa-answer');
      assert.deepEqual([nhsack.code, nhsack.result, nhsack.sentId], ['IRI', 'negative', sent.id]);
      await businessOutcome(sent.id, 'negative');
      await inboxesAreEmpty();
    });
  });
});

/**
 * Returns a tab with a debug node for changes of what the mailbox sends (`change`), and a button that sends a text
 * unchanged (`raw`).
 */
function changeTab(mailbox: string): unknown[] {
  const debug = (id: string, complete: string): object => ({
    id,
    type: 'debug',
    active: true,
    tosidebar: true,
    complete,
    targetType: 'msg',
    wires: [],
  });
  const send = { to: 'X26ABC2', toType: 'str', workflowId: 'PATH_MEDRPT_V3', workflowIdType: 'str', asks: 'automatic' };
  const nodes = [
    { id: 'changes', type: 'mesh-track', version: 1, mailbox, follow: true, by: 'messageId', wires: [['change'], []] },
    debug('change', 'payload'),
    { id: 'raw', type: 'inject', props: [], wires: [['raw-send']] },
    { id: 'raw-send', type: 'mesh-send', version: 1, mailbox, ...send, wires: [['raw-sent']] },
    debug('raw-sent', 'meshSent'),
  ];
  return [
    { id: 'change-tab', type: 'tab', label: 'changes' },
    ...nodes.map((node) => Object.assign(node, { z: 'change-tab', x: 100, y: 100 })),
  ];
}
