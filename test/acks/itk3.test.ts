import assert from 'node:assert/strict';
import { InvalidMessageError, UnreadableError } from '../../lib/errors';
import { buildItk3Response } from '../../lib/acks/itk3/build';
import { ITK3_CODES } from '../../lib/acks/itk3/codes';
import { checkMayFollow, readItk3Request, readItk3Response } from '../../lib/acks/itk3/read';
import { parseAcknowledgement } from '../../lib/acks/parse-acknowledgement';
import { acknowledgementsRequested } from '../../lib/acks/requested';
import type { RequestedAcknowledgements } from '../../lib/acks/types';
import { fhirXmlToJson } from '../../lib/formats/fhir/from-xml';
import { fhirJsonToXml } from '../../lib/formats/fhir/to-xml';
import { haveSamples, sample, samplesIn } from '../harness/samples';
import { itk3Request } from './fixtures';

const options = { mailboxId: 'X26ABC2', odsCode: 'X26', now: new Date('2026-04-01T11:00:00Z') };

/** The acknowledgements that a payload requests by its own flags. */
const requestedBy = (payload: string | Buffer): RequestedAcknowledgements =>
  acknowledgementsRequested(parseAcknowledgement(payload).request, undefined);

describe('ITK3', () => {
  for (const format of ['xml', 'json'] as const) {
    it(`requests in ${format} have an id, a sender reference, a sender and requested acknowledgements`, () => {
      const payload = format === 'xml' ? itk3Request({ bus: 'false' }) : fhirXmlToJson(itk3Request({ bus: 'false' }));
      const request = readItk3Request(Buffer.from(payload));
      assert.deepEqual(request, {
        messageId: 'msg-1',
        senderReference: 'ref-9',
        infrastructureRequested: true,
        businessRequested: false,
        from: 'X26ABC1',
        isResponse: false,
      });
      assert.deepEqual(requestedBy(payload), { infrastructure: true, business: false });
    });

    it(`responses in ${format} are built and read for every code`, () => {
      const request = readItk3Request(itk3Request());
      for (const { code, result, name } of ITK3_CODES) {
        const text = buildItk3Response(request, { ...options, code, format });
        assert.equal(text.startsWith(format === 'xml' ? '<?xml' : '{'), true);
        const level = code.startsWith('3') ? 'business' : 'infrastructure';
        assert.deepEqual(readItk3Response(text), {
          form: 'itk3',
          acknowledges: 'msg-1',
          level,
          result,
          code,
          meaning: name,
        });
        assert.match(text, /ref-9/);
      }
    });
  }

  it('flags that cannot be read count as set', () => {
    assert.deepEqual(requestedBy(itk3Request({ inf: '', bus: 'perhaps' })), { infrastructure: true, business: true });
  });

  it('responses request nothing and get no response, even with their flags set', () => {
    const payload = itk3Request({ extra: '<response><identifier value="x"/><code value="ok"/></response>' });
    const request = readItk3Request(payload);
    assert.equal(request.infrastructureRequested, true);
    assert.deepEqual(requestedBy(payload), { infrastructure: false, business: false });
    assert.throws(() => buildItk3Response(request, { ...options, code: '20013' }), InvalidMessageError);
    const own = buildItk3Response(undefined, { ...options, code: '10009' });
    assert.equal(readItk3Request(own).isResponse, true);
    assert.deepEqual(requestedBy(own), { infrastructure: false, business: false });
  });

  it('requests get at most two responses, infrastructure first, and none after a negative one', () => {
    checkMayFollow([], '30001');
    checkMayFollow(['20013'], '30002');
    for (const [sent, code] of [
      [['20013'], '20013'],
      [['20007'], '30001'],
      [['30001'], '20013'],
      [['20013', '30001'], '30001'],
    ] as const) {
      assert.throws(() => checkMayFollow(sent, code), InvalidMessageError, `${sent.join()} ${code}`);
    }
  });

  it('responses are read tolerantly, and a fatal-error is never read as positive', () => {
    const text = buildItk3Response(readItk3Request(itk3Request()), { ...options, code: '20013' });
    const other = text
      .replace('ITK008M', 'ITK002M')
      .replace('ITK-ResponseCodes-1', 'ITK-Acknowledgement-1')
      .replace(/<details><reference.*?<\/details>/, '');
    assert.equal(readItk3Response(other).code, '20013');
    assert.equal(readItk3Response(text.replace('value="ok"', 'value="fatal-error"')).result, 'negative');
    assert.equal(readItk3Response(buildItk3Response(undefined, { ...options, code: '10009' })).acknowledges, undefined);
    assert.throws(() => readItk3Response(text.replace('20013', '29999')), UnreadableError);
    assert.throws(() => readItk3Response(itk3Request()), UnreadableError);
    assert.throws(() => buildItk3Response(undefined, { ...options, code: '29999' }), InvalidMessageError);
  });

  it('responses with several codes are read by the worst, in any order', () => {
    const text = buildItk3Response(readItk3Request(itk3Request()), { ...options, code: '20013' });
    const [issue = ''] = /<issue>[^]*<\/issue>/.exec(text) ?? [];
    const negative = issue.replace('20013', ' 20009 ');
    for (const issues of [issue + negative, negative + issue]) {
      const { code, result } = readItk3Response(text.replace(issue, issues));
      assert.deepEqual([code, result], ['20009', 'negative']);
    }
  });

  it('agrees with every sample, in XML and JSON', function () {
    if (!haveSamples) return this.skip();
    for (const file of samplesIn('itk3-responses', '.yml')) {
      const yaml = sample('itk3-responses', file.split('/').at(-1) ?? '').toString();
      const expected = (key: string): string | undefined => new RegExp(`^ +${key}: "?(.*?)"?$`, 'm').exec(yaml)?.[1];
      const xml = yaml.slice(yaml.indexOf('<Bundle'));
      for (const payload of [xml, fhirXmlToJson(xml), fhirJsonToXml(fhirXmlToJson(xml))]) {
        const ack = readItk3Response(payload);
        assert.equal(ack.code, expected('inf_ack_code'), file);
        assert.equal(ack.result, expected('state') === 'success' ? 'positive' : 'negative', file);
        assert.deepEqual(requestedBy(payload), { infrastructure: false, business: false });
        const reference = /<response>\s*<identifier value="([^"]*)"/.exec(xml)?.[1];
        assert.equal(ack.acknowledges, reference?.startsWith('UNREADABLE') === true ? undefined : reference);
      }
      // 20009's sample has `structure`, which FHIR's IssueType has as a kind of `invalid`, the code in docs/mesh.md,
      // ITK3 acknowledgements.
      const issue = expected('outcome_code')?.replace('structure', 'invalid');
      const built = buildItk3Response(undefined, { ...options, code: expected('inf_ack_code') ?? '' });
      assert.match(
        built,
        new RegExp(`<severity value="${expected('infrastructure_response_severity')}"/><code value="${issue}"/>`),
        file,
      );
    }
    const consultation = sample('gpconnect', 'consultation_report.xml')
      .toString()
      .replaceAll(/\{%.*?%\}/g, '')
      .trim();
    assert.deepEqual(requestedBy(consultation), { infrastructure: true, business: true });
    assert.equal(readItk3Request(consultation).senderReference, '846ebe66-5ff8-4499-bc57-a112d3d0daa3');
  });
});
