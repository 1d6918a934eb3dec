/** The readers of acknowledgements, their classification, and composing acknowledgements of what they read. */
import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { ConfigurationError, InvalidMessageError, UnreadableError } from '../../lib/errors';
import { composeAcknowledgement } from '../../lib/acks/compose';
import { readHl7Ack } from '../../lib/acks/hl7v2/read';
import { parseAcknowledgement } from '../../lib/acks/parse-acknowledgement';
import { buildItk3Response } from '../../lib/acks/itk3/build';
import { ITK3_CODES } from '../../lib/acks/itk3/codes';
import { readItk3Request, readItk3Response } from '../../lib/acks/itk3/read';
import { buildNhsAck, readNhsAck } from '../../lib/acks/nhsack/nhsack';
import { loadProfiles, SHIPPED_PROFILES } from '../../lib/acks/profiles';
import { classify, requestKey } from '../../lib/acks/classify';
import { readEdifact } from '../../lib/formats/edifact/interchange';
import { fhirXmlToJson } from '../../lib/formats/fhir/from-xml';
import { edifactText, fhirXmlText, hl7Text, mutated, POISON } from '../harness/arbitraries';
import { ADT, BUNDLE, HL7_ACK, MEDRPT, ORU } from './inputs';
import { target, type Target } from './target';

const now = new Date('2026-04-01T11:00:00Z');
const ITK3_RESPONSE = buildItk3Response(readItk3Request(BUNDLE), { code: '30002', mailboxId: 'X', odsCode: 'Y', now });
const NHSACK = buildNhsAck(readEdifact(MEDRPT), { controlReference: '1', now });
const bundles = [BUNDLE, fhirXmlToJson(BUNDLE), ITK3_RESPONSE, fhirXmlToJson(ITK3_RESPONSE)];
const payloads = fc.oneof(
  { weight: 6, arbitrary: mutated(...bundles, MEDRPT, NHSACK, ADT, ORU, HL7_ACK) },
  hl7Text,
  edifactText,
  fhirXmlText,
  fc.json(),
  fc.string({ unit: 'binary' }),
);
const profiles = loadProfiles();
const workflows = fc.oneof(
  fc.constantFrom(...SHIPPED_PROFILES.flatMap(({ workflowId, ackWorkflowId }) => [workflowId, ackWorkflowId ?? 'W'])),
  fc.constantFrom(...POISON),
  fc.string(),
);
const row = fc.record(
  {
    workflowId: fc.oneof(workflows, fc.anything()),
    ackWorkflowId: fc.oneof(workflows, fc.constant(null), fc.anything()),
    form: fc.oneof(fc.constantFrom('itk3', 'nhsack', 'hl7v2', 'custom', 'none'), fc.anything()),
    infAck: fc.oneof(fc.boolean(), fc.anything()),
    busAck: fc.boolean(),
    infrastructureHours: fc.oneof(fc.double(), fc.anything()),
    businessWorkingDays: fc.double(),
    subject: fc.string(),
    routing: fc.oneof(fc.constantFrom('mailbox', 'GPPROVIDER'), fc.anything()),
  },
  { requiredKeys: [] },
);
const fileOfProfiles = JSON.stringify({ profiles: SHIPPED_PROFILES.slice(0, 8) });

export const ACKS: Target[] = [
  target(
    'acks: the file of profiles',
    fc.oneof(
      mutated(fileOfProfiles),
      fc.array(row, { maxLength: 5 }).map((rows) => JSON.stringify({ profiles: rows })),
      fc.json(),
      fc.string(),
    ),
    [ConfigurationError],
    (text) => {
      const loaded = loadProfiles(text);
      assert.ok(loaded.all().length >= SHIPPED_PROFILES.length);
      for (const { workflowId, ackWorkflowId } of loaded.all()) assert.notEqual(workflowId, ackWorkflowId);
    },
  ),
  target('acks: parse and classify', fc.tuple(payloads, workflows), [], ([payload, workflowId]) => {
    const classification = classify(parseAcknowledgement(Buffer.from(payload)), workflowId, profiles);
    assert.deepEqual(Object.keys(parseAcknowledgement(payload)).length <= 2, true);
    const kept = JSON.stringify(classification ?? {});
    assert.ok(kept.length <= 512 * 1024, 'more than the headers of a batch is kept');
    requestKey(classification, 'X26ABC1');
  }),
  target(
    'acks: compose the acknowledgement of what was classified',
    fc.tuple(
      payloads,
      workflows,
      fc.constantFrom('accepted', 'rejected', 'partial'),
      fc.constantFrom('infrastructure', 'business'),
      fc.constantFrom('profile', 'itk3', 'nhsack', 'hl7v2'),
    ),
    [ConfigurationError, InvalidMessageError],
    ([payload, workflowId, outcome, level, form]) => {
      const classification = classify(parseAcknowledgement(payload), workflowId, profiles);
      const context = {
        workflowId,
        classification,
        isDuplicate: false,
        earlierCodes: [],
        profiles,
        mailboxId: 'X26ABC1',
        odsCode: 'X26',
        messageId: 'M1',
        now,
      };
      const composed = composeAcknowledgement(
        { form, level, outcome, ...(outcome === 'rejected' ? { code: ITK3_CODES[5]?.code ?? '' } : {}) },
        context,
      );
      // An acknowledgement is never a request itself.
      if ('payload' in composed) assert.equal(parseAcknowledgement(composed.payload as Buffer).request, undefined);
    },
  ),
  ...Object.entries({ readItk3Request, readItk3Response, readNhsAck, readHl7Ack }).map(([name, read]) =>
    target(`acks: ${name}`, payloads, [UnreadableError], (payload) => read(payload)),
  ),
];
