import assert from 'node:assert/strict';
import { fhirXmlToObject } from '../../lib/index';
import { freePort } from '../harness/ports';
import { Sender } from '../mllp/support';
import { ExampleRun } from '../harness/example-run';
import { MAJORS } from '../harness/flows';

const LETTER = 'TOC_FHIR_IP_DISCH';

function hl7(type: string, controlId: string, more: string, pid = '9990000018^^^NHS^NH'): Buffer {
  const head = `MSH|^~\\&|PAS|X26|MESH|X26|20260716113000||${type}|${controlId}|P|2.4\rEVN|A03|20260716113000\r`;
  return Buffer.from(`${head}PID|1||${pid}~EX1^^^X26^PI||TESTPATIENT^EXAMPLE^^^MS||19700101|F\r${more}`);
}
const VISIT = `PV1|1|I|WARD1||||C9^CONSULTANT^EXAMPLE${'|'.repeat(12)}V1${'|'.repeat(25)}20260710093000|20260716110000\r`;
const discharge = (controlId: string, pid?: string): Buffer => hl7('ADT^A03^ADT_A03', controlId, VISIT, pid);
const letter = (controlId: string): Buffer =>
  hl7('MDM^T02^MDM_T02', controlId, `${VISIT}TXA|1|DS\rOBX|1|TX|||Salt \\T\\ sugar < 5||||||F\r`);

interface Resource {
  resourceType: string;
  [property: string]: unknown;
}
interface Bundle {
  entry: Array<{ resource: Resource & Bundle }>;
}

/** Returns the FHIR resources of a letter by type: those of its message and of the document in it. */
function resources(xml: unknown): Record<string, Resource> {
  const message = fhirXmlToObject(String(xml)) as unknown as Bundle;
  const outer = message.entry.map(({ resource }) => resource);
  const inner = outer.find(({ resourceType }) => resourceType === 'Bundle')?.entry.map(({ resource }) => resource);
  return Object.fromEntries([...outer, ...(inner ?? [])].map((each) => [each.resourceType, each]));
}

for (const major of MAJORS) {
  describe(`the example hl7-to-itk3-letter in a real Node-RED ${major}`, function () {
    this.timeout(90_000);
    let run: ExampleRun;
    let port: number;

    before(async () => {
      port = await freePort();
      const quick = { interval: 0.005 };
      run = await ExampleRun.start('hl7-to-itk3-letter', {
        major,
        changes: {
          'hl7-letters': { env: [{ name: 'MLLP_PORT', value: String(port), type: 'str' }] },
          'hl-answers': quick,
          'hl-practice': quick,
        },
      });
      await run.untilGreen('hl-in', 'hl-practice', 'hl-answers');
    });
    after(() => run?.end());

    const send = async (...messages: Buffer[]): Promise<Sender> => {
      const pas = await Sender.connect(port);
      pas.send(...messages);
      await pas.received(messages.length);
      return pas;
    };
    const change = (expected: string): Promise<unknown> =>
      run.nodeRed.debug('hl-change', 30_000, (value) => value === expected);
    const received = (fits: RegExp): Promise<unknown> =>
      run.nodeRed.debug('hl-received', 30_000, (value) => fits.test(String(value)));

    it('turns a discharge and a letter into ITK3 documents, and receives both acknowledgements of each', async () => {
      const pas = await send(discharge('1'), letter('2'));
      assert.deepEqual(pas.responses, ['AA 1', 'AA 2']);
      const first = resources(await received(/Admitted/));
      const names = ['Bundle', 'Composition', 'Encounter', 'MessageHeader', 'Organization', 'Patient', 'Practitioner'];
      assert.deepEqual(Object.keys(first).toSorted(), names);
      assert.deepEqual(first['Patient']?.['identifier'], [
        { system: 'https://fhir.nhs.uk/Id/nhs-number', value: '9990000018' },
      ]);
      assert.equal(first['Patient']?.['birthDate'], '1970-01-01');
      assert.match(JSON.stringify(first['MessageHeader']), /"SenderReference","valueString":"1"/);
      const period = first['Encounter']?.['period'] as { end: string };
      assert.equal(period.end, '2026-07-16T11:00:00+01:00');
      assert.match(String(await received(/Salt/)), /<p>Salt &amp; sugar &lt; 5<\/p>/);
      for (const level of ['infrastructure positive', 'business positive']) {
        await change(level);
        await change(level);
      }
      assert.equal(run.sent(LETTER).length, 2);
      assert.equal(run.sent(`${LETTER}_ACK`).length, 4);
    });

    it('sends a repeated control id once, and accepts messages that are no letters without sending them', async () => {
      const before = run.sent(LETTER).length;
      const pas = await send(discharge('3'), hl7('ADT^A01^ADT_A01', '4', VISIT), discharge('3'));
      assert.deepEqual(pas.responses, ['AA 3', 'AA 4', 'AA 3']);
      await change('business positive');
      assert.equal(run.sent(LETTER).length, before + 1);
    });

    it('refuses an incomplete message with AR, the reason and an alert, and sends nothing', async () => {
      const before = run.sent(LETTER).length;
      const unreadable = Buffer.from(discharge('7').toString().replace('|P|2.4', '|P|2.4||||||KLINGON'));
      const pas = await send(discharge('5', 'EX9^^^X26^PI'), hl7('MDM^T02', '6', VISIT), unreadable);
      assert.deepEqual(pas.responses, ['AR 5', 'AR 6', 'AR 7']);
      assert.match(pas.texts[0] ?? '', /NHS number \(PID-3\) missing/);
      assert.match(pas.texts[1] ?? '', /letter \(OBX-5\) missing/);
      assert.match(pas.texts[2] ?? '', /character set/);
      const alerts = [await run.nodeRed.debug('hl-alert'), await run.nodeRed.debug('hl-alert')] as Array<{
        what: string;
        controlId: string;
      }>;
      assert.deepEqual(
        alerts.map(({ controlId }) => controlId),
        ['5', '6'],
      );
      assert.doesNotMatch(JSON.stringify(alerts), /TESTPATIENT/);
      assert.equal(run.sent(LETTER).length, before);
    });

    it('raises an alert with the code for a letter that the practice refused', async () => {
      await send(discharge('8', '9990000026^^^NHS^NH'));
      const isRefusal = (value: unknown): boolean => /30002/.test((value as { what: string }).what);
      const alert = (await run.nodeRed.debug('hl-alert', 30_000, isRefusal)) as { what: string; messageId: string };
      assert.match(alert.what, /^business negative 30002 Patient not known here/);
      assert.equal(alert.messageId, run.sent(LETTER).at(-1)?.messageId);
    });

    it('accepts messages while MESH is offline, and after a restart sends each letter once', async () => {
      const before = run.sent(LETTER).length;
      run.makeMeshUnavailable('X26ABC6');
      const pas = await send(discharge('10'), letter('11'));
      assert.deepEqual(pas.responses, ['AA 10', 'AA 11']);
      // Stopped, not killed: a kill could leave the message on the wire unknown, which test:crash covers.
      await run.stop();
      assert.equal(run.sent(LETTER).length, before);
      run.sandbox.clearFaults();
      await run.restart();
      await run.untilGreen('hl-in');
      const again = await send(letter('11'), discharge('12'));
      assert.deepEqual(again.responses, ['AA 11', 'AA 12']);
      for (let acknowledged = 0; acknowledged < 3; acknowledged += 1) await change('business positive');
      assert.equal(run.sent(LETTER).length, before + 3);
    });
  });
}
