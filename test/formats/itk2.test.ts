import assert from 'node:assert/strict';
import { deflateSync, gzipSync } from 'node:zlib';
import * as fc from 'fast-check';
import { classify } from '../../lib/acks/classify';
import { composeAcknowledgement } from '../../lib/acks/compose';
import { parseAcknowledgement } from '../../lib/acks/parse-acknowledgement';
import { loadProfiles } from '../../lib/acks/profiles';
import { InvalidMessageError, UnreadableError } from '../../lib/errors';
import { isItk2, unwrapItk2, type UnwrappedItk2 } from '../../lib/formats/itk2/envelope';
import { parseXml } from '../../lib/formats/xml';
import { itk3Request } from '../acks/fixtures';
import { thrown } from '../harness/failure';
import { mutated } from '../harness/arbitraries';

const CDA =
  '<ClinicalDocument xmlns="urn:hl7-org:v3"><title>Discharge &amp; more</title><text>a &lt; b<br/></text></ClinicalDocument>';

interface Made {
  item?: string;
  inside?: string;
  prefix?: string;
  header?: string;
  namespaces?: string;
}

/** An envelope with one payload. */
function envelopeOf({
  item = 'mimetype="text/xml"',
  inside = CDA,
  prefix = 'itk:',
  header = '',
  namespaces = '',
}: Made = {}): string {
  const p = prefix;
  const declared = p === '' ? 'xmlns' : `xmlns:${p.slice(0, -1)}`;
  return (
    `<?xml version="1.0" encoding="UTF-8"?>\n<!-- made -->\n<${p}DistributionEnvelope ${declared}="urn:nhs-itk:ns:201005"${namespaces}>` +
    `<${p}header service="urn:nhs-itk:services:201005:SendCDADocument-v2-0" trackingid="2D37D9CA-5223-41C7-A159-F33D5A914EB5">` +
    `<${p}addresslist><${p}address uri="urn:nhs-uk:addressing:ods:A82038"/><${p}address uri="urn:nhs-uk:addressing:ods:B82006"/></${p}addresslist>` +
    `<${p}auditIdentity><${p}id uri="urn:nhs-uk:identity:ods:X26"/></${p}auditIdentity>` +
    `<${p}manifest count="1"><${p}manifestitem id="uuid_1" profileid="urn:nhs-en:profile:eDischargeInpatientDischargeSummary-v1-0" ${item}/></${p}manifest>` +
    `<${p}senderAddress uri="urn:nhs-uk:addressing:ods:X26"/>` +
    `<${p}handlingSpecification><${p}spec key="urn:nhs-itk:ns:201005:ackrequested" value="true"/>` +
    `<${p}spec key="urn:nhs-itk:ns:201005:interaction" value="urn:nhs-itk:interaction:primaryRecipientDischarge-v1-0"/></${p}handlingSpecification>${header}` +
    `</${p}header><${p}payloads count="1"><${p}payload id="uuid_1">${inside}</${p}payload></${p}payloads></${p}DistributionEnvelope>`
  );
}

const only = ({ payloads }: UnwrappedItk2): string | Buffer => {
  assert.equal(payloads.length, 1);
  return payloads[0]?.content ?? '';
};
const base64 = (bytes: Buffer | string): string => Buffer.from(bytes).toString('base64').replaceAll(/.{76}/g, '$&\r\n');

describe('an ITK2 envelope', () => {
  it('is unwrapped to the document as it was read, and to what the envelope says of it', () => {
    for (const prefix of ['itk:', '', 'x:']) {
      for (const payload of [envelopeOf({ prefix }), Buffer.from(`\uFEFF${envelopeOf({ prefix })}`)]) {
        const read = unwrapItk2(payload);
        assert.equal(only(read), CDA);
        assert.deepEqual(read.envelope, {
          service: 'urn:nhs-itk:services:201005:SendCDADocument-v2-0',
          trackingId: '2D37D9CA-5223-41C7-A159-F33D5A914EB5',
          sender: 'urn:nhs-uk:addressing:ods:X26',
          recipients: ['urn:nhs-uk:addressing:ods:A82038', 'urn:nhs-uk:addressing:ods:B82006'],
          auditIdentities: ['urn:nhs-uk:identity:ods:X26'],
          handling: { ackrequested: 'true', interaction: 'urn:nhs-itk:interaction:primaryRecipientDischarge-v1-0' },
          items: [
            {
              id: 'uuid_1',
              mimeType: 'text/xml',
              profileId: 'urn:nhs-en:profile:eDischargeInpatientDischargeSummary-v1-0',
              isEncrypted: false,
            },
          ],
        });
        assert.deepEqual(read.tolerated, []);
      }
    }
  });

  it('gives its document the namespaces that it inherits, so that it stands alone', () => {
    const namespaces =
      ' xmlns:hl7="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:unused="u"';
    const inside =
      '\n<hl7:ClinicalDocument><hl7:value xsi:type="hl7:ST"/><hl7:x xmlns:xsi="other"/></hl7:ClinicalDocument>\n';
    const content = String(only(unwrapItk2(envelopeOf({ namespaces, inside }))));
    const root = parseXml(content);
    assert.deepEqual([root.name, root.namespace, root.children.length], ['ClinicalDocument', 'urn:hl7-org:v3', 2]);
    // Prefixes in values count, too.
    assert.match(
      content,
      /^<hl7:ClinicalDocument[^>]* xmlns:hl7="urn:hl7-org:v3"[^>]*><hl7:value xsi:type="hl7:ST"\/>/,
    );
    // An unprefixed document of no namespace does not become ITK2's.
    const bare = String(only(unwrapItk2(envelopeOf({ prefix: '', inside: '<a xmlns=""><b/></a>' }))));
    assert.equal(parseXml(bare).children[0]?.namespace, '');
    const own = String(only(unwrapItk2(envelopeOf({ prefix: '', inside: '<InfrastructureResponse/>' }))));
    assert.equal(parseXml(own).namespace, 'urn:nhs-itk:ns:201005');
  });

  it('has base64, compressed and escaped payloads decoded, bytes stay bytes', () => {
    const pdf = Buffer.from([0x25, 0x50, 0x44, 0x46, 0, 255]);
    const cases: Array<[string, string, string | Buffer]> = [
      ['mimetype="text/xml" base64="true"', base64(CDA.repeat(1)), CDA],
      ['mimetype="text/xml" base64="true" compressed="true"', base64(gzipSync(CDA)), CDA],
      ['mimetype="application/xml" base64="false" compressed="true"', base64(deflateSync(CDA)), CDA],
      ['mimetype="text/xml" base64="1"', base64(Buffer.from(`\uFEFF${CDA}`)), CDA],
      ['mimetype="text/plain" base64="true"', base64('Zoë'), 'Zoë'],
      ['mimetype="application/pdf" base64="true"', base64(pdf), pdf],
      ['base64="true"', base64(pdf), pdf],
      ['base64="true"', base64(CDA), CDA],
      ['mimetype="text/xml"', `<![CDATA[${CDA}]]>`, CDA],
      ['mimetype="text/xml"', CDA.replaceAll('&', '&amp;').replaceAll('<', '&lt;'), CDA],
      ['mimetype="text/plain"', ' two words ', 'two words'],
      ['mimetype="text/xml" encrypted="true" base64="true"', '<E xmlns="x"/>', '<E xmlns="x"/>'],
      ['mimetype="text/xml"', '', ''],
    ];
    for (const [item, inside, expected] of cases) {
      assert.deepEqual(only(unwrapItk2(envelopeOf({ item, inside }))), expected, item);
    }
  });

  it('stands alone in SOAP, too, and text in base64 that is not UTF-8 stays bytes', () => {
    for (const namespace of ['http://schemas.xmlsoap.org/soap/envelope/', 'http://www.w3.org/2003/05/soap-envelope']) {
      const envelope = envelopeOf().replace(/^<\?xml.*?\?>\s*/, '');
      const soap = `<?xml version="1.0"?><s:Envelope xmlns:s="${namespace}"><s:Header/><s:Body>${envelope}</s:Body></s:Envelope>`;
      assert.equal(isItk2(soap), true);
      assert.deepEqual(parseAcknowledgement(soap), { isItk2: true });
      const read = unwrapItk2(soap);
      assert.equal(only(read), CDA);
      assert.deepEqual(
        read.tolerated.map(({ code }) => code),
        ['itk2-soap'],
      );
      const other = soap.replaceAll('DistributionEnvelope', 'Other');
      assert.equal(isItk2(other), false);
      thrown(UnreadableError, () => unwrapItk2(other));
    }
    const latin = Buffer.from('Grüße', 'latin1');
    const item = 'mimetype="text/plain" base64="true"';
    assert.deepEqual(only(unwrapItk2(envelopeOf({ item, inside: latin.toString('base64') }))), latin);
    assert.equal(only(unwrapItk2(envelopeOf({ item, inside: base64('Grüße') }))), 'Grüße');
  });

  it('of several payloads has them all, each with its item, and reports where manifest and payloads differ', () => {
    const second = envelopeOf().replace('</itk:payloads>', '<itk:payload id="uuid_2">b</itk:payload></itk:payloads>');
    const { payloads, tolerated } = unwrapItk2(second);
    assert.deepEqual(
      payloads.map(({ content, id, profileId }) => [content, id, profileId !== undefined]),
      [
        [CDA, 'uuid_1', true],
        ['b', 'uuid_2', false],
      ],
    );
    assert.deepEqual(
      tolerated.map(({ code, count }) => [code, count]),
      [['itk2-manifest', 2]],
    );
    // By its place, where its id is another one.
    const renamed = unwrapItk2(
      envelopeOf({ inside: base64(CDA), item: 'mimetype="text/xml" base64="true"' }).replace(
        'payload id="uuid_1"',
        'payload id="b"',
      ),
    );
    assert.deepEqual([only(renamed), renamed.tolerated.length], [CDA, 1]);
  });

  it('that is hostile is refused: entities, depth, mass, and what expands without end', () => {
    const deep = '<a>'.repeat(300) + '</a>'.repeat(300);
    const dtd = '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>';
    const bomb = base64(gzipSync(Buffer.alloc(70 * 1024 * 1024)));
    const xml = 'mimetype="text/xml" base64="true"';
    for (const text of [
      `<!DOCTYPE x>${envelopeOf()}`.replace('<?xml version="1.0" encoding="UTF-8"?>', ''),
      envelopeOf({ inside: deep }),
      envelopeOf({ inside: '<a>&unknown;</a>' }),
      envelopeOf({
        inside: `<a ${Array.from({ length: 500_001 }, (_, index) => `b${index}=""`).join(' ')}/>`.repeat(2),
      }),
      envelopeOf({ item: xml, inside: base64(deep) }),
      envelopeOf({ item: xml, inside: base64(dtd) }),
      envelopeOf({ inside: `<![CDATA[${dtd}]]>` }),
      envelopeOf({ item: `${xml} compressed="true"`, inside: bomb }),
      envelopeOf({ item: 'mimetype="application/pdf" compressed="true"', inside: bomb }),
      envelopeOf({ item: `${xml} compressed="true"`, inside: base64(CDA) }),
      envelopeOf({ item: xml, inside: 'not base64!' }),
      envelopeOf({ item: xml, inside: '' }),
      envelopeOf().replace(/<itk:payloads.*<\/itk:payloads>/, ''),
      envelopeOf().replaceAll('201005"', '201006"'),
      CDA,
      itk3Request(),
      'SMITH',
    ]) {
      const { message } = thrown(UnreadableError, () => unwrapItk2(text));
      assert.doesNotMatch(message, /SMITH|Discharge/);
    }
  });

  it('made of anything gives an envelope or the documented error', () =>
    fc.assert(
      fc.property(mutated(envelopeOf(), envelopeOf({ item: 'base64="true"', inside: base64(CDA) })), (text) => {
        try {
          for (const { content } of unwrapItk2(text).payloads) {
            if (typeof content === 'string' && content.startsWith('<') && !text.includes('encrypted'))
              parseXml(content);
          }
        } catch (error) {
          if (!(error instanceof UnreadableError)) throw error;
        }
      }),
    ));
});

describe('an ITK2 message', () => {
  const context = (payload: string | Buffer, workflowId: string): Parameters<typeof composeAcknowledgement>[1] => ({
    messageId: 'M1',
    workflowId,
    classification: classify(parseAcknowledgement(payload), workflowId, loadProfiles()),
    isDuplicate: false,
    earlierCodes: [],
    profiles: loadProfiles(),
    mailboxId: 'X26ABC1',
    odsCode: 'X26',
    now: new Date(0),
  });

  it('is never answered as ITK3, whatever it carries, its workflow, or the node’s setting', () => {
    const carriers = [
      envelopeOf(),
      envelopeOf({ inside: itk3Request().replace(/^<\?xml[^>]*>\s*/, '') }),
      `<!--${'-x'.repeat(2000)}-->${envelopeOf({ prefix: '' }).replace(/^<\?xml[^>]*>/, '')}`,
      Buffer.from(`\uFEFF${envelopeOf({ prefix: 'soapenv:' })}`, 'utf16le'),
    ];
    for (const payload of carriers) {
      assert.equal(isItk2(payload), true);
      assert.deepEqual(parseAcknowledgement(payload), { isItk2: true });
      for (const workflowId of ['TOC_DISCH_DMS', 'TOC_FHIR_IP_DISCH', 'OTHER']) {
        for (const outcome of ['accepted', 'rejected'] as const) {
          for (const form of ['itk3', 'profile'] as const) {
            const wanted = { form, level: 'infrastructure', outcome } as const;
            const isItk3 = form === 'itk3' || workflowId === 'TOC_FHIR_IP_DISCH';
            if (isItk3) {
              const { message } = thrown(InvalidMessageError, () =>
                composeAcknowledgement(wanted, context(payload, workflowId)),
              );
              assert.match(message, /ITK2/);
            } else {
              assert.ok('none' in composeAcknowledgement(wanted, context(payload, workflowId)));
            }
          }
        }
      }
    }
    assert.equal(isItk2(itk3Request()), false);
    assert.equal(isItk2('{"DistributionEnvelope":1}'), false);
  });

  it('is answered by the flow’s own payload on its workflow of acknowledgements', () => {
    const wanted = { form: 'custom', level: 'business', outcome: 'accepted', custom: '<ack/>' } as const;
    const composed = composeAcknowledgement(wanted, context(envelopeOf(), 'TOC_DISCH_DMS'));
    assert.ok('payload' in composed);
    assert.deepEqual([composed.workflowId, composed.payload], ['TOC_DISCH_DMS_ACK', '<ack/>']);
    // What comes back on it is for the flow.
    assert.equal(classify(parseAcknowledgement(envelopeOf()), 'TOC_DISCH_DMS_ACK', loadProfiles()), undefined);
  });
});
