import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TimeLine } from '../../lib/clock';
import { fastClock } from '../harness/clocks';
import type { RealNodeRed } from '../harness/node-red';
import { startSandbox, type Sandbox } from '../../lib/sandbox';
import { dataFor, exampleOn, expireAll, startWebhook, type Webhook } from '../harness/examples';
import { MAJORS, mailboxOn, sendAndPollFlow, startNodeRed, text } from '../harness/flows';
import { untilInNodeRed } from '../harness/until';

const CODES = 'https://fhir.nhs.uk/STU3/CodeSystem/ITK-ResponseCodes-1';
const XML_BUNDLE = (code: string, letter: string): string =>
  `<Bundle xmlns="http://hl7.org/fhir"><type value="message"/><entry><resource><MessageHeader><response>` +
  `<identifier value="${letter}"/><code value="ok"/></response></MessageHeader></resource></entry><entry><resource>` +
  `<OperationOutcome><issue><details><coding><system value="${CODES}"/><code value="${code}"/></coding></details></issue>` +
  `</OperationOutcome></resource></entry></Bundle>`;
const JSON_BUNDLE = (code: string, letter: string): string =>
  JSON.stringify({
    resourceType: 'Bundle',
    type: 'message',
    entry: [
      { resource: { resourceType: 'MessageHeader', response: { identifier: letter, code: 'ok' } } },
      { resource: { resourceType: 'OperationOutcome', issue: [{ details: { coding: [{ system: CODES, code }] } }] } },
    ],
  });

for (const major of MAJORS) {
  describe(`the example alerts in a real Node-RED ${major}`, function () {
    this.timeout(60_000);
    let sandbox: Sandbox;
    let webhook: Webhook;
    let nodeRed: RealNodeRed;
    let userDir = '';
    let folder: string;
    const ended: Array<() => Promise<void>> = [];

    const start = async (overdueHours = '12', clock?: TimeLine): Promise<void> => {
      const env = {
        MESH_ALERT_WEBHOOK: webhook.url,
        MESH_LETTERS_FOLDER: join(folder, 'letters'),
        MESH_FALLBACK_FOLDER: join(folder, 'fallback'),
        OVERDUE_HOURS: overdueHours,
      };
      const started = await startNodeRed({ major, ...(userDir && { userDir }), env, ...(clock && { clock }) });
      ({ nodeRed, userDir } = started);
      ended.push(started.done);
      const second = { timeout: '1', timeoutUnits: 'seconds' };
      const quick = {
        'al-check': { repeat: '1' },
        'al-pause': second,
        'al-latepause': second,
        // Half a second on the fast clock of the test about overdue acknowledgements.
        'al-send': { infrastructureWithinHours: 0.5 },
        // No disk has this much space.
        'al-watch': { minFreeGb: 1_000_000 },
      };
      await nodeRed.deploy([
        ...(await exampleOn(sandbox, 'alerts', quick)),
        // The practice, which acknowledges.
        ...(await mailboxOn(sandbox, 'X26ABC2')),
        ...sendAndPollFlow('X26ABC2', 'X26ABC2', { send: { to: 'X26ABC1', workflowId: 'LETTER_ACK' } }),
      ]);
    };

    before(async () => {
      sandbox = await startSandbox({ clientCertificate: 'required' });
      webhook = await startWebhook();
      folder = await mkdtemp(join(tmpdir(), 'mesh-alerts-'));
      await mkdir(join(folder, 'letters'));
      await start();
    });
    after(async () => {
      for (const done of ended) await done();
      await webhook?.close();
      await sandbox?.close();
      await rm(folder, { recursive: true, force: true });
    });
    beforeEach(() => {
      webhook.refuse = false;
      webhook.received.length = 0;
    });

    const alerted = (kind: string): Promise<Record<string, unknown>> =>
      untilInNodeRed(`the alert "${kind}"`, () => webhook.received.find((alert) => alert['kind'] === kind));
    const sendAcknowledgement = (payload: string): Promise<void> => nodeRed.inject('go', text(payload));
    const poll = async (count: number): Promise<void> => {
      await untilInNodeRed('the acknowledgement at MESH', () => dataFor(sandbox, 'X26ABC1').length >= count);
      await nodeRed.inject('al-pollnow');
    };

    it('report a letter that MESH refused, once, with its code', async () => {
      await nodeRed.inject('al-wrong');
      const alert = await alerted('rejected');
      assert.match(String(alert['error']), /code 12/);
      await nodeRed.debug('al-toldlog', 30_000, (value) => (value as { kind: string }).kind === 'rejected');
      for (let check = 0; check < 2; check += 1) await nodeRed.inject('al-check');
      await nodeRed.inject('al-wrong');
      await untilInNodeRed(
        'the second alert',
        () => webhook.received.filter(({ kind }) => kind === 'rejected').length >= 2,
      );
      const keys = webhook.received.flatMap(({ key }) => (key ? [key] : []));
      assert.equal(new Set(keys).size, keys.length);
    });

    it('report a letter that was not collected, with the service desk’s text, and resend it', async () => {
      await nodeRed.inject('al-letter');
      const { messageId } = await untilInNodeRed('the letter', () => dataFor(sandbox, 'X26ABC2').at(-1));
      expireAll(sandbox);
      await nodeRed.inject('al-pollnow');
      const alert = await alerted('undelivered');
      assert.equal(alert['messageId'], messageId);
      assert.match(String(alert['serviceDesk']), /ssd\.nationalservicedesk@nhs\.net/);
      await nodeRed.debug('al-toldlog', 30_000, (value) => (value as { kind: string }).kind === 'undelivered');
      await nodeRed.inject('al-resend');
      await untilInNodeRed('the resent letter', () =>
        dataFor(sandbox, 'X26ABC2').some(({ status }) => status === 'accepted'),
      );
    });

    it('reach the webhook when it is back, although Node-RED was killed meanwhile', async () => {
      webhook.refuse = true;
      const before = webhook.refused;
      await nodeRed.inject('al-wrong');
      await untilInNodeRed('an attempt', () => webhook.refused > before);
      await nodeRed.stop('SIGKILL');
      await start();
      webhook.refuse = false;
      await alerted('rejected');
    });

    for (const [form, made] of [
      ['XML', XML_BUNDLE],
      ['JSON', JSON_BUNDLE],
    ] as const) {
      for (const code of ['30002', '30003']) {
        it(`put a letter refused with ${code} (${form}) into the fallback folder, and report it`, async () => {
          const letter = `${form}-${code}`;
          await writeFile(join(folder, 'letters', letter), `Letter ${letter}`);
          const before = dataFor(sandbox, 'X26ABC1').length;
          await sendAcknowledgement(made(code, letter));
          await poll(before + 1);
          const alert = await alerted('fallback');
          assert.deepEqual([alert['code'], alert['letter']], [code, letter]);
          assert.equal(await readFile(join(folder, 'fallback', `${letter}-${code}`), 'utf8'), `Letter ${letter}`);
          await nodeRed.debug('al-acked', 30_000, (value) => value === alert['messageId']);
        });
      }
    }

    it('report another negative code, and acknowledge it to MESH only after the webhook has the alert', async () => {
      webhook.refuse = true;
      const refused = webhook.refused;
      const before = dataFor(sandbox, 'X26ABC1').length;
      await sendAcknowledgement(XML_BUNDLE('10001', 'some-letter'));
      await poll(before + 1);
      await untilInNodeRed('an attempt', () => webhook.refused > refused);
      const { messageId } = dataFor(sandbox, 'X26ABC1').at(-1) ?? { messageId: '' };
      const isThis = (value: unknown): boolean => value === messageId;
      await assert.rejects(nodeRed.debug('al-acked', 500, isThis), /showed nothing/);
      webhook.refuse = false;
      const alert = await alerted('negative');
      assert.equal(alert['code'], '10001');
      await nodeRed.debug('al-acked', 30_000, (value) => value === alert['messageId']);
    });

    it('acknowledge a positive business acknowledgement to MESH, and report nothing', async () => {
      const before = dataFor(sandbox, 'X26ABC1').length;
      await sendAcknowledgement(XML_BUNDLE('30001', 'some-letter'));
      await poll(before + 1);
      await nodeRed.debug('al-acked');
      assert.deepEqual(
        webhook.received.filter(({ letter }) => letter === 'some-letter'),
        [],
      );
    });

    it('report a business acknowledgement that cannot be read, and acknowledge it to MESH', async () => {
      const before = dataFor(sandbox, 'X26ABC1').length;
      await sendAcknowledgement('<Bundle xmlns="http://hl7.org/fhir"/>');
      await poll(before + 1);
      const alert = await alerted('negative');
      assert.equal(alert['code'], undefined);
      await nodeRed.debug('al-acked', 30_000, (value) => value === alert['messageId']);
    });

    it('report a refused letter that is not in the letters folder, and never use its name as a path', async () => {
      const before = dataFor(sandbox, 'X26ABC1').length;
      await sendAcknowledgement(XML_BUNDLE('30002', '../../outside'));
      await poll(before + 1);
      const alert = await alerted('error');
      assert.doesNotMatch(JSON.stringify(alert), /\.\.\/\.\./);
      assert.ok((await readdir(join(folder, 'fallback'))).every((name) => !name.includes('outside')));
    });

    it('report overdue letters and the conditions of mesh-status', async () => {
      await nodeRed.stop('SIGKILL');
      await start('0.0005');
      assert.equal((await alerted('watch'))['what'], 'disk');
      await nodeRed.inject('al-letter');
      const { messageId } = await untilInNodeRed('the letter', () => dataFor(sandbox, 'X26ABC2').at(-1));
      await untilInNodeRed('its alert', () =>
        webhook.received.find((alert) => alert['kind'] === 'overdue' && alert['messageId'] === messageId),
      );
    });

    it('report a letter whose acknowledgement is overdue, until the webhook has accepted the alert', async () => {
      await nodeRed.stop();
      await start('12', fastClock(3600));
      webhook.refuse = true;
      await nodeRed.inject('al-letter', [
        { p: 'payload', v: 'A letter', vt: 'str' },
        { p: 'meshSend', v: '{"to":"X26ABC2","workflowId":"TEST_WORKFLOW","asks":"infrastructure"}', vt: 'json' },
      ]);
      const refused = webhook.refused;
      await untilInNodeRed('an attempt', () => webhook.refused > refused);
      webhook.refuse = false;
      const alert = await alerted('unanswered');
      assert.equal(alert['overdue'], 'infrastructure');
    });

    it('log that the webhook cannot be reached, and do not send that to the webhook', async () => {
      await webhook.close();
      await nodeRed.stop();
      await start();
      await nodeRed.inject('al-letter', [
        { p: 'payload', v: 'A letter', vt: 'str' },
        { p: 'meshSend', v: '{"to":"","workflowId":""}', vt: 'json' },
      ]);
      assert.match(String(await nodeRed.debug('al-unreachable')), /ECONNREFUSED/);
      // Reported before the next check, and again by it.
      await nodeRed.inject('al-wrong');
      await nodeRed.debug('al-nottaken');
      assert.match(nodeRed.log(), /ECONNREFUSED/);
      assert.doesNotMatch(nodeRed.log(), /maximum number of catches/);
    });
  });
}
