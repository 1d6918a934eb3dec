import assert from 'node:assert/strict';
import { letterFromHl7, readHl7, type Letter } from '../../lib/index';
import { LETTER_KINDS, TRANSFERS_OF_CARE, type LetterKind } from '../../lib/letters/headings';
import { MAJORS, startNodeRed } from '../harness/flows';
import type { FlowNode, RealNodeRed } from '../harness/node-red';
import { forKind, PDF, SECTIONS } from '../letters/letters';
import { updateRecord } from '../letters/update-record';

const TAB = 'letter-tab';
const QUICK = 0.005;

/** What a flow says of a letter that no HL7 v2 message has brought. */
function fieldsOf(kind: LetterKind): Letter {
  const letter: Letter = {
    written: '2026-07-16T11:00:00+01:00',
    patient: { nhsNumber: '9997877896', numberStatus: '01', family: 'O’SAMPLE', birthDate: '1980-02-29' },
    author: { family: 'CONSULTANT', given: ['EXAMPLE'] },
  };
  if (kind !== 'send-document' && kind !== 'notify') {
    return { ...letter, careSetting: { code: '893061000000109', display: 'Cardiology service' }, ...forKind(kind) };
  }
  return {
    ...letter,
    title: 'Clinic letter',
    type: { code: '823681000000100', display: 'Outpatient letter' },
    documentNumber: 'DOC1',
    documents: [{ contentType: 'application/pdf', content: PDF.toString('base64') }],
  };
}

const mailbox = (id: string, mailboxId: string): object => ({
  id,
  type: 'mesh-config',
  name: mailboxId,
  version: 1,
  environment: 'sandbox',
  mailboxId,
  odsCode: 'X26',
});
const debug = (id: string, complete: string): object => ({
  id,
  type: 'debug',
  z: TAB,
  active: true,
  tosidebar: true,
  complete,
  targetType: 'msg',
  wires: [],
});
const poll = (id: string, of: string, wires: string[][]): object => ({
  id,
  type: 'mesh-poll',
  z: TAB,
  version: 1,
  mailbox: of,
  interval: QUICK,
  payloadAs: 'text',
  wires,
});
const ack = (id: string, of: string, fields: object, wires: string[][]): object => ({
  id,
  type: 'mesh-ack',
  z: TAB,
  version: 1,
  mailbox: of,
  ...fields,
  wires,
});
const answer = (level: string, finish: boolean): object => ({ answer: 'profile', level, outcome: 'accepted', finish });

/** A trust that builds each kind of letter and validates it, and a practice that hands it to its EPR and answers. */
function flows(): FlowNode[] {
  const builders = LETTER_KINDS.flatMap((kind) => [
    {
      id: `go-${kind}`,
      type: 'inject',
      z: TAB,
      props: [{ p: 'letter', v: JSON.stringify(fieldsOf(kind)), vt: 'json' }],
      wires: [[`build-${kind}`]],
    },
    {
      id: `build-${kind}`,
      type: 'mesh-letter',
      z: TAB,
      version: 1,
      mailbox: 'trust',
      action: kind,
      senderName: 'Example Hospital',
      senderPhone: '01632960000',
      // NHS Notify takes JSON.
      wires: [[kind === 'notify' ? 'send-notify' : 'xml']],
    },
  ]);
  const send = (id: string, to: string, more: object = {}): object => ({
    id,
    type: 'mesh-send',
    z: TAB,
    version: 1,
    mailbox: 'trust',
    to,
    toType: 'str',
    validate: 'fhir',
    ...more,
    wires: [['sent']],
  });
  return [
    { id: TAB, type: 'tab', label: 'Letters' },
    mailbox('trust', 'X26ABC6'),
    mailbox('practice', 'X26ABC7'),
    ...builders,
    {
      id: 'go-update-record',
      type: 'inject',
      z: TAB,
      props: [{ p: 'payload', v: JSON.stringify(updateRecord()), vt: 'json' }],
      wires: [['update-xml']],
    },
    { id: 'update-xml', type: 'mesh-fhir', z: TAB, version: 1, release: 'STU3', wires: [['send-update']] },
    { id: 'xml', type: 'mesh-fhir', z: TAB, version: 1, release: 'STU3', wires: [['send']] },
    send('send', 'X26ABC7'),
    send('send-update', 'X26ABC7', { workflowId: 'GPCONNECT_UPDATE_RECORD', workflowIdType: 'str' }),
    // The service is in build: the sandbox's workflow id stands for one that is not known yet.
    send('send-notify', 'X26LETTERS', { workflowId: 'SANDBOX_DIGITAL_LETTER', workflowIdType: 'str' }),
    debug('sent', 'meshSent'),
    // The practice.
    poll('letters', 'practice', [['received-ack'], [], [], []]),
    ack('received-ack', 'practice', answer('infrastructure', false), [['read']]),
    { id: 'read', type: 'mesh-fhir', z: TAB, version: 1, release: 'STU3', jsonAs: 'object', wires: [['to-mdm']] },
    {
      id: 'to-mdm',
      type: 'mesh-letter',
      z: TAB,
      version: 1,
      mailbox: 'practice',
      action: 'receive',
      application: 'EPR',
      facility: 'X26',
      wires: [['to-text']],
    },
    { id: 'to-text', type: 'mesh-hl7', z: TAB, version: 1, action: 'convert', wires: [['epr', 'processed-ack']] },
    debug('epr', 'payload'),
    ack('processed-ack', 'practice', answer('business', true), [[]]),
    // The answers.
    poll('answers', 'trust', [['answer', 'done'], ['done'], ['answer', 'done'], []]),
    debug('answer', 'mesh.subject'),
    ack('done', 'trust', { answer: 'none', finish: true }, [[]]),
    { id: 'track', type: 'mesh-track', z: TAB, version: 1, mailbox: 'trust', follow: true, wires: [['change'], []] },
    debug('change', 'payload'),
    { id: 'catcher', type: 'catch', z: TAB, scope: null, wires: [['error']] },
    debug('error', 'error.message'),
  ] as FlowNode[];
}

interface Change {
  event: string;
  workflowId: string;
}

for (const major of MAJORS) {
  describe(`letters of every kind in a real Node-RED ${major}`, function () {
    this.timeout(120_000);
    let nodeRed: RealNodeRed;
    let done: () => Promise<void>;

    before(async () => {
      const settings = 'debugMaxLength: 1000000,';
      ({ nodeRed, done } = await startNodeRed({ major, flows: flows(), settings }));
      for (const id of ['letters', 'answers']) await nodeRed.status(id, ({ fill }) => fill === 'green');
    });
    after(() => done?.());

    const settled = async (workflowId: string): Promise<void> => {
      for (const event of ['infrastructure positive', 'business positive']) {
        await nodeRed.debug('change', 30_000, (value) => {
          const change = value as Change;
          return change.event === event && change.workflowId === workflowId;
        });
      }
    };
    const atTheEpr = async (fits: RegExp): Promise<Letter> =>
      letterFromHl7(readHl7(String(await nodeRed.debug('epr', 30_000, (value) => fits.test(String(value))))));

    it('sends a Send Document, and the practice’s EPR gets its PDF byte for byte, and both answers come back', async () => {
      await nodeRed.inject('go-send-document');
      const letter = await atTheEpr(/\^application\^PDF\^Base64/);
      assert.deepEqual(Buffer.from(letter.documents?.[0]?.content ?? '', 'base64'), PDF);
      await settled('GPCONNECT_SEND_DOCUMENT');
    });

    for (const [kind, { workflowId, type }] of Object.entries(TRANSFERS_OF_CARE)) {
      it(`sends a Transfer of Care document (${kind}), and its sections reach the EPR under their headings`, async () => {
        await nodeRed.inject(`go-${kind}`);
        const letter = await atTheEpr(new RegExp(`\\|${type.code}\\|[^]*Allergies and adverse reactions`));
        assert.equal(letter.sections?.['Allergies and adverse reactions'], SECTIONS['Allergies and adverse reactions']);
        await settled(workflowId);
      });
    }

    it('sends a digital letter to NHS Notify, and gets its answer', async () => {
      await nodeRed.inject('go-notify');
      assert.equal(await nodeRed.debug('answer', 30_000, (value) => /^\d{3}$/.test(String(value))), '202');
      assert.doesNotMatch(nodeRed.log(), /names a message that was not sent/);
    });

    it('hands the EPR what an Update Record says in codes, and answers it', async () => {
      await nodeRed.inject('go-update-record');
      const mdm = String(await nodeRed.debug('epr', 30_000, (value) => /Blood pressure/.test(String(value))));
      assert.match(mdm, /\rPID\|1\|\|9997877896\^/);
      assert.match(mdm, /\rOBX\|1\|FT\|1659111000000107\^[^|]*\|[^\r]*value: 142 mmHg/);
      await settled('GPCONNECT_UPDATE_RECORD');
    });
  });
}
