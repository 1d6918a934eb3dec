import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { UnreadableError } from '../../lib/errors';
import { parseAcknowledgement } from '../../lib/acks/parse-acknowledgement';
import { buildItk3Response } from '../../lib/acks/itk3/build';
import { loadProfiles } from '../../lib/acks/profiles';
import { classify } from '../../lib/acks/classify';
import { keyOfRequest } from '../../lib/acks/request';
import { readHl7Ack } from '../../lib/acks/hl7v2/read';
import { readItk3Request, readItk3Response } from '../../lib/acks/itk3/read';
import { buildNhsAck, readNhsAck } from '../../lib/acks/nhsack/nhsack';
import { readEdifact } from '../../lib/formats/edifact/interchange';
import { fhirXmlToJson } from '../../lib/formats/fhir/from-xml';
import { fhirJsonToXml } from '../../lib/formats/fhir/to-xml';
import { acknowledgeHl7 } from '../../lib/formats/hl7/acknowledge';
import { readHl7, writeHl7 } from '../../lib/formats/hl7/message';
import { thrown } from '../harness/failure';
import { itk3ByProfile, itk3Request, MEDRPT, NEMS_EVENT, R4_MESSAGE } from './fixtures';

const now = new Date('2026-04-01T11:00:00Z');
const ADT = 'MSH|^~\\&|A|B|C|D|20260401||ADT^A01|M-1|P|2.4\rPID|||1\r';

describe('a payload', () => {
  it('that is a request has the reference that its acknowledgement names', () => {
    for (const payload of [itk3Request(), fhirXmlToJson(itk3Request()), Buffer.from(`\uFEFF${itk3Request()}`)]) {
      assert.equal(keyOfRequest(parseAcknowledgement(payload).request), 'itk3 msg-1');
      assert.deepEqual(parseAcknowledgement(payload).request?.requested, { infrastructure: true, business: true });
    }
    assert.equal(keyOfRequest(parseAcknowledgement(MEDRPT).request), 'nhsack 77 LAB');
    assert.deepEqual(parseAcknowledgement(MEDRPT).request?.requested, { business: true });
    assert.equal(keyOfRequest(parseAcknowledgement(Buffer.from(ADT)).request), 'hl7v2 M-1');
    assert.deepEqual(parseAcknowledgement(Buffer.from(ADT)).request?.requested, {});
  });

  it('that is a request is kept without patient data, and can be acknowledged from that alone', () => {
    const adt = parseAcknowledgement(Buffer.from(ADT.replace('||1', '||1||SMITH^JOHN'))).request;
    assert.ok(adt?.form === 'hl7v2');
    assert.doesNotMatch(JSON.stringify(adt), /SMITH|PID/);
    const kept = JSON.parse(JSON.stringify(adt)) as typeof adt;
    assert.equal(readHl7Ack(writeHl7(acknowledgeHl7(kept.message, { now }))).acknowledges, 'M-1');

    const report = parseAcknowledgement(MEDRPT.replace('BGM+LSR', "NAD+PAT+++SMITH'BGM+LSR")).request;
    assert.ok(report?.form === 'nhsack');
    assert.doesNotMatch(JSON.stringify(report), /SMITH|NAD/);
    const whole = { controlReference: '1', now };
    const fromKept = buildNhsAck((JSON.parse(JSON.stringify(report)) as typeof report).interchange, whole);
    assert.equal(fromKept, buildNhsAck(readEdifact(MEDRPT), whole));
  });

  it('that is a FHIR message of another kind is no ITK3 request, in XML or JSON, and no ITK3 response', () => {
    const response = '<response><identifier value="m-0"/><code value="ok"/></response>';
    for (const other of [R4_MESSAGE, NEMS_EVENT]) {
      const answering = other.replace('</MessageHeader>', `${response}</MessageHeader>`);
      const release = other === R4_MESSAGE ? 'R4' : 'STU3';
      for (const payload of [other, fhirXmlToJson(other, { release }), Buffer.from(`\uFEFF${other}`)]) {
        assert.equal(parseAcknowledgement(payload).request, undefined);
        assert.equal(classify(parseAcknowledgement(payload), 'ANY', loadProfiles()), undefined);
        // Where the workflow prescribes ITK3, a sender who waits gets an answer.
        assert.equal(classify(parseAcknowledgement(payload), 'TOC_FHIR_IP_DISCH', loadProfiles())?.kind, 'request');
      }
      for (const payload of [answering, fhirXmlToJson(answering, { release })]) {
        assert.deepEqual(parseAcknowledgement(payload), {});
      }
    }
  });

  it('that is ITK3 by the profile of its bundle or header is a request, whose flags count as set', () => {
    for (const of of ['Bundle', 'MessageHeader'] as const) {
      const { request } = parseAcknowledgement(itk3ByProfile(of));
      assert.equal(keyOfRequest(request), 'itk3 m-1');
      assert.deepEqual(request?.requested, {});
    }
  });

  it('with a huge header is not kept', () => {
    const profiles = loadProfiles();
    const huge = 'x'.repeat(600_000);
    const kept = (payload: string) => classify(parseAcknowledgement(payload), 'W', profiles);
    assert.equal(kept(ADT)?.kind, 'request');
    assert.equal(kept(ADT.replace('|A|', `|${huge}|`)), undefined);
    assert.equal(kept(MEDRPT.replace('GP:80', `${huge}:80`)), undefined);
    const messages = Array.from({ length: 50_000 }, (_, index) => `UNH+${index}+MEDRPT:0:1:RT:NHS003'UNT+2+${index}'`);
    const many = kept(MEDRPT.replace(/UNH[^]*(?=UNZ)/, messages.join('')));
    assert.ok(many?.kind === 'request' && JSON.stringify(many).length < 100_000);
    const ack = writeHl7(acknowledgeHl7(readHl7(ADT), { now })) as string;
    assert.equal(kept(ack)?.kind, 'acknowledgement');
    assert.equal(kept(ack.replace(/M-1/, huge))?.kind, 'unreadable-acknowledgement');
  });

  it('that is an acknowledgement says what it acknowledges and how, whatever its workflow', () => {
    const itk3 = buildItk3Response(readItk3Request(itk3Request()), {
      code: '30002',
      mailboxId: 'X',
      odsCode: 'Y',
      now,
    });
    assert.equal(parseAcknowledgement(itk3).acknowledgement?.acknowledges, 'msg-1');
    const { acknowledges, sender } =
      parseAcknowledgement(buildNhsAck(readEdifact(MEDRPT), { controlReference: '1', now })).acknowledgement ?? {};
    assert.deepEqual([acknowledges, sender], ['77', 'LAB']);
    const ack = writeHl7(acknowledgeHl7(readHl7(ADT), { now, code: 'AR', text: 'SMITH is not here' }));
    const parsed = parseAcknowledgement(ack);
    assert.deepEqual(parsed.acknowledgement, {
      form: 'hl7v2',
      acknowledges: 'M-1',
      level: 'business',
      result: 'negative',
      code: 'AR',
      meaning: 'Application reject',
    });
    assert.equal(JSON.stringify(parsed).includes('SMITH'), false);
    assert.deepEqual(Object.keys(parseAcknowledgement(itk3.replace('30002', '39999'))), ['unreadableAcknowledgement']);
  });

  it('that is an ITK3 request in UTF-16 is one, in either byte order, with a mark or without', () => {
    const little = Buffer.from(itk3Request(), 'utf16le');
    const marked = Buffer.from(`\uFEFF${itk3Request()}`, 'utf16le');
    for (const payload of [little, marked, Buffer.from(little).swap16(), Buffer.from(marked).swap16()]) {
      assert.equal(keyOfRequest(parseAcknowledgement(payload).request), 'itk3 msg-1');
    }
  });

  it('that is an ITK3 request in JSON is one also where it cannot be converted, so that it can be rejected', () => {
    const json = fhirXmlToJson(itk3Request());
    const twice = json.replace('"type":"message"', '"type":"message","type":"message"');
    const latin = Buffer.from(json.replace('"ref-9"', '"réf"'), 'latin1');
    for (const payload of [twice, latin]) {
      thrown(UnreadableError, () => fhirJsonToXml(payload));
      assert.equal(keyOfRequest(parseAcknowledgement(payload).request), 'itk3 msg-1');
    }
  });

  it('that is an HL7 acknowledgement may be in small letters and padded: it settles what was sent', () => {
    const { request } = parseAcknowledgement(ADT.replace('M-1', 'M-1  '));
    const ack = writeHl7(acknowledgeHl7(readHl7(ADT), { now, code: 'AE' })) as string;
    const { acknowledgement } = parseAcknowledgement(ack.replace('MSA|AE|M-1', 'MSA| ae | M-1 '));
    assert.deepEqual([acknowledgement?.code, acknowledgement?.result], ['AE', 'negative']);
    assert.equal(acknowledgement?.acknowledges, request?.reference);
  });

  it('that is neither parses to nothing', () => {
    for (const payload of [
      '',
      'hello',
      '{}',
      '<a/>',
      '<Bundle xmlns="http://hl7.org/fhir"/>',
      'UNB',
      'MSH|^~\\&|',
      Buffer.alloc(100_000_000),
      Buffer.from([0xff, 0xfe, 0x3c]),
    ]) {
      assert.deepEqual(parseAcknowledgement(payload), {});
    }
  });

  it('made of anything parses without an error, and every reader throws the documented one', () => {
    const seeds = [itk3Request(), MEDRPT, ADT, writeHl7(acknowledgeHl7(readHl7(ADT), { now })) as string];
    const mutated = fc
      .tuple(fc.constantFrom(...seeds), fc.nat(1500), fc.nat(20), fc.string({ maxLength: 5 }))
      .map(([seed, at, cut, put]) => seed.slice(0, at) + put + seed.slice(at + cut));
    fc.assert(
      fc.property(fc.oneof(mutated, fc.json(), fc.string()), (payload) => {
        parseAcknowledgement(payload);
        parseAcknowledgement(Buffer.from(payload));
        for (const read of [readItk3Request, readItk3Response, readNhsAck, readHl7Ack]) {
          try {
            read(payload);
          } catch (error) {
            assert.ok(error instanceof UnreadableError, String(error));
          }
        }
      }),
      { numRuns: 500 },
    );
  });
});
