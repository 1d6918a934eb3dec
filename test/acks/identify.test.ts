import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { UnreadableError } from '../../lib/errors';
import { identify } from '../../lib/acks/identify';
import { buildItk3Response } from '../../lib/acks/itk3/build';
import { readHl7Ack } from '../../lib/acks/hl7v2/read';
import { readItk3Request, readItk3Response } from '../../lib/acks/itk3/read';
import { buildNhsAck, readNhsAck } from '../../lib/acks/nhsack/nhsack';
import { readEdifact } from '../../lib/formats/edifact/interchange';
import { fhirXmlToJson } from '../../lib/formats/fhir/from-xml';
import { acknowledgeHl7 } from '../../lib/formats/hl7/acknowledge';
import { readHl7, writeHl7 } from '../../lib/formats/hl7/message';
import { itk3Request, MEDRPT } from './fixtures';

const now = new Date('2026-04-01T11:00:00Z');
const ADT = 'MSH|^~\\&|A|B|C|D|20260401||ADT^A01|M-1|P|2.4\rPID|||1\r';

describe('a payload', () => {
  it('that is a request tells the reference that its answer will name', () => {
    for (const payload of [itk3Request(), fhirXmlToJson(itk3Request()), Buffer.from(`\uFEFF${itk3Request()}`)]) {
      assert.deepEqual(identify(payload), { request: { form: 'itk3', reference: 'msg-1' } });
    }
    assert.deepEqual(identify(MEDRPT), { request: { form: 'nhsack', reference: '77' } });
    assert.deepEqual(identify(Buffer.from(ADT)), { request: { form: 'hl7v2', reference: 'M-1' } });
  });

  it('that is an acknowledgement tells what it answers and how, whatever workflow it came on', () => {
    const itk3 = buildItk3Response(readItk3Request(itk3Request()), {
      code: '30002',
      mailboxId: 'X',
      odsCode: 'Y',
      now,
    });
    assert.equal(identify(itk3).acknowledgement?.answers, 'msg-1');
    assert.equal(
      identify(buildNhsAck(readEdifact(MEDRPT), { controlReference: '1', now })).acknowledgement?.answers,
      '77',
    );
    const ack = writeHl7(acknowledgeHl7(readHl7(ADT), { now, code: 'AR', text: 'SMITH is not here' }));
    const found = identify(ack);
    assert.deepEqual(found.acknowledgement, {
      form: 'hl7v2',
      answers: 'M-1',
      level: 'business',
      result: 'negative',
      code: 'AR',
      meaning: 'Application reject',
    });
    assert.equal(JSON.stringify(found).includes('SMITH'), false);
    assert.deepEqual(Object.keys(identify(itk3.replace('30002', '39999'))), ['unreadableAcknowledgement']);
  });

  it('that is neither is nothing', () => {
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
      assert.deepEqual(identify(payload), {});
    }
  });

  it('made of anything is never more than identified, and every reader throws the documented error', () => {
    const seeds = [itk3Request(), MEDRPT, ADT, writeHl7(acknowledgeHl7(readHl7(ADT), { now })) as string];
    const mutated = fc
      .tuple(fc.constantFrom(...seeds), fc.nat(1500), fc.nat(20), fc.string({ maxLength: 5 }))
      .map(([seed, at, cut, put]) => seed.slice(0, at) + put + seed.slice(at + cut));
    fc.assert(
      fc.property(fc.oneof(mutated, fc.json(), fc.string()), (payload) => {
        identify(payload);
        identify(Buffer.from(payload));
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
