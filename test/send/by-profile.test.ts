import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import {
  ConfigurationError,
  gpProviderAddress,
  InvalidMessageError,
  loadProfiles,
  NotFoundError,
  type OutgoingMessage,
  type WorkflowProfiles,
} from '../../lib/index';
import { failure } from '../harness/failure';
import { outboxAt, storageIn, tlsSandbox } from '../harness/outboxes';
import { eventually } from '../harness/until';

const table = (...profiles: object[]): WorkflowProfiles =>
  loadProfiles(
    JSON.stringify({ profiles: profiles.map((each) => Object.assign({ ackWorkflowId: null, form: 'none' }, each)) }),
  );
const message = (workflowId: string, more: Partial<OutgoingMessage> = {}): OutgoingMessage => ({
  to: 'X26ABC2',
  workflowId,
  payload: 'x',
  ...more,
});

describe('sending by a workflow’s profile', () => {
  it('fills in subject and local id from templates, and keeps those of the message', async () => {
    const profiles = table({
      workflowId: 'LETTER',
      subject: 'Letter {msg.letter.kind} of {odsCode}',
      localId: '{odsCode}',
    });
    const mailbox = outboxAt(await tlsSandbox(), { storage: await storageIn(), profiles, odsCode: 'X26' });
    const property = (path: string): string | undefined => ({ 'letter.kind': 'discharge' })[path];
    const filled = await mailbox.prepare(message('LETTER'), { property });
    assert.equal(filled.message.subject, 'Letter discharge of X26');
    assert.deepEqual([filled.message.localId, filled.localIdIsShared], ['X26', true]);
    const own = await mailbox.prepare(message('LETTER', { subject: 'Mine', localId: 'L-1' }));
    assert.deepEqual([own.message.subject, own.message.localId, own.localIdIsShared], ['Mine', 'L-1', false]);
    const error = await failure(InvalidMessageError, mailbox.prepare(message('LETTER')));
    assert.match(error.message, /subject .* msg\.letter\.kind/);
    const other = message('NO_PROFILE');
    assert.deepEqual(await mailbox.prepare(other), { message: other, localIdIsShared: false });
  });

  it('GP Connect has the sender’s ODS code as local id; without one it is an error, not a guess', async () => {
    const [server, storage] = [await tlsSandbox(), await storageIn()];
    const filled = await outboxAt(server, { storage, odsCode: 'A81001' }).prepare(message('GPCONNECT_SEND_DOCUMENT'));
    assert.equal(filled.message.localId, 'A81001');
    await failure(ConfigurationError, outboxAt(server, { storage }).prepare(message('GPCONNECT_SEND_DOCUMENT')));
  });

  it('GP Connect has the prescribed subject where the flow brings its parts, and none where it brings none', async () => {
    const mailbox = outboxAt(await tlsSandbox(), { storage: await storageIn(), odsCode: 'X99999' });
    const parts: Record<string, string> = {
      'gpConnect.title': 'Consultation report',
      'gpConnect.patientName': 'Mrs Testa Patient',
      'gpConnect.nhsNumber': '9997877896',
      'gpConnect.practiceName': 'Example Surgery',
      'gpConnect.version': '1',
    };
    const subjectOf = async (workflowId: string, values: typeof parts): Promise<string | undefined> =>
      (await mailbox.prepare(message(workflowId), { property: (path) => values[path] })).message.subject;
    assert.equal(
      await subjectOf('GPCONNECT_SEND_DOCUMENT', parts),
      'Consultation report for Mrs Testa Patient, NHS Number: 9997877896, seen at Example Surgery, ODS code: X99999, version 1',
    );
    assert.equal(
      await subjectOf('DF_ONLINE_CONSULTATION', parts),
      'Consultation report for Mrs Testa Patient, NHS Number: 9997877896, ODS code: X99999',
    );
    assert.equal(await subjectOf('DIGIMED_FLU_VAC', {}), undefined);
    const { 'gpConnect.version': _version, ...some } = parts;
    const error = await failure(InvalidMessageError, subjectOf('GPCONNECT_UPDATE_RECORD', some));
    assert.match(error.message, /msg\.gpConnect\.version/);
    assert.doesNotMatch(error.message, /Testa|999/);
  });

  it('looks the mailbox up if the profile says so: one, none, several', async () => {
    const profiles = table({ workflowId: 'TEST_WORKFLOW', routing: 'lookup' });
    const all = ['X26ABC1', 'X26ABC2', 'X26ABC3'];
    const server = await tlsSandbox({
      workflows: [{ workflowId: 'TEST_WORKFLOW', senders: all, receivers: all }],
    });
    const mailbox = outboxAt(server, { storage: await storageIn(), profiles });
    const found = await mailbox.prepare(message('TEST_WORKFLOW', { to: 'x27' }));
    assert.equal(found.message.to, 'X26ABC3');
    const none = await failure(NotFoundError, mailbox.prepare(message('TEST_WORKFLOW', { to: 'Z99' })));
    assert.match(none.message, /no mailbox/);
    const several = await failure(InvalidMessageError, mailbox.prepare(message('TEST_WORKFLOW', { to: 'X26' })));
    assert.match(several.message, /2 mailboxes/);
  });

  it('routes by the patient only if the profile says so, and no error names the patient', async () => {
    const mailbox = outboxAt(await tlsSandbox(), { storage: await storageIn(), odsCode: 'X26' });
    const to = gpProviderAddress({ nhsNumber: '943 476 5919', birthDate: '1939-01-09', surname: 'Wensley' });
    assert.equal(to, 'GPPROVIDER_9434765919_19390109_Wensley');
    assert.equal((await mailbox.prepare(message('TOC_FHIR_IP_DISCH', { to }))).message.to, to);
    const error = await failure(InvalidMessageError, mailbox.prepare(message('PATH_MEDRPT_V3', { to })));
    assert.doesNotMatch(`${error.message} ${error.advice}`, /943|1939|Wensley/i);
    for (const wrong of [{ nhsNumber: '9434765918' }, { birthDate: '1939-02-30' }, { surname: ' ' }]) {
      const trace = { nhsNumber: '9434765919', birthDate: '19390109', surname: 'Wensley', ...wrong };
      assert.throws(
        () => gpProviderAddress(trace),
        (thrown: Error) => thrown instanceof InvalidMessageError && !/94347|1939|Wensley/.test(thrown.message),
      );
    }
  });

  it('parks a message that needs chunks if its recipients accept none, with advice', async () => {
    const profiles = table({ workflowId: 'SMALL', chunks: false });
    const mailbox = outboxAt(await tlsSandbox(), { storage: await storageIn(), profiles, maxRequestBytes: 20_000 });
    mailbox.start();
    const large = await mailbox.prepare(message('SMALL', { payload: randomBytes(50_000) }));
    const { message: taken } = await mailbox.outbox.enqueue(large.message);
    await eventually('parked', async () => (await mailbox.outbox.get(taken.id))?.state === 'parked');
    const parked = await mailbox.outbox.get(taken.id);
    assert.equal(parked?.error?.code, 'MESH_TOO_LARGE');
    assert.match(parked.error.advice ?? '', /ask the recipient whether they accept chunks/);
    // The message's own setting takes precedence over the profile.
    const own = await mailbox.prepare(message('SMALL', { chunks: 'allowed' }));
    assert.equal(own.message.chunks, 'allowed');
  });

  it('checks templates when they are loaded', () => {
    assert.throws(() => table({ workflowId: 'A', subject: '{surname}' }), {
      code: 'MESH_CONFIGURATION',
      message: /subject/,
    });
    assert.ok(table({ workflowId: 'A', subject: '{msg.surname} {workflowId} {mailboxId}' }));
  });
});
