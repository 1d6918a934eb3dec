import { strict as assert } from 'node:assert';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NodeMessage } from 'node-red';
import { fhirJsonToXml, fhirXmlToObject, readHl7, writeHl7 } from '../../lib/index';
import { adt, CODES, mdm, PDF } from '../letters/letters';
import {
  builtInSandbox,
  deploy,
  helper,
  Recorder,
  sandboxConfig,
  stop,
  takeMissingTexts,
  until,
  type Flow,
  type Msg,
} from './support';

const LETTER = { id: 'letter', type: 'mesh-letter', version: 1, mailbox: 'trust', codes: JSON.stringify(CODES) };
/** The workflow of NHS Notify's answers. */
const ANSWER = 'NHS_NOTIFY_FHIR_ACK';
const DIALOG = { senderName: 'Example Hospital', senderPhone: '01632960000' };

/** The practice's mailbox, read on request. */
const PRACTICE: Flow = [
  {
    id: 'poll',
    type: 'mesh-poll',
    version: 1,
    mailbox: 'practice',
    interval: 0,
    payloadAs: 'text',
    wires: [['arrived'], [], [], []],
  },
  { id: 'arrived', type: 'helper' },
];

const flow = (letter: object): Flow => [
  sandboxConfig('trust', 'X26ABC6', { odsCode: 'X26' }),
  { ...LETTER, wires: [['out']], ...letter },
  { id: 'out', type: 'helper' },
  { id: 'catcher', type: 'catch', wires: [['caught']] },
  { id: 'caught', type: 'helper' },
];

async function through(msg: object, to = 'out'): Promise<Msg & Record<string, unknown>> {
  const out = new Recorder(to);
  helper.getNode('letter').receive(msg as NodeMessage);
  const found: object = await out.get(1);
  return found as Msg & Record<string, unknown>;
}

describe('mesh-letter', function () {
  this.timeout(20_000);
  afterEach(async () => {
    await stop();
    assert.deepEqual(takeMissingTexts(), []);
  });

  it('builds a Send Document, which mesh-send sends with the subject, local id and recipient that are prescribed', async () => {
    const send = { id: 'send', type: 'mesh-send', version: 1, mailbox: 'trust', wires: [['out']] };
    await deploy([...flow({ ...DIALOG, wires: [['send']] }), send, sandboxConfig('practice', 'X26ABC7'), ...PRACTICE]);
    await through({ payload: mdm(), meshSend: { to: 'X26ABC7' } });
    const arrived = new Recorder('arrived');
    helper.getNode('poll').receive({});
    const { mesh } = await arrived.get(1);
    assert.equal(mesh.workflowId, 'GPCONNECT_SEND_DOCUMENT');
    assert.equal(mesh.localId, 'X26');
    assert.equal(
      mesh.subject,
      'Clinic letter for MRS TESTA ANNE O’SAMPLE, NHS Number: 9997877896, seen at Example Hospital, ODS code: X26, version 1',
    );
    // The sandbox has no practices: what it refuses says whom the message was for.
    const refused = await through({ payload: mdm() }, 'caught');
    assert.equal(refused.meshSent.to, "GPPROVIDER_9997877896_19800229_O'SAMPLE");
  });

  it('builds a digital letter that NHS Notify’s stand-in accepts, once for each document number', async () => {
    const send = { id: 'send', type: 'mesh-send', version: 1, mailbox: 'trust', to: 'X26LETTERS', wires: [['out']] };
    const poll = { id: 'poll', type: 'mesh-poll', version: 1, mailbox: 'trust', interval: 0, payloadAs: 'json' };
    await deploy([
      ...flow({ ...DIALOG, action: 'notify', wires: [['send']] }),
      send,
      { ...poll, wires: [['arrived'], ['arrived'], ['arrived'], []] },
      { id: 'arrived', type: 'helper' },
    ]);
    const sandbox = await builtInSandbox();
    const arrived = new Recorder('arrived');
    const answers = (): Array<string | undefined> =>
      arrived.messages.filter(({ mesh }) => mesh.workflowId === ANSWER).map(({ mesh }) => mesh.subject);
    for (const count of [1, 2]) {
      await through({ payload: mdm() });
      const sent = (): number => sandbox.messages().filter(({ workflowId }) => workflowId === ANSWER).length;
      await until(() => sent() === count, 'an answer');
      helper.getNode('poll').receive({});
      await until(() => answers().length === count, 'the answer at the flow');
    }
    // The second one has the same reference.
    assert.deepEqual(answers(), ['202', '400']);
  });

  it('takes a PDF as it is, and the rest from msg.letter, which counts before the message and the dialog', async () => {
    await deploy(flow({ ...DIALOG, title: 'Of the dialog', numberStatus: '02' }));
    const letter = {
      title: 'Of the flow',
      type: { code: '823681000000100', display: 'Outpatient letter' },
      written: '2026-07-16T11:00:00+01:00',
      patient: { nhsNumber: '9997877896', family: 'SAMPLE', birthDate: '1980-02-29' },
      author: { family: 'CONSULTANT' },
    };
    const { payload, letter: kept } = await through({ payload: PDF, letter });
    const text = fhirJsonToXml(payload as never);
    assert.match(text, /<title value="Of the flow"\/>/);
    assert.match(text, /Number present but not traced/);
    assert.ok(text.includes(PDF.toString('base64')));
    assert.deepEqual(kept, letter);
  });

  it('takes the patient of an ADT and the PDF of a file, and refuses a file that is too large or not there', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mesh-letter-'));
    try {
      const file = join(folder, 'letter.pdf');
      writeFileSync(file, PDF);
      await deploy(
        flow({ ...DIALOG, title: 'Clinic letter', typeCode: '823681000000100', typeName: 'Outpatient letter' }),
      );
      const { payload } = await through({ payload: adt(), letter: { documents: [{ file }] } });
      const text = fhirJsonToXml(payload as never);
      assert.ok(text.includes(`<contentType value="application/pdf"/><content value="${PDF.toString('base64')}"/>`));
      assert.match(text, /<value value="9997877896"\/>/);
      truncateSync(file, 5_000_001);
      const large = await through({ payload: adt(), letter: { documents: [{ file }] } }, 'caught');
      assert.match(large.error.message, /more than 5 MB/);
      rmSync(file);
      const away = await through({ payload: adt(), letter: { documents: [{ file }] } }, 'caught');
      assert.equal(away.error.code, 'MESH_PAYLOAD');
      assert.doesNotMatch(JSON.stringify(away.error.message), /letter\.pdf/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('keeps what the flow has set for mesh-send', async () => {
    await deploy(flow(DIALOG));
    const { meshSend } = await through({
      payload: mdm(),
      meshSend: { to: 'X26ABC7', workflowId: 'GPFED_CONSULT_REPORT' },
    });
    const { to, workflowId } = meshSend as { to: string; workflowId: string };
    assert.deepEqual([to, workflowId], ['X26ABC7', 'GPFED_CONSULT_REPORT']);
  });

  it('reports by name what is missing, without the patient, and hands nothing on', async () => {
    await deploy(flow({}));
    const out = new Recorder('out');
    const { error } = await through({ payload: mdm() }, 'caught');
    assert.equal(error.code, 'MESH_INVALID_MESSAGE');
    assert.match(error.message, /sender’s name \(sender\.name\); the sender’s telephone number/);
    assert.doesNotMatch(JSON.stringify(error), /9997877896|SAMPLE|TESTA/);
    assert.equal(out.messages.length, 0);
  });

  it('reports a payload that is text, codes that are no JSON, and a mailbox that is not there', async () => {
    await deploy(flow({ ...DIALOG, codes: '{' }));
    assert.match((await through({ payload: 'MSH|' }, 'caught')).error.message, /The payload is text/);
    assert.match((await through({ payload: mdm() }, 'caught')).error.message, /not JSON/);
    await stop();
    await deploy(flow({ ...DIALOG, mailbox: 'gone' }));
    assert.equal((await through({ payload: mdm() }, 'caught')).error.code, 'MESH_CONFIGURATION');
  });

  it('refuses a letter above its limit', async () => {
    await deploy(flow({ ...DIALOG, maxMb: '0.004' }));
    assert.match((await through({ payload: mdm() }, 'caught')).error.message, /at most 4 kB/);
  });

  it('turns a received letter into an MDM whose PDF is the sender’s, with MESH’s message id as control id', async () => {
    await deploy(flow(DIALOG));
    const { payload: built } = await through({ payload: mdm() });
    await stop();
    await deploy(flow({ action: 'receive', application: 'EPR', facility: 'X99999' }));
    // 20 characters of it, as many as MSH-10 has.
    const mesh = { messageId: '20260716110000123456_ABC123' };
    const { payload, letter } = await through({ payload: fhirXmlToObject(fhirJsonToXml(built as never)), mesh });
    const text = String(writeHl7(payload as never));
    assert.ok(text.includes(`^application^PDF^Base64^${PDF.toString('base64')}|`));
    const [msh] = readHl7(text).MSH as unknown as Array<Record<string, Array<{ c1: string }>>>;
    assert.deepEqual([msh?.['f5']?.[0]?.c1, msh?.['f10']?.[0]?.c1], ['EPR', '6110000123456_ABC123']);
    assert.equal((letter as { title: string }).title, 'Clinic letter');
    const { error } = await through({ payload: { resourceType: 'Patient' } }, 'caught');
    assert.equal(error.code, 'MESH_UNREADABLE');
  });
});
