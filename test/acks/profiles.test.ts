import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { ConfigurationError } from '../../lib/errors';
import { profileDeadlines } from '../../lib/send/deadlines';
import { loadProfiles, SHIPPED_PROFILES } from '../../lib/acks/profiles';

const file = (...profiles: object[]): string => JSON.stringify({ profiles });

describe('workflow profiles', () => {
  it('that are shipped are acknowledged on their own workflow with _ACK, except NHAIS; no receipt is a request', () => {
    const profiles = loadProfiles();
    assert.equal(profiles.find('TOC_FHIR_IP_DISCH')?.ackWorkflowId, 'TOC_FHIR_IP_DISCH_ACK');
    assert.equal(profiles.find('NHAIS_REG')?.ackWorkflowId, 'NHAIS_RECEP');
    assert.deepEqual(
      profiles.forAckWorkflow('PATH_MEDRPT_V3_ACK').map(({ workflowId }) => workflowId),
      ['PATH_MEDRPT_V3'],
    );
    for (const { ackWorkflowId } of SHIPPED_PROFILES) assert.equal(profiles.find(ackWorkflowId ?? ''), undefined);
    // They are of the same kind as a user's.
    assert.deepEqual(loadProfiles(file(...SHIPPED_PROFILES)).all(), SHIPPED_PROFILES);
  });

  it('of vaccinations and GP Connect are answered on _ACK, with the prescribed subject and local id', () => {
    const profiles = loadProfiles();
    const ids =
      'DIGIMED_FLU_VAC DIGMED_FLU_VAC DIGMED_EMG_MED DIGMED_MINOR_ILLNESS_PEM GPFED_CONSULT_REPORT ' +
      'GPCONNECT_SEND_DOCUMENT GPCONNECT_UPDATE_RECORD DF_ONLINE_CONSULTATION';
    for (const id of ids.split(' ')) {
      const profile = profiles.find(id);
      assert.equal(profile?.ackWorkflowId, `${id}_ACK`);
      assert.deepEqual(
        [profile.form, profile.infAck, profile.busAck, profile.localId],
        ['itk3', true, true, '{odsCode}'],
      );
      assert.match(
        profile.subject ?? '',
        /^\{msg\.\S+\} for \{msg\.\S+\}, NHS Number: \{msg\.\S+\}, .*ODS code: \{odsCode\}/,
      );
    }
  });

  it('of the events of NEMS ask for no answer', () => {
    const ids =
      'PDSRECORDCHANGE_1 CHANGEOFGP_1 CHANGEOFADDRESS_1 DEATHNOTIFICATION_1 BIRTHNOTIFICATION_1 BLOODSPOTTESTOUTCOME_1 ' +
      'NEWBORNHEARING_1 NIPEOUTCOME_1 PROFESSIONALCONTACTS_1 VACCINATIONS_1';
    for (const id of ids.split(' ')) assert.equal(loadProfiles().find(id)?.form, 'none', id);
  });

  it('are extended and overridden by a file, field by field', () => {
    const profiles = loadProfiles(
      file(
        { workflowId: 'TOC_FHIR_IP_DISCH', infrastructureHours: 24 },
        { workflowId: 'MINE', ackWorkflowId: 'BACK', form: 'hl7v2', busAck: true },
      ),
    );
    assert.equal(profiles.find('TOC_FHIR_IP_DISCH')?.infrastructureHours, 24);
    assert.equal(profiles.find('TOC_FHIR_IP_DISCH')?.form, 'itk3');
    assert.equal(profiles.find('MINE')?.routing, 'mailbox');
    assert.equal(profiles.forAckWorkflow('BACK').length, 1);
  });

  it('come from several tables: the later one wins, field by field', () => {
    const profiles = loadProfiles(
      file({ workflowId: 'MINE', ackWorkflowId: 'BACK', form: 'hl7v2', recommendedMb: 2 }),
      file({ workflowId: 'MINE', form: 'custom', collectHours: 4 }),
    );
    const { form, ackWorkflowId, recommendedMb, collectHours } = profiles.find('MINE') ?? {};
    assert.deepEqual([form, ackWorkflowId, recommendedMb, collectHours], ['custom', 'BACK', 2, 4]);
    assert.deepEqual(
      profileDeadlines(profiles).filter(({ workflow }) => workflow === 'MINE'),
      [{ workflow: 'MINE', collectWithinMs: 4 * 3_600_000 }],
    );
  });

  it('name the wrong row and field of the file', () => {
    const wrong: Array<[string, RegExp]> = [
      ['{', /not JSON/],
      ['[]', /the table/],
      [file({ form: 'itk3' }), /profiles\[0\]\.workflowId/],
      [file({ workflowId: 'A' }), /profiles\[0\]\.ackWorkflowId/],
      [
        file({ workflowId: 'GPFED_CONSULT_REPORT' }, { workflowId: 'TOC_FHIR_IP_DISCH', form: 'xml' }),
        /profiles\[1\]\.form/,
      ],
      [
        file({ workflowId: 'A', ackWorkflowId: 'A', form: 'custom' }),
        /profiles\[0\]\.ackWorkflowId: is the workflow itself/,
      ],
      [
        file(
          { workflowId: 'A', ackWorkflowId: 'B', form: 'custom' },
          { workflowId: 'B', ackWorkflowId: 'A', form: 'custom' },
        ),
        /A is a workflow of acknowledgements/,
      ],
      [file({ workflowId: 'A_ACK', ackWorkflowId: 'B', form: 'custom' }), /A_ACK is a workflow of acknowledgements/],
      [file({ workflowId: 'A', ackWorkflowId: null, form: 'none', busAck: true }), /requests an acknowledgement/],
      [
        file({ workflowId: 'TOC_FHIR_IP_DISCH' }, { workflowId: 'TOC_FHIR_IP_DISCH' }),
        /profiles\[1\]\.workflowId: appears twice/,
      ],
      [file({ workflowId: 'TOC_FHIR_IP_DISCH', colour: 1 }), /profiles\[0\]/],
    ];
    for (const [text, message] of wrong)
      assert.throws(() => loadProfiles(text), { code: 'MESH_CONFIGURATION', message }, text);
  });

  it('load from any file or throw the documented error', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.json(),
          fc.array(fc.object()).map((profiles) => JSON.stringify({ profiles })),
        ),
        (text) => {
          try {
            loadProfiles(text);
          } catch (error) {
            assert.ok(error instanceof ConfigurationError, String(error));
          }
        },
      ),
    );
  });
});
