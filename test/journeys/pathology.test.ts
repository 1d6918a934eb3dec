import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { freePort } from '../harness/ports';
import { frame } from '../../lib/mllp/framing';
import { ack, accepts, Receiver, Sender } from '../mllp/support';
import { untilInNodeRed } from '../harness/until';
import { weekdayClock } from '../harness/clocks';
import { ExampleRun } from '../harness/example-run';
import { MAJORS, text } from '../harness/flows';

const REPORT = 'PATH_MEDRPT_V3';
/** The package's clock is this many times as fast as the machine's. */
const SPEED = 300;

function oru(controlId: string, more = "OBX|3|FT|COM^Comment||Salt \\T\\ sugar: it's low||||||F\r"): Buffer {
  return Buffer.from(
    `MSH|^~\\&|LAB|X26|GP|D82015|20260716113000||ORU^R01^ORU_R01|${controlId}|P|2.4\r` +
      'PID|1||9990000018^^^NHS^NH||TESTPATIENT^EXAMPLE||19700101|F\r' +
      'OBR|1||26/EX1^LAB|B12F^B12|||202607160900|||||||202607161000|^BLOOD|G9^DOCTOR||||||202607161130|||F\r' +
      `OBX|1|NM|42T..^Serum vitamin B12||1001|ng/L|170-1100||||F\r${more}`,
  );
}

/** Returns an interchange of two reports. It is complete if `count` is 2. */
function interchange(reference: string, count = '2'): string {
  const message = (unh: number): string =>
    `UNH+${unh}+MEDRPT:0:1:RT:NHS003'BGM+LSR'PNA+PAT+9990000018:OPI+++SU:TESTPATIENT+FO:EXAMPLE'` +
    `DTM+329:19700101:102'PDI+2'INV+MQ+42T..:911::B12'RSL+NV+7++:::ng/L'UNT+8+${unh}'`;
  const head = `UNB+UNOC:3+000000004400001:80+000000024600002:80+260716:1200+${reference}++MEDRPT++1'`;
  return `${head}${message(1)}${message(2)}UNZ+${count}+${reference}'`;
}

/** A tab that sends the injected payload unchanged from the laboratory's mailbox. */
const RAW = [
  { id: 'raw-tab', type: 'tab', label: 'raw' },
  { id: 'raw', z: 'raw-tab', type: 'inject', props: [], x: 100, y: 100, wires: [['raw-send']] },
  {
    id: 'raw-send',
    z: 'raw-tab',
    type: 'mesh-send',
    version: 1,
    mailbox: 'example-x26abc8',
    to: 'X26ABC9',
    toType: 'str',
    workflowId: REPORT,
    workflowIdType: 'str',
    asks: 'automatic',
    confirm: 'queued',
    x: 300,
    y: 100,
    wires: [[]],
  },
];

interface Alert {
  what: string;
  messageId?: string;
}

for (const major of MAJORS) {
  describe(`the example pathology in a real Node-RED ${major}`, function () {
    this.timeout(90_000);
    let run: ExampleRun;
    let [labPort, gpPort] = [0, 0];

    before(async () => {
      [labPort, gpPort] = [await freePort(), await freePort()];
      const variables = {
        LAB_PORT: String(labPort),
        GP_PORT: String(gpPort),
        LAB_NAME: 'LAB',
        LAB_EDI: '000000004400001',
        GP_EDI: '000000024600002',
        GP_PRACTICE: 'D82015',
      };
      run = await ExampleRun.start('pathology', {
        major,
        clock: weekdayClock(SPEED),
        extraNodes: RAW,
        changes: {
          pathology: { env: Object.entries(variables).map(([name, value]) => ({ name, value, type: 'str' })) },
          // Disabled: the tests have their own GP system.
          'pa-gpsystem': { d: true },
          'pa-gp': { retries: 0 },
          'pa-send': { businessWithinWorkingDays: '0.02' },
          'pa-inbox': { interval: 1 },
          'pa-answers': { interval: 1 },
          // Two seconds of the machine.
          'example-x26abc9': { leaseMinutes: 10, maxDeliveries: 1000 },
        },
      });
      await run.untilGreen('pa-in', 'pa-inbox', 'pa-answers');
    });
    after(() => run?.end());

    const send = async (...messages: Buffer[]): Promise<Sender> => {
      const lab = await Sender.connect(labPort);
      lab.send(...messages);
      await lab.received(messages.length);
      return lab;
    };
    const raw = (payload: string): Promise<void> => run.nodeRed.inject('raw', text(payload));
    const gpSystem = (react: (message: Buffer, socket: Socket, count: number) => void): Promise<Receiver> =>
      Receiver.listen(react, gpPort);
    const change = (expected: string): Promise<unknown> =>
      run.nodeRed.debug('pa-change', 30_000, (value) => value === expected);
    const alert = (fits: RegExp): Promise<unknown> =>
      run.nodeRed.debug('pa-alert', 30_000, (value) => fits.test((value as Alert).what));
    const nhsackSent = async (code: string): Promise<void> => {
      await run.nodeRed.debug('pa-answered', 30_000, (value) => (value as { code: string }).code === code);
    };

    it('carries a report to the GP system, and its NHSACK back', async () => {
      const gp = await gpSystem(accepts);
      const lab = await send(oru('1'));
      assert.deepEqual(lab.responses, ['AA 1']);
      await change('business positive');
      const [message] = gp.messages.map(String);
      assert.match(message ?? '', /^PID\|1\|\|9990000018\^\^\^NHS\^NH\|\|TESTPATIENT\^EXAMPLE\|\|19700101\|F\r/m);
      assert.match(message ?? '', /OBX\|1\|NM\|42T\.\.\^Serum vitamin B12\|\|1001\|ng\/L\|170-1100\|\|\|\|F\r/);
      assert.match(message ?? '', /OBX\|2\|FT\|COM\^Comment\|\|Salt \\T\\ sugar: it's low\|/);
      const nhsack = (await run.nodeRed.debug('pa-answer')) as { code: string; sentMessageId: string };
      assert.deepEqual([nhsack.code, nhsack.sentMessageId], ['IAF', run.sent(REPORT)[0]?.messageId]);
      assert.equal(gp.messages.length, 1);
    });

    it('sends a repeated report once, and refuses incomplete or other messages with AR and an alert', async () => {
      await gpSystem(accepts);
      const before = run.sent(REPORT).length;
      const lab = await send(
        oru('2'),
        oru('2'),
        Buffer.from(oru('3').toString().replace('ORU^R01^ORU_R01', 'ADT^A01')),
        Buffer.from(oru('4').toString().replace('9990000018^^^NHS^NH', 'X^^^X26^PI')),
      );
      assert.deepEqual(lab.responses, ['AA 2', 'AA 2', 'AR 3', 'AR 4']);
      await alert(/Only ORU/);
      assert.doesNotMatch(JSON.stringify(await alert(/NHS number/)), /TESTPATIENT/);
      await change('business positive');
      assert.equal(run.sent(REPORT).length, before + 1);
    });

    it('sends the NHSACK IAP and alerts both sides if the GP system refuses one of two reports', async () => {
      const gp = await gpSystem((message, socket, count) => {
        socket.write(frame(ack(message, count === 2 ? 'AR' : 'AA')));
      });
      await raw(interchange('77001'));
      await alert(/GP system refused a report: AR/);
      await nhsackSent('IAP');
      await alert(/^business partial IAP/);
      assert.deepEqual(gp.controlIds, ['77001-1', '77001-2']);
    });

    it('sends the NHSACK IRI for an incomplete interchange, and raises an alert for any other payload', async () => {
      await raw(interchange('77002', '3'));
      await nhsackSent('IRI');
      await alert(/incomplete pathology interchange: IRI/);
      await alert(/^business negative IRI/);
      const before = run.sent(`${REPORT}_ACK`).length;
      await raw('no interchange');
      const reported = (await alert(/not an EDIFACT interchange/)) as Alert;
      assert.equal(reported.messageId, run.sent(REPORT).at(-1)?.messageId);
      assert.equal(run.sent(`${REPORT}_ACK`).length, before);
    });

    it('GP system offline, Node-RED restarted: alerts, lists the overdue, redelivers, sends one NHSACK', async () => {
      const before = run.sent(`${REPORT}_ACK`).length;
      await send(oru('5'));
      await alert(/127\.0\.0\.1|connect|GP/i);
      await alert(/^overdue business/);
      await run.nodeRed.inject('pa-daily');
      const open = (await run.nodeRed.debug('pa-chase')) as Array<{ messageId: string; business: string }>;
      const { messageId } = run.sent(REPORT).at(-1) ?? {};
      assert.ok(open.some((each) => each.messageId === messageId && each.business === 'overdue'));
      assert.equal(run.sent(`${REPORT}_ACK`).length, before);

      await run.stop();
      let isReady = false;
      const gp = await gpSystem((message, socket) => void socket.write(frame(ack(message, isReady ? 'AA' : 'AE'))));
      await run.restart();
      await alert(/could not take a report \(AE\)/);
      isReady = true;
      await change('business positive');
      assert.equal(new Set(gp.controlIds).size, 1);
      await untilInNodeRed('one NHSACK', () => run.sent(`${REPORT}_ACK`).length === before + 1);
    });
  });
}
