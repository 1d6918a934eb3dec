import assert from 'node:assert/strict';
import { fhirXmlToObject, letterFromHl7, readHl7, readLetter, type ReceivedLetter } from '../../lib/index';
import { freePort } from '../harness/ports';
import { Sender } from '../mllp/support';
import { ExampleRun } from '../harness/example-run';
import { MAJORS } from '../harness/flows';
import { PDF } from '../letters/letters';

const DISCHARGE = 'TOC_FHIR_IP_DISCH';
const DOCUMENT = 'GPCONNECT_SEND_DOCUMENT';

const KNOWN = '9990000018^^^NHS^NH';
const UNKNOWN = '9990000026^^^NHS^NH';

function hl7(type: string, controlId: string, more: string[], pid = KNOWN, status = '01'): Buffer {
  const trigger = type.slice(4, 7);
  const head = [
    `MSH|^~\\&|PAS|X26|MESH|X26|20260716113000||${type}|${controlId}|P|2.4`,
    `EVN|${trigger}|20260716113000`,
    `PID|1||${pid}~EX1^^^X26^PI||TESTPATIENT^EXAMPLE^^^MS||19700101|F${'|'.repeat(24)}${status}`,
  ];
  return Buffer.from(`${[...head, ...more].join('\r')}\r`);
}
const VISIT = `PV1|1|I|WARD1||||C9^CONSULTANT^EXAMPLE|||320${'|'.repeat(9)}V1${'|'.repeat(25)}20260710093000|20260716110000`;
const CLINICAL = [
  'AL1|1|DA|294505008^Amoxicillin allergy||Rash',
  'DG1|1||R07.4^Chest pain, unspecified^I10',
  'OBX|1|FT|887181000000106^Clinical summary||Salt \\T\\ sugar < 5\\.br\\ECG normal||||||F',
];
const discharge = (controlId: string, pid?: string): Buffer =>
  hl7('ADT^A03^ADT_A03', controlId, [VISIT, ...CLINICAL], pid);
function letter(controlId: string, replaces = '', confidential = ''): Buffer {
  const trigger = replaces === '' ? 'T02' : 'T10';
  return hl7(`MDM^${trigger}^MDM_T02`, controlId, [
    VISIT,
    `TXA|1|CL|AP|20260716110000|||||C9^CONSULTANT^EXAMPLE|||DOC${controlId}|${replaces}||||AU|${confidential}|AV`,
    `OBX|1|ED|CL^Clinic letter||^application^PDF^Base64^${PDF.toString('base64')}||||||F`,
  ]);
}

const read = (xml: unknown): ReceivedLetter => readLetter(fhirXmlToObject(String(xml)));

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
    const atTheEpr = async (fits: RegExp): Promise<string> =>
      String(await run.nodeRed.debug('hl-epr', 30_000, (value) => fits.test(String(value))));
    const received = (fits: RegExp): Promise<unknown> =>
      run.nodeRed.debug('hl-received', 30_000, (value) => fits.test(String(value)));

    it('turns a discharge and a letter into ITK3 documents, and receives both acknowledgements of each', async () => {
      const pas = await send(discharge('1'), letter('2'));
      assert.deepEqual(pas.responses, ['AA 1', 'AA 2']);
      const first = read(await received(/Salt/));
      assert.equal(first.event?.code, 'ITK003D');
      assert.equal(first.title, 'Cardiology service Discharge summary');
      assert.deepEqual([first.patient.nhsNumber, first.patient.birthDate], ['9990000018', '1970-01-01']);
      const textOf = (title: string): string | undefined => first.sections.find((each) => each.title === title)?.text;
      assert.equal(textOf('Clinical summary'), 'Salt & sugar < 5\nECG normal');
      assert.equal(textOf('Allergies and adverse reactions'), 'Amoxicillin allergy: Rash');
      assert.match(textOf('Discharge details') ?? '', /2026-07-16 11:00/);
      const second = read(await received(/Binary/));
      assert.equal(second.event?.code, 'ITK007C');
      assert.deepEqual(Buffer.from(second.documents[0]?.content ?? '', 'base64'), PDF);
      for (const level of ['infrastructure positive', 'business positive']) {
        await change(level);
        await change(level);
      }
      const [sent] = run.sent(DOCUMENT);
      assert.equal(sent?.localId, 'X26');
      for (const workflow of [DISCHARGE, DOCUMENT]) {
        assert.equal(run.sent(workflow).length, 1);
        assert.equal(run.sent(`${workflow}_ACK`).length, 2);
      }
    });

    it('hands the EPR of the practice an MDM with the PDF byte for byte, and a T10 for a letter that replaces one', async () => {
      await send(letter('20'), letter('21', 'DOC20'));
      const second = letterFromHl7(readHl7(await atTheEpr(/\|MDM\^T10/)));
      assert.deepEqual(Buffer.from(second.documents?.[0]?.content ?? '', 'base64'), PDF);
      assert.match(second.replaces ?? '', /^[\da-f-]{36}$/);
      const first = letterFromHl7(readHl7(await atTheEpr(new RegExp(`\\|MDM\\^T02[^]*\\|${second.replaces}\\|`))));
      assert.equal(first.documentNumber, second.replaces);
      assert.equal(second.patient?.nhsNumber, '9990000018');
      await change('business positive');
      await change('business positive');
    });

    it('sends a repeated control id once, and accepts messages that are no letters without sending them', async () => {
      const before = run.sent(DISCHARGE).length;
      const pas = await send(discharge('3'), hl7('ADT^A01^ADT_A01', '4', [VISIT]), discharge('3'));
      assert.deepEqual(pas.responses, ['AA 3', 'AA 4', 'AA 3']);
      await change('business positive');
      assert.equal(run.sent(DISCHARGE).length, before + 1);
    });

    it('refuses an incomplete message with AR, the reason and an alert, and sends nothing', async () => {
      const before = run.sent(DISCHARGE).length + run.sent(DOCUMENT).length;
      const unreadable = Buffer.from(discharge('7').toString().replace('|P|2.4', '|P|2.4||||||KLINGON'));
      const pas = await send(
        discharge('5', 'EX9^^^X26^PI'),
        hl7('ADT^A03^ADT_A03', '6', [VISIT]),
        unreadable,
        letter('9', '', 'R'),
      );
      assert.deepEqual(pas.responses, ['AR 5', 'AR 6', 'AR 7', 'AR 9']);
      assert.match(pas.texts[0] ?? '', /lacks the NHS number \(patient\.nhsNumber, PID-3\)/);
      assert.match(pas.texts[1] ?? '', /Allergies and adverse reactions.*Clinical summary.*Diagnoses/);
      assert.match(pas.texts[2] ?? '', /character set/);
      assert.match(pas.texts[3] ?? '', /confidential/);
      const alerts: Array<{ controlId: string }> = [];
      for (let count = 0; count < 4; count += 1)
        alerts.push((await run.nodeRed.debug('hl-alert')) as { controlId: string });
      assert.deepEqual(
        alerts.map(({ controlId }) => controlId),
        ['5', '6', '7', '9'],
      );
      assert.doesNotMatch(JSON.stringify(alerts), /TESTPATIENT/);
      assert.equal(run.sent(DISCHARGE).length + run.sent(DOCUMENT).length, before);
    });

    it('raises an alert with the code, and what to do, for a letter that the practice refused', async () => {
      await send(discharge('8', UNKNOWN));
      const isRefusal = (value: unknown): boolean => /30002/.test((value as { what: string }).what);
      const alert = (await run.nodeRed.debug('hl-alert', 30_000, isRefusal)) as Record<string, string>;
      assert.match(alert['what'] ?? '', /^business negative 30002 Patient not known here/);
      assert.equal(alert['nextStep'], 'patient-moved');
      assert.equal(alert['messageId'], run.sent(DISCHARGE).at(-1)?.messageId);
    });

    it('accepts messages while MESH is offline, and after a restart sends each letter once', async () => {
      const before = run.sent(DISCHARGE).length + run.sent(DOCUMENT).length;
      run.makeMeshUnavailable('X26ABC6');
      const pas = await send(discharge('10'), letter('11'));
      assert.deepEqual(pas.responses, ['AA 10', 'AA 11']);
      // Stopped, not killed: a kill could leave the message on the wire unknown, which test:crash covers.
      await run.stop();
      assert.equal(run.sent(DISCHARGE).length + run.sent(DOCUMENT).length, before);
      run.sandbox.clearFaults();
      await run.restart();
      await run.untilGreen('hl-in');
      const again = await send(letter('11'), discharge('12'));
      assert.deepEqual(again.responses, ['AA 11', 'AA 12']);
      for (let acknowledged = 0; acknowledged < 3; acknowledged += 1) await change('business positive');
      assert.equal(run.sent(DISCHARGE).length + run.sent(DOCUMENT).length, before + 3);
    });
  });
}
