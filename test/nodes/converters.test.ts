import { strict as assert } from 'node:assert';
import type { NodeMessage } from 'node-red';
import { deploy, helper, Recorder, statusesOf, stop, takeMissingTexts, type Flow } from './support';

const HL7 = 'MSH|^~\\&|A|B|C|D|20260401||ADT^A01|M-1|P|2.4\rPID|||1^^^NHS\r';
const EDIFACT = "UNB+UNOC:3+A+B+260401:1200+1'UNH+1+X'BGM+LSR'UNT+3+1'UNZ+1+1'";
const FHIR = '<?xml version="1.0" encoding="UTF-8"?><Patient xmlns="http://hl7.org/fhir"><id value="1"/></Patient>';

const flow = (node: Flow[number]): Flow => [
  { wires: [['out']], ...node },
  { id: 'out', type: 'helper' },
  { id: 'catcher', type: 'catch', wires: [['caught']] },
  { id: 'caught', type: 'helper' },
];

async function through(msg: object, to = 'out'): Promise<Record<string, unknown>> {
  const out = new Recorder(to);
  helper.getNode('node').receive(msg as NodeMessage);
  const result: object = await out.get(1);
  return result as Record<string, unknown>;
}

describe('the converters', () => {
  afterEach(async function () {
    this.timeout(20_000);
    await stop();
    assert.deepEqual(takeMissingTexts(), []);
  });

  for (const [type, text, look] of [
    ['mesh-hl7', HL7, 'PID[0].f3[0].c4'],
    ['mesh-edifact', EDIFACT, 'messages[0].BGM[0].e1.c1'],
    ['mesh-fhir', FHIR, 'id'],
  ] as const) {
    it(`${type} turns text or a Buffer into an object, and the object back into the same text`, async () => {
      await deploy(flow({ id: 'node', type, property: 'some.thing' }));
      for (const payload of [text, Buffer.from(text)]) {
        const read = await through({ some: { thing: payload } });
        const { thing } = read['some'] as { thing: unknown };
        const value = look.split(/[.[\]]+/).reduce<unknown>((at, key) => (at as Record<string, unknown>)[key], thing);
        assert.ok(['NHS', 'LSR', '1'].includes(value as string));
        const written = (await through({ some: { thing: JSON.parse(JSON.stringify(thing)) as object } }))['some'];
        assert.deepEqual(written, { thing: type === 'mesh-fhir' ? text : payload });
      }
    });

    it(`${type} passes a message without the property, and reports input that it cannot read`, async () => {
      await deploy(flow({ id: 'node', type }));
      assert.equal((await through({ topic: 'x' }))['topic'], 'x');
      const statuses = statusesOf('node');
      const { error } = (await through({ payload: 'SMITH' }, 'caught')) as { error: { code: string; message: string } };
      assert.equal(error.code, 'MESH_UNREADABLE');
      assert.doesNotMatch(error.message, /SMITH/);
      assert.deepEqual(statuses.at(-1), { fill: 'red', shape: 'dot', text: 'unreadable' });
      const other = (await through({ payload: 5 }, 'caught')) as { error: { code: string; message: string } };
      assert.equal(other.error.code, 'MESH_INVALID_MESSAGE');
    });
  }

  it('mesh-itk2 unwraps an envelope into a msg for each payload, with what the envelope says of it', async () => {
    const payload = (id: string, inside: string): string => `<i:payload id="${id}">${inside}</i:payload>`;
    const item = (id: string, type: string, more = ''): string =>
      `<i:manifestitem id="${id}" mimetype="${type}" profileid="urn:p" ${more}/>`;
    const envelope = (items: string, payloads: string): string =>
      '<i:DistributionEnvelope xmlns:i="urn:nhs-itk:ns:201005"><i:header service="urn:s" trackingid="T-1">' +
      `<i:manifest>${items}</i:manifest></i:header><i:payloads>${payloads}</i:payloads></i:DistributionEnvelope>`;
    const cda = '<ClinicalDocument xmlns="urn:hl7-org:v3"/>';
    await deploy(flow({ id: 'node', type: 'mesh-itk2' }));
    const one = await through({ payload: Buffer.from(envelope(item('a', 'text/xml'), payload('a', cda))), parts: 'p' });
    assert.equal(one['payload'], cda);
    assert.equal(one['parts'], 'p');
    const { item: only, items, ...said } = one['itk2'] as Record<string, unknown>;
    assert.deepEqual(only, { id: 'a', mimeType: 'text/xml', profileId: 'urn:p', isEncrypted: false });
    assert.deepEqual(items, [only]);
    assert.deepEqual(said, { service: 'urn:s', trackingId: 'T-1', recipients: [], auditIdentities: [], handling: {} });
    const out = new Recorder('out');
    const two = item('a', 'text/xml') + item('b', 'application/pdf', 'base64="true"');
    helper
      .getNode('node')
      .receive({ payload: envelope(two, payload('a', cda) + payload('b', Buffer.from('%PDF').toString('base64'))) });
    const sent = (await Promise.all([out.get(1), out.get(2)])) as unknown as Array<{
      payload: unknown;
      parts: { index: number; count: number };
      itk2: { item: { id: string } };
    }>;
    assert.deepEqual(
      sent.map(({ payload: content, parts, itk2 }) => [content, parts.index, parts.count, itk2.item.id]),
      [
        [cda, 0, 2, 'a'],
        [Buffer.from('%PDF'), 1, 2, 'b'],
      ],
    );
    const { error } = (await through({ payload: { a: 1 } }, 'caught')) as { error: { code: string; message: string } };
    assert.equal(error.code, 'MESH_INVALID_MESSAGE');
    assert.match(error.message, /does not build one from an object/);
  });

  it('mesh-hl7 sends the messages of a file that has only the end of a batch', async () => {
    await deploy(flow({ id: 'node', type: 'mesh-hl7' }));
    const out = new Recorder('out');
    helper.getNode('node').receive({ payload: `${HL7}${HL7}BTS|2\r` });
    const sent = (await Promise.all([out.get(1), out.get(2)])) as unknown as Array<Record<string, unknown>>;
    for (const msg of sent) {
      assert.equal(msg['batch'], undefined);
      assert.deepEqual((msg['tolerated'] as Array<{ code: string }>)[0]?.code, 'hl7-batch-header');
    }
  });

  it('mesh-hl7 builds a positive or negative acknowledgement of a message', async () => {
    await deploy(flow({ id: 'node', type: 'mesh-hl7', action: 'AE', ackText: 'why', ackTextType: 'msg' }));
    const { payload } = await through({ payload: HL7, why: 'no such ward' });
    assert.match(
      payload as string,
      /^MSH\|\^~\\&\|C\|D\|A\|B\|.*\rMSA\|AE\|M-1\|no such ward\rERR\|\^\^\^207&no such ward\r$/,
    );
    const { error } = (await through({ payload }, 'caught')) as { error: { message: string } };
    assert.match(error.message, /gets no acknowledgement/);
  });

  it('mesh-hl7 and mesh-edifact send each message of a payload with parts as core’s split node sets them', async () => {
    for (const [type, payload, name] of [
      ['mesh-hl7', `BHS|^~\\&|A\r${HL7}${HL7}BTS|2\r`, 'MSH'],
      ['mesh-edifact', EDIFACT + EDIFACT, 'UNB'],
    ] as const) {
      await deploy(flow({ id: 'node', type }));
      const out = new Recorder('out');
      helper.getNode('node').receive({ payload, parts: { id: 'outer' } });
      const sent = (await Promise.all([out.get(1), out.get(2)])) as unknown as Array<
        Record<string, Record<string, unknown>>
      >;
      const id = sent[0]?.['parts']?.['id'];
      assert.deepEqual(
        sent.map(({ parts }) => parts),
        [0, 1].map((index) => ({ parts: { id: 'outer' }, id, type: 'array', count: 2, len: 1, index })),
      );
      for (const { payload: part } of sent) assert.equal((part?.[name] as unknown[] | undefined)?.length, 1);
      if (type === 'mesh-hl7') assert.ok(sent[0]?.['batch']?.['BTS']);
      await stop();
    }
    await deploy(flow({ id: 'node', type: 'mesh-hl7', batch: 'whole' }));
    const { payload } = (await through({ payload: HL7 + HL7 })) as { payload: { MSH: unknown[] } };
    assert.equal(payload.MSH.length, 2);
  });

  it('mesh-hl7 acknowledges each message of a batch', async () => {
    await deploy(flow({ id: 'node', type: 'mesh-hl7', action: 'AA' }));
    const out = new Recorder('out');
    helper.getNode('node').receive({ payload: HL7 + HL7.replace('M-1', 'M-2') });
    const texts = (await Promise.all([out.get(1), out.get(2)])).map((msg) =>
      String((msg as unknown as { payload: unknown }).payload),
    );
    assert.deepEqual(
      texts.map((each) => /MSA\|AA\|(\S+)\r$/.exec(each)?.[1]),
      ['M-1', 'M-2'],
    );
  });

  it('mesh-hl7 reports what HL7 does not allow as a warning, as its status and on msg.tolerated, without the text', async () => {
    await deploy(flow({ id: 'node', type: 'mesh-hl7' }));
    const statuses = statusesOf('node');
    const warnings: unknown[] = [];
    helper
      .getNode('node')
      .on('call:warn' as never, ((call: { args: unknown[] }) => warnings.push(call.args[0])) as never);
    const mixed = await through({ payload: `${HL7}OBX|1|TX|A||SMITH\nOBX|2|TX|B||x\r` });
    assert.deepEqual((mixed['tolerated'] as Array<{ code: string }>)[0]?.code, 'hl7-mixed-terminators');
    assert.deepEqual(statuses.at(-1), { fill: 'yellow', shape: 'dot', text: 'read, with faults' });
    assert.match(String(warnings), /^Segment 3 ends otherwise than the message’s header\..* Places: 1\.$/);
    assert.doesNotMatch(String(warnings), /SMITH/);
    const clean = await through({ payload: HL7, tolerated: mixed['tolerated'] });
    assert.equal('tolerated' in clean, false);
    assert.deepEqual(statuses.at(-1), {});
  });

  it('mesh-fhir detects the release, and shows it on the msg and in its status', async () => {
    await deploy(flow({ id: 'node', type: 'mesh-fhir' }));
    const statuses = statusesOf('node');
    const r4 = { resourceType: 'MessageHeader', eventCoding: { code: 'x' }, source: { endpoint: 'y' } };
    assert.equal((await through({ payload: r4 }))['fhirRelease'], 'R4');
    assert.deepEqual(statuses.at(-1), { fill: 'grey', shape: 'dot', text: 'R4' });
    const { error } = (await through({ payload: { resourceType: 'ImagingSelection' } }, 'caught')) as {
      error: { message: string };
    };
    assert.match(error.message, /FHIR R5, which is not supported here/);
  });

  it('mesh-fhir writes JSON text with every digit, and reads R4', async () => {
    await deploy(flow({ id: 'node', type: 'mesh-fhir', jsonAs: 'text', release: 'R4' }));
    const json = '{"resourceType":"Observation","valueQuantity":{"value":1.50}}';
    const { payload: xml } = await through({ payload: json });
    assert.equal((await through({ payload: xml }))['payload'], json);
  });
});
