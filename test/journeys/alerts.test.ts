import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RealNodeRed } from '../harness/node-red';
import { startSandbox, type Sandbox } from '../../lib/sandbox';
import { dataFor, exampleOn, expireAll, startWebhook, until, type Webhook } from './example-support';
import { MAJORS, mailboxOn, sendAndPollFlow, startNodeRed } from './support';

const CODES = 'https://fhir.nhs.uk/STU3/CodeSystem/ITK-ResponseCodes-1';
const XML = (code: string, letter: string): string =>
  `<Bundle xmlns="http://hl7.org/fhir"><type value="message"/><entry><resource><MessageHeader><response>` +
  `<identifier value="${letter}"/><code value="ok"/></response></MessageHeader></resource></entry><entry><resource>` +
  `<OperationOutcome><issue><details><coding><system value="${CODES}"/><code value="${code}"/></coding></details></issue>` +
  `</OperationOutcome></resource></entry></Bundle>`;
const JSON_ANSWER = (code: string, letter: string): string =>
  JSON.stringify({
    resourceType: 'Bundle',
    type: 'message',
    entry: [
      { resource: { resourceType: 'MessageHeader', response: { identifier: letter, code: 'ok' } } },
      { resource: { resourceType: 'OperationOutcome', issue: [{ details: { coding: [{ system: CODES, code }] } }] } },
    ],
  });

for (const major of MAJORS) {
  describe(`the alerts in a real Node-RED ${major}`, function () {
    this.timeout(60_000);
    let sandbox: Sandbox;
    let webhook: Webhook;
    let nodeRed: RealNodeRed;
    let userDir = '';
    let folder: string;
    const ended: Array<() => Promise<void>> = [];

    const start = async (overdueHours = '12', clock = ''): Promise<void> => {
      const env = {
        MESH_ALERT_WEBHOOK: webhook.url,
        MESH_LETTERS_FOLDER: join(folder, 'letters'),
        MESH_FALLBACK_FOLDER: join(folder, 'fallback'),
        OVERDUE_HOURS: overdueHours,
        MESH_TEST_CLOCK: clock,
      };
      const started = await startNodeRed({ major, ...(userDir && { userDir }), env });
      ({ nodeRed, userDir } = started);
      ended.push(started.done);
      const second = { timeout: '1', timeoutUnits: 'seconds' };
      const quick = {
        'al-check': { repeat: '1' },
        'al-pause': second,
        'al-latepause': second,
        // Half a second of that test's clock.
        'al-send': { infrastructureWithinHours: 0.5 },
        // No disk has as much room.
        'al-watch': { minFreeGb: 1_000_000 },
      };
      await nodeRed.deploy([
        ...(await exampleOn(sandbox, 'alerts', quick)),
        // The practice, which answers.
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
      webhook.told.length = 0;
    });

    const told = (kind: string): Promise<Record<string, unknown>> =>
      until(`the alert "${kind}"`, () => webhook.told.find((alert) => alert['kind'] === kind));
    const answer = (payload: string): Promise<void> => nodeRed.inject('go', [{ p: 'payload', v: payload, vt: 'str' }]);
    const poll = async (count: number): Promise<void> => {
      await until('the answer at MESH', () => dataFor(sandbox, 'X26ABC1').length >= count);
      await nodeRed.inject('al-pollnow');
    };

    it('tell a letter that MESH refused, once, with its code', async () => {
      await nodeRed.inject('al-wrong');
      const alert = await told('rejected');
      assert.match(String(alert['error']), /code 12/);
      await nodeRed.debug('al-toldlog', 30_000, (value) => (value as { kind: string }).kind === 'rejected');
      for (let check = 0; check < 2; check += 1) await nodeRed.inject('al-check');
      await nodeRed.inject('al-wrong');
      await until('the second one', () => webhook.told.filter(({ kind }) => kind === 'rejected').length >= 2);
      const keys = webhook.told.flatMap(({ key }) => (key ? [key] : []));
      assert.equal(new Set(keys).size, keys.length);
    });

    it('tell what was not collected, with the service desk’s text, and send it again', async () => {
      await nodeRed.inject('al-letter');
      const { messageId } = await until('the letter', () => dataFor(sandbox, 'X26ABC2').at(-1));
      expireAll(sandbox);
      await nodeRed.inject('al-pollnow');
      const alert = await told('undelivered');
      assert.equal(alert['messageId'], messageId);
      assert.match(String(alert['serviceDesk']), /ssd\.nationalservicedesk@nhs\.net/);
      await nodeRed.debug('al-toldlog', 30_000, (value) => (value as { kind: string }).kind === 'undelivered');
      await nodeRed.inject('al-resend');
      await until('a second one', () => dataFor(sandbox, 'X26ABC2').some(({ status }) => status === 'accepted'));
    });

    it('with the webhook down and Node-RED killed: it is told when the webhook is back', async () => {
      webhook.refuse = true;
      const before = webhook.refused;
      await nodeRed.inject('al-wrong');
      await until('an attempt', () => webhook.refused > before);
      await nodeRed.stop('SIGKILL');
      await start();
      webhook.refuse = false;
      await told('rejected');
    });

    for (const [form, made] of [
      ['XML', XML],
      ['JSON', JSON_ANSWER],
    ] as const) {
      for (const code of ['30002', '30003']) {
        it(`put a letter that was answered ${code} in ${form} into the fallback folder, and tell it`, async () => {
          const letter = `${form}-${code}`;
          await writeFile(join(folder, 'letters', letter), `Letter ${letter}`);
          const before = dataFor(sandbox, 'X26ABC1').length;
          await answer(made(code, letter));
          await poll(before + 1);
          const alert = await told('fallback');
          assert.deepEqual([alert['code'], alert['letter']], [code, letter]);
          assert.equal(await readFile(join(folder, 'fallback', `${letter}-${code}`), 'utf8'), `Letter ${letter}`);
          await nodeRed.debug('al-acked', 30_000, (value) => value === alert['messageId']);
        });
      }
    }

    it('tell another negative code, and acknowledge it only when the webhook has taken it', async () => {
      webhook.refuse = true;
      const refused = webhook.refused;
      const before = dataFor(sandbox, 'X26ABC1').length;
      await answer(XML('10001', 'some-letter'));
      await poll(before + 1);
      await until('an attempt', () => webhook.refused > refused);
      const { messageId } = dataFor(sandbox, 'X26ABC1').at(-1) ?? { messageId: '' };
      const isIt = (value: unknown): boolean => value === messageId;
      await assert.rejects(nodeRed.debug('al-acked', 500, isIt), /showed nothing/);
      webhook.refuse = false;
      const alert = await told('negative');
      assert.equal(alert['code'], '10001');
      await nodeRed.debug('al-acked', 30_000, (value) => value === alert['messageId']);
    });

    it('acknowledge a positive answer, and tell nobody', async () => {
      const before = dataFor(sandbox, 'X26ABC1').length;
      await answer(XML('30001', 'some-letter'));
      await poll(before + 1);
      await nodeRed.debug('al-acked');
      assert.deepEqual(
        webhook.told.filter(({ letter }) => letter === 'some-letter'),
        [],
      );
    });

    it('tell an answer that cannot be read, and acknowledge it', async () => {
      const before = dataFor(sandbox, 'X26ABC1').length;
      await answer('<Bundle xmlns="http://hl7.org/fhir"/>');
      await poll(before + 1);
      const alert = await told('negative');
      assert.equal(alert['code'], undefined);
      await nodeRed.debug('al-acked', 30_000, (value) => value === alert['messageId']);
    });

    it('tell a refused letter that was not kept, and never take its name for a path', async () => {
      const before = dataFor(sandbox, 'X26ABC1').length;
      await answer(XML('30002', '../../nobody'));
      await poll(before + 1);
      const alert = await told('error');
      assert.doesNotMatch(JSON.stringify(alert), /\.\.\/\.\./);
      assert.ok((await readdir(join(folder, 'fallback'))).every((name) => !name.includes('nobody')));
    });

    it('tell what is overdue, and what the watch finds', async () => {
      await nodeRed.stop('SIGKILL');
      await start('0.0005');
      assert.equal((await told('watch'))['what'], 'disk');
      await nodeRed.inject('al-letter');
      const { messageId } = await until('the letter', () => dataFor(sandbox, 'X26ABC2').at(-1));
      await until('its alert', () =>
        webhook.told.find((alert) => alert['kind'] === 'overdue' && alert['messageId'] === messageId),
      );
    });

    it('tell a letter whose answer did not come, until the webhook has taken it', async () => {
      await nodeRed.stop();
      await start('12', `${Date.now()},${Date.now() - 3_600_000 * 3600},3600`);
      webhook.refuse = true;
      await nodeRed.inject('al-letter', [
        { p: 'payload', v: 'A letter', vt: 'str' },
        { p: 'meshSend', v: '{"to":"X26ABC2","workflowId":"TEST_WORKFLOW","asks":"infrastructure"}', vt: 'json' },
      ]);
      const refused = webhook.refused;
      await until('an attempt', () => webhook.refused > refused);
      webhook.refuse = false;
      const alert = await told('unanswered');
      assert.equal(alert['overdue'], 'infrastructure');
    });

    it('say in the log that the webhook cannot be reached, and do not alert that by the webhook', async () => {
      await webhook.close();
      await nodeRed.stop();
      await start();
      await nodeRed.inject('al-letter', [
        { p: 'payload', v: 'A letter', vt: 'str' },
        { p: 'meshSend', v: '{"to":"","workflowId":""}', vt: 'json' },
      ]);
      assert.match(String(await nodeRed.debug('al-unreachable')), /ECONNREFUSED/);
      // What is known of before the next check, and again by it.
      await nodeRed.inject('al-wrong');
      await nodeRed.debug('al-nottaken');
      assert.match(nodeRed.log(), /ECONNREFUSED/);
      assert.doesNotMatch(nodeRed.log(), /maximum number of catches/);
    });
  });
}
