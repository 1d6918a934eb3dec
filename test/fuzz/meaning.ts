/** Whole inputs with a known meaning: the readers find what was put in. */
import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { readHl7Ack } from '../../lib/acks/hl7v2/read';
import { buildItk3Response } from '../../lib/acks/itk3/build';
import { ITK3_CODES } from '../../lib/acks/itk3/codes';
import { readItk3Request, readItk3Response } from '../../lib/acks/itk3/read';
import { buildNhsAck, readNhsAck } from '../../lib/acks/nhsack/nhsack';
import { keptItk3 } from '../../lib/acks/request';
import { acknowledgementsRequested } from '../../lib/acks/requested';
import { componentAt, readEdifact, writeEdifact } from '../../lib/formats/edifact/interchange';
import { ACK_CODES, acknowledgeHl7 } from '../../lib/formats/hl7/acknowledge';
import { readHl7, textAt, writeHl7, type Hl7Message } from '../../lib/formats/hl7/message';
import { readTracking } from '../../lib/protocol/responses';
import { readMessageHeaders } from '../../lib/protocol/message-headers';
import { readMeshTime } from '../../lib/protocol/time';
import { itk3Request } from '../acks/fixtures';
import { target, type Target } from './target';

const now = new Date('2026-04-01T11:00:00Z');
const flag = fc.constantFrom('true', 'false', '', 'maybe');
const flagValue = (value: string): boolean | undefined =>
  value === 'true' || value === 'false' ? value === 'true' : undefined;
const id = fc.stringMatching(/^[A-Za-z0-9-]{1,20}$/);

/** Anything that a person may write, with the format's own separators in it. */
const words = (signs: string): fc.Arbitrary<string> =>
  fc.string({
    unit: fc.oneof(fc.constantFrom(...signs.split('')), fc.constantFrom('a', 'é', ' ', '0')),
    minLength: 1,
    maxLength: 12,
  });
const parts = (signs: string): fc.Arbitrary<string[]> =>
  fc.array(fc.oneof(fc.constant(''), words(signs)), { maxLength: 5 }).map((made) => made.concat('end'));
const numbered = (letter: string, values: readonly unknown[]): Record<string, unknown> =>
  Object.fromEntries(values.flatMap((value, index) => (value === '' ? [] : [[`${letter}${index + 1}`, value]])));

const header = fc.string({ unit: fc.constantFrom('a', 'Z', '0', ' ', '_', '.', 'é'), minLength: 1 });
const date = fc.date({ noInvalidDate: true, min: new Date('1971-01-01'), max: new Date('9998-12-31') });
const success = fc.constantFrom('SUCCESS', 'success', 'Success', 'ERROR', 'error', 'no');

/** A field under its name in version 2 of the API, or in version 1. */
const either = (two: string, one: string, value: string | undefined, isTwo: boolean): Record<string, string> =>
  value === undefined ? {} : { [isTwo ? two : one]: value };

export const MEANING: Target[] = [
  target('acks: what an ITK3 request says', fc.tuple(flag, flag, fc.uuid()), [], ([inf, bus, uuid]) => {
    const read = readItk3Request(itk3Request({ inf, bus, id: uuid }));
    assert.deepEqual(
      [
        read.infrastructureRequested,
        read.businessRequested,
        read.messageId,
        read.senderReference,
        read.from,
        read.isResponse,
      ],
      [flagValue(inf), flagValue(bus), uuid, 'ref-9', 'X26ABC1', false],
    );
    // A flag that cannot be read counts as set.
    const requested = acknowledgementsRequested(keptItk3(read, 'xml'), undefined);
    assert.deepEqual(requested, { infrastructure: inf !== 'false', business: bus !== 'false' });
  }),
  target(
    'acks: what an ITK3 response says',
    fc.tuple(fc.constantFrom(...ITK3_CODES), fc.uuid(), fc.constantFrom('xml' as const, 'json' as const)),
    [],
    ([{ code, result }, uuid, format]) => {
      const request = readItk3Request(itk3Request({ id: uuid }));
      const read = readItk3Response(buildItk3Response(request, { code, mailboxId: 'X', odsCode: 'Y', now, format }));
      const level = code.startsWith('3') ? 'business' : 'infrastructure';
      assert.deepEqual([read.code, read.result, read.level, read.acknowledges], [code, result, level, uuid]);
    },
  ),
  target(
    'acks: what an NHSACK says',
    fc.tuple(words("+:?'*é"), fc.array(fc.boolean(), { minLength: 1, maxLength: 6 })),
    [],
    ([reference, accepted]) => {
      const request = {
        UNB: [{ e1: { c1: 'UNOC', c2: '3' }, e2: { c1: 'LAB' }, e3: { c1: 'GP' }, e5: reference }],
        messages: accepted.map((_, index) => ({ UNH: [{ e1: `m${index}`, e2: { c1: 'MEDRPT' } }] })),
      };
      const rejected = Object.fromEntries(accepted.flatMap((isIn, index) => (isIn ? [] : [[`m${index}`, 'no']])));
      const read = readNhsAck(
        buildNhsAck(readEdifact(writeEdifact(request)), { controlReference: '1', rejected, now }),
      );
      const [code, result] = accepted.every(Boolean)
        ? ['IAF', 'positive']
        : accepted.some(Boolean)
          ? ['IAP', 'partial']
          : ['IRA', 'negative'];
      assert.deepEqual([read.acknowledges, read.sender, read.code, read.result], [reference, 'LAB', code, result]);
    },
  ),
  target('acks: what an HL7 ACK says', fc.tuple(id, fc.constantFrom(...ACK_CODES)), [], ([controlId, code]) => {
    const request = readHl7(`MSH|^~\\&|A|B|C|D|2026||ADT^A01|${controlId}|P|2.4\rPID|1\r`);
    const read = readHl7Ack(writeHl7(acknowledgeHl7(request, { code, text: 'no', now })));
    assert.deepEqual(
      [read.acknowledges, read.code, read.level, read.result],
      [
        controlId,
        code,
        code.startsWith('A') ? 'business' : 'infrastructure',
        code.endsWith('A') ? 'positive' : 'negative',
      ],
    );
  }),
  target('formats: HL7 v2 that is built is read back', parts('|^~\\&\r\nFX'), [], (texts) => {
    // A formatting sequence (\H\, \.br\) stays as it is; a text that only looks like part of one is escaped.
    const built: Hl7Message = {
      MSH: [{ f9: [{ c1: 'ADT' }], f10: 'M-1' }],
      OBX: [
        { f1: '1', f5: [numbered('c', texts)], f6: texts.map((text) => ({ c1: text, c2: { s1: 'x', s2: text } })) },
      ],
    };
    const read = readHl7(writeHl7(built));
    texts.forEach((text, index) => assert.equal(textAt(read, 'OBX', 5, index + 1), text));
    const repeats = (read['OBX'] as Array<Record<string, unknown>>)[0]?.['f6'] as Array<Record<string, unknown>>;
    texts.forEach((text, index) => {
      const second = text === '' ? { s1: 'x' } : { s1: 'x', s2: text };
      assert.deepEqual(repeats[index], { ...(text === '' ? {} : { c1: text }), c2: second });
    });
  }),
  target(
    'formats: EDIFACT that is built is read back',
    fc.tuple(parts("+:?'\n*"), fc.boolean()),
    [],
    ([texts, isFour]) => {
      const built = {
        UNB: [{ e1: { c1: 'UNOC', c2: isFour ? '4' : '3' }, e2: 'A', e3: 'B', e5: '77' }],
        messages: [{ UNH: [{ e1: '1', e2: 'X' }], FTX: [{ e1: 'A', e2: numbered('c', texts), e3: texts[0] ?? '' }] }],
      };
      const read = readEdifact(writeEdifact(built));
      const found = (read.messages?.[0]?.['FTX'] as Array<Record<string, unknown>> | undefined)?.[0];
      texts.forEach((text, index) => assert.equal(componentAt(found, 2, index + 1), text));
      assert.equal(componentAt(found, 3), texts[0]);
      assert.deepEqual([componentAt(read.UNZ?.[0], 1), componentAt(read.UNZ?.[0], 2)], ['1', '77']);
    },
  ),
  target(
    'protocol: what the headers of a received message say',
    fc.tuple(
      header,
      header,
      success,
      date,
      fc.integer({ min: 1, max: 999 }),
      fc.constantFrom('Y', 'true', '1', 'N', '0'),
    ),
    [],
    ([text, other, status, time, total, yes]) => {
      const second = new Date(Math.floor(time.getTime() / 1000) * 1000).toISOString();
      const headers = {
        'mex-messagetype': 'Report',
        'mex-from': text,
        'mex-to': other,
        'mex-workflowid': text,
        'mex-localid': other,
        'mex-subject': text,
        'mex-filename': other,
        'mex-partnerid': text,
        'mex-linkedmsgid': other,
        'mex-content-checksum': text,
        'mex-content-type': other,
        'content-type': 'application/octet-stream',
        'mex-content-compressed': yes,
        'mex-content-encrypted': yes,
        'mex-chunk-range': `1:${total}`,
        'mex-statuscode': '14',
        'mex-statusevent': text,
        'mex-statusdescription': other,
        'mex-statussuccess': status,
        'mex-statustimestamp': second.replaceAll(/\D/g, '').slice(0, 14),
      };
      const { advice, ...read } = readMessageHeaders(headers, 'X26ABC1', 'ID');
      assert.ok(advice);
      const isYes = !['N', '0'].includes(yes);
      assert.deepEqual(read, {
        mailboxId: 'X26ABC1',
        messageId: 'ID',
        messageType: 'REPORT',
        from: text,
        to: other,
        workflowId: text,
        localId: other,
        subject: text,
        fileName: other,
        contentType: other,
        partnerId: text,
        checksum: text,
        compressed: isYes,
        encrypted: isYes,
        totalChunks: total,
        linkedMessageId: other,
        statusCode: '14',
        statusEvent: text,
        statusDescription: other,
        statusSuccess: status.toUpperCase() === 'SUCCESS',
        statusTimestamp: second,
      });
    },
  ),
  target(
    'protocol: what tracking says, in either version',
    fc.tuple(fc.boolean(), header, fc.option(header, { nil: undefined }), success, date),
    [],
    ([isTwo, text, other, status, time]) => {
      const second = new Date(Math.floor(time.getTime() / 1000) * 1000).toISOString();
      const written = isTwo ? second.replace('.000Z', '') : second.replaceAll(/\D/g, '').slice(0, 14);
      const read = readTracking({
        ...either('message_id', 'messageId', text, isTwo),
        ...either('local_id', 'localId', other, isTwo),
        ...either('workflow_id', 'workflowId', other, isTwo),
        ...either('status_success', 'statusSuccess', status, isTwo),
        ...either('status_code', 'statusCode', other, isTwo),
        ...either('upload_timestamp', 'uploadTimestamp', written, isTwo),
        ...either('expiry_time', 'expiryTime', written, isTwo),
        ...either('recipient_ods_code', 'meshRecipientOdsCode', other, isTwo),
        status: 'Accepted',
      });
      assert.deepEqual(
        [read.messageId, read.localId, read.workflowId, read.statusCode, read.recipientOdsCode],
        [text, other, other, other, other],
      );
      assert.deepEqual([read.uploadTimestamp, read.expiryTime, read.status], [second, second, 'accepted']);
      assert.equal(read.statusSuccess, status.toUpperCase() === 'SUCCESS');
    },
  ),
  target(
    'protocol: time in each of its forms',
    fc.tuple(date, fc.integer({ min: -720, max: 840 })),
    [],
    ([time, offset]) => {
      const iso = time.toISOString();
      const two = (value: number): string => String(Math.floor(value)).padStart(2, '0');
      const zone = `${offset < 0 ? '-' : '+'}${two(Math.abs(offset) / 60)}:${two(Math.abs(offset) % 60)}`;
      const local = new Date(time.getTime() + offset * 60_000).toISOString().replace('Z', zone);
      const digits = iso.replaceAll(/\D/g, '');
      const minute = `${iso.slice(0, 16)}:00.000Z`;
      const second = `${iso.slice(0, 19)}.000Z`;
      const forms = [
        [iso, iso],
        [iso.slice(0, -1), iso],
        [local, iso],
        [local.replace(/:(\d\d)$/, '$1'), iso],
        [digits.slice(0, 12), minute],
        [digits.slice(0, 14), second],
        [iso.slice(0, 16), minute],
        [iso.slice(0, 19), second],
      ] as const;
      for (const [text, expected] of forms) assert.equal(readMeshTime(text)?.toISOString(), expected, text);
    },
  ),
];
