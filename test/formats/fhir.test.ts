import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { UnreadableError } from '../../lib/errors';
import { fhirXmlToJson, fhirXmlToObject } from '../../lib/formats/fhir/from-xml';
import { fhirJsonToXml } from '../../lib/formats/fhir/to-xml';
import { fhirPatient, fhirXmlText } from '../harness/arbitraries';
import { haveSamples, NO_SAMPLES, sample, samplesIn } from '../harness/samples';
import { canonical } from './canonical';

const DIV =
  '<div xmlns="http://www.w3.org/1999/xhtml" xml:lang="en"><p title="a &gt; b">Caf&#233; &amp; <b>more</b>\n&#xA0;<br/></p></div>';
const PATIENT = `<?xml version="1.0" encoding="UTF-8"?>
<Patient xmlns="http://hl7.org/fhir" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="x y">
  <id value="p1"/><!-- a comment -->
  <text><status value="generated"/>${DIV}</text>
  <contained><Organization><id value="o"/><name value="A &amp; B &quot;C&quot; &lt;d&gt;&#10;line"/></Organization></contained>
  <extension url="http://example.org/e"><valueDecimal value="1.50"/></extension>
  <active value="true"/>
  <name id="n1">
    <family value="Test"/>
    <given id="g1" value="Ann"/>
    <given><extension url="http://example.org/unknown"><valueCode value="asked"/></extension></given>
    <given value="Lee"/>
  </name>
  <birthDate value="2001-02-03"><extension url="http://example.org/t"><valueDateTime value="2001-02-03T04:05:06Z"/></extension></birthDate>
  <multipleBirthInteger value="2"/>
</Patient>`;

describe('FHIR XML and JSON', () => {
  it('are the same resource: arrays, types, primitives’ ids and extensions, narrative unchanged', () => {
    const patient = fhirXmlToObject(PATIENT);
    assert.deepEqual(patient['active'], true);
    assert.deepEqual(patient['multipleBirthInteger'], 2);
    assert.deepEqual((patient['text'] as { div: string }).div, DIV);
    assert.deepEqual(patient['name'], [
      {
        id: 'n1',
        family: 'Test',
        given: ['Ann', null, 'Lee'],
        _given: [{ id: 'g1' }, { extension: [{ url: 'http://example.org/unknown', valueCode: 'asked' }] }, null],
      },
    ]);
    assert.deepEqual(Object.keys(patient).slice(0, 4), ['resourceType', 'id', 'text', 'contained']);
  });

  it('are canonically identical after XML to JSON to XML, and after JSON to XML to JSON', () => {
    const json = fhirXmlToJson(PATIENT);
    const xml = fhirJsonToXml(json);
    assert.equal(canonical(xml), canonical(PATIENT));
    assert.equal(fhirXmlToJson(xml), json);
    assert.deepEqual(
      JSON.parse(fhirXmlToJson(fhirJsonToXml(JSON.parse(json) as Record<string, unknown>))),
      JSON.parse(json),
    );
  });

  it('keep the digits of decimals in text, and the order of XML whatever the order of JSON', () => {
    assert.match(fhirXmlToJson(PATIENT), /"valueDecimal":1\.50\}/);
    const xml = fhirJsonToXml(
      '{"valueQuantity":{"unit":"g","value":10.00},"code":{"text":"x"},"status":"final","resourceType":"Observation"}',
    );
    assert.match(
      xml,
      /<status value="final"\/><code><text value="x"\/><\/code><valueQuantity><value value="10.00"\/><unit value="g"\/>/,
    );
  });

  it('accept HTML’s named entities in a narrative, and write character references, which XML has', () => {
    const div = '<div xmlns="http://www.w3.org/1999/xhtml">a&nbsp;b&eacute;&rarr;&amp;</div>';
    const xml = fhirJsonToXml({ resourceType: 'Basic', text: { status: 'generated', div }, code: { text: 'x' } });
    assert.match(xml, /a&#160;b&#233;&#8594;&amp;</);
    assert.equal(
      (fhirXmlToObject(xml.replace('&#160;', '&nbsp;'))['text'] as { div: string }).div.includes('&nbsp;'),
      true,
    );
    const prefixed = `<Basic xmlns="http://hl7.org/fhir" xmlns:h="http://www.w3.org/1999/xhtml"><text><status value="empty"/><h:div><h:p class="c">a<h:br/>&lt;</h:p></h:div></text></Basic>`;
    assert.equal(
      (fhirXmlToObject(prefixed)['text'] as { div: string }).div,
      '<div xmlns="http://www.w3.org/1999/xhtml"><p class="c">a<br/>&lt;</p></div>',
    );
  });

  it('refuse a narrative with an unknown entity, even one named like a property of a JavaScript object', () => {
    for (const name of ['__proto__', 'constructor', 'toString']) {
      const div = `<div xmlns="http://www.w3.org/1999/xhtml">a &${name}; b</div>`;
      const resource = { resourceType: 'Basic', text: { status: 'generated', div }, code: { text: 'x' } };
      assert.throws(() => fhirJsonToXml(resource), { code: 'MESH_UNREADABLE', message: /not well-formed XHTML/ });
    }
  });

  it('refuse an unknown character set, even one named like a property of a JavaScript object', () => {
    for (const name of ['__proto__', 'constructor']) {
      const xml = Buffer.from(`<?xml version="1.0" encoding="${name}"?><Basic xmlns="http://hl7.org/fhir"/>`);
      assert.throws(() => fhirXmlToObject(xml), { code: 'MESH_UNREADABLE', message: /character set/ });
    }
  });

  it('differ by release: R4 has elements that STU3 does not have, and the reverse', () => {
    const r4 = '{"resourceType":"MessageHeader","eventCoding":{"code":"x"},"source":{"endpoint":"y"}}';
    assert.equal(fhirXmlToJson(fhirJsonToXml(r4, { release: 'R4' }), { release: 'R4' }), r4);
    assert.throws(() => fhirJsonToXml(r4), {
      code: 'MESH_UNREADABLE',
      message: /STU3 has no eventCoding in MessageHeader/,
    });
    const stu3 = '{"resourceType":"MessageHeader","event":{"code":"x"},"source":{"endpoint":"y"}}';
    assert.equal(fhirXmlToJson(fhirJsonToXml(stu3)), stu3);
  });

  it('are read in the character set that the XML declares', () => {
    const latin = Buffer.from(
      '<?xml version="1.0" encoding="ISO-8859-1"?><Basic xmlns="http://hl7.org/fhir"><language value="Zo\xeb"/></Basic>',
      'latin1',
    );
    assert.equal(fhirXmlToObject(latin)['language'], 'Zoë');
    const utf16 = Buffer.from('\uFEFF<Basic xmlns="http://hl7.org/fhir"><language value="Zoë"/></Basic>', 'utf16le');
    assert.equal(fhirXmlToObject(utf16)['language'], 'Zoë');
    assert.throws(
      () => fhirXmlToObject(Buffer.from(latin.toString('latin1').replace('ISO-8859-1', 'utf-8'), 'latin1')),
      UnreadableError,
    );
  });

  it('are refused when they are not FHIR, and the error quotes nothing of them', () => {
    const bad = [
      '',
      'SMITH',
      '<SMITH',
      '<Patient/>',
      '<Patient xmlns="http://hl7.org/fhir"><SMITH-1 value="x"/></Patient>',
      '<Patient xmlns="http://hl7.org/fhir">SMITH</Patient>',
      '<Patient xmlns="http://hl7.org/fhir"><active value="SMITH"/></Patient>',
      '<Patient xmlns="http://hl7.org/fhir"><multipleBirthInteger value="SMITH"/></Patient>',
      '<Patient xmlns="http://hl7.org/fhir"><active value="true"/><active value="true"/></Patient>',
      '<Patient xmlns="http://hl7.org/fhir"><name smith-1="x"/></Patient>',
      '<!DOCTYPE Patient><Patient xmlns="http://hl7.org/fhir"/>',
      '<Patient xmlns="http://hl7.org/fhir"><id value="&smith;"/></Patient>',
      '<Bundle xmlns="http://hl7.org/fhir"><entry><resource/></entry></Bundle>',
    ];
    for (const xml of bad) {
      assert.throws(
        () => fhirXmlToObject(xml),
        (error) => error instanceof UnreadableError && !/smith/i.test(error.message),
        xml,
      );
    }
    const badJson = [
      '',
      '[]',
      '5',
      '{}',
      '{"resourceType":"SMITH 1"}',
      '{"resourceType":"Patient","name":{}}',
      '{"resourceType":"Patient","active":[true]}',
      '{"resourceType":"Patient","SMITH 1":1}',
      '{"resourceType":"Patient","_name":[{}]}',
      '{"resourceType":"Patient","id":{}}',
      '{"resourceType":"Patient","id":"\\u0000"}',
      '{"resourceType":"Patient","text":{"div":"<div>"}}',
      '{"resourceType":"Patient","text":{"div":"<p/>"}}',
      '{"resourceType":"Patient","text":{"div":"<div></div><script/>"}}',
      '{"__proto__":{},"resourceType":"Patient"}',
    ];
    for (const json of badJson) {
      assert.throws(
        () => fhirJsonToXml(json),
        (error) => error instanceof UnreadableError && !/smith/i.test(error.message),
        json,
      );
    }
  });

  it('are canonically identical after both round trips, for every sample', function () {
    if (!haveSamples) return this.skip();
    const responses = samplesIn('itk3-responses', '.yml');
    assert.equal(responses.length, 10, NO_SAMPLES);
    for (const file of responses) {
      const xml = xmlOfYaml(sample('itk3-responses', file.split('/').at(-1) ?? '').toString());
      const json = fhirXmlToJson(xml);
      assert.equal(canonical(fhirJsonToXml(json), { sorted: true }), canonical(xml, { sorted: true }), file);
      assert.deepEqual(JSON.parse(fhirXmlToJson(fhirJsonToXml(json))), JSON.parse(json));
    }
    const consultation = sample('gpconnect', 'consultation_report.xml')
      .toString()
      .replaceAll(/\{%.*?%\}/g, '')
      .trim();
    const json = fhirXmlToJson(consultation);
    assert.equal(canonical(fhirJsonToXml(json), { sorted: true }), canonical(consultation, { sorted: true }));
    const pathology = sample('edifact-pathology', 'pathology_3.fhir.json').toString();
    assert.deepEqual(JSON.parse(fhirXmlToJson(fhirJsonToXml(pathology))), JSON.parse(pathology));
  });

  it('made of anything throw the documented error or come back the same', () => {
    fc.assert(
      fc.property(fhirPatient, (resource) => {
        let xml: string;
        try {
          xml = fhirJsonToXml(resource);
        } catch (error) {
          assert.ok(error instanceof UnreadableError, String(error));
          return;
        }
        assert.deepEqual(fhirXmlToObject(xml), JSON.parse(JSON.stringify(resource)));
      }),
    );
    fc.assert(
      fc.property(fc.oneof(fhirXmlText, fc.json()), (payload) => {
        for (const convert of [fhirXmlToJson, fhirXmlToObject, fhirJsonToXml] as const) {
          try {
            convert(payload);
          } catch (error) {
            assert.ok(error instanceof UnreadableError, String(error));
          }
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('expand no entity, however it is declared, and refuse any depth or mass of elements', () => {
    const bomb = `<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">${Array.from({ length: 20 }, (_, n) => `<!ENTITY a${n} "&a${n - 1};&a${n - 1};">`).join('')}]><Patient xmlns="http://hl7.org/fhir"><id value="&a19;"/></Patient>`;
    const external = '<!DOCTYPE x SYSTEM "file:///etc/passwd"><Patient xmlns="http://hl7.org/fhir"/>';
    const deep = `<Patient xmlns="http://hl7.org/fhir">${'<extension url="x">'.repeat(100_000)}`;
    const wide = `<Patient xmlns="http://hl7.org/fhir">${'<name/>'.repeat(3_000_000)}</Patient>`;
    for (const xml of [
      bomb,
      external,
      deep,
      wide,
      Buffer.alloc(100_000_000),
      '<'.repeat(60_000_000),
      '\n'.repeat(60_000_000),
      `<a b="${'&lt;'.repeat(15_000_000)}"/>`,
    ]) {
      assert.throws(() => fhirXmlToObject(xml), UnreadableError);
    }
    const deepJson = `${'{"extension":['.repeat(100_000)}${']}'.repeat(100_000)}`;
    for (const json of [
      deepJson,
      `{"resourceType":"Patient","extension":[${deepJson}]}`,
      '['.repeat(60_000_000),
      Buffer.alloc(100_000_000),
    ]) {
      assert.throws(() => fhirJsonToXml(json), UnreadableError);
    }
    let object: Record<string, unknown> = { url: 'x' };
    for (let level = 0; level < 100_000; level += 1) object = { url: 'x', extension: [object] };
    assert.throws(() => fhirJsonToXml({ resourceType: 'Patient', extension: [object] }), UnreadableError);
  }).timeout(120_000);
});

/** Returns the XML block of a YAML sample. */
function xmlOfYaml(yaml: string): string {
  return yaml.slice(yaml.indexOf('<Bundle'));
}
