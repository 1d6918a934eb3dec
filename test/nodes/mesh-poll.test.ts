import { strict as assert } from 'node:assert';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { builtInSandbox, closeBuiltInSandbox, deploy, helper, logText, pause, receive, Recorder } from './support';
import { change, redeploy, sandboxConfig, statusesOf, stop, takeMissingTexts, until, type Flow } from './support';

/** mesh-send at X26ABC1 fills the inbox; mesh-poll at X26ABC2 has a helper at each output. */
function pollFlow(poll: object = {}, config: object = {}, more: Flow = []): Flow {
  return [
    sandboxConfig('from', 'X26ABC1'),
    sandboxConfig('into', 'X26ABC2', config),
    { id: 'send', type: 'mesh-send', mailbox: 'from', to: 'X26ABC2', toType: 'str', wires: [['sent']] },
    { id: 'sent', type: 'helper' },
    {
      id: 'poll',
      type: 'mesh-poll',
      mailbox: 'into',
      interval: 0,
      wires: [['data'], ['report'], ['acks'], ['parked']],
      ...poll,
    },
    ...['data', 'report', 'acks', 'parked', 'caught'].map((id) => ({ id, type: 'helper' })),
    { id: 'ack', type: 'mesh-ack', mailbox: 'into', wires: [['acked']] },
    { id: 'acked', type: 'helper' },
    { id: 'catcher', type: 'catch', wires: [['caught']] },
    ...more,
  ];
}

async function fill(...contents: Array<[workflowId: string, payload: unknown]>): Promise<string[]> {
  const sent = new Recorder('sent');
  for (const [workflowId, payload] of contents) {
    helper.getNode('send').receive({ payload, meshSend: { workflowId, subject: `about ${workflowId}` } });
  }
  await sent.get(contents.length);
  return sent.messages.map((msg) => msg.meshSent.messageId);
}

/** The messages in X26ABC2's inbox at MESH. */
async function inbox(): Promise<string[]> {
  return (await builtInSandbox())
    .messages()
    .filter(({ to, status }) => to === 'X26ABC2' && status === 'accepted')
    .map(({ messageId }) => messageId);
}

describe('mesh-poll', () => {
  afterEach(async () => {
    await stop();
    assert.deepEqual(takeMissingTexts(), []);
  });
  after(closeBuiltInSandbox);

  it('delivers data as Buffers with plain JSON on msg.mesh, once stored and acknowledged to MESH', async () => {
    await deploy(pollFlow());
    const [messageId] = await fill(['WF', 'hello']);
    const [data, statuses] = [new Recorder('data'), statusesOf('poll')];
    receive('poll', {});
    const msg = await data.get(1);
    assert.deepEqual(msg.payload, Buffer.from('hello'));
    assert.equal(msg.topic, 'WF');
    const { mesh } = msg;
    assert.deepEqual(JSON.parse(JSON.stringify(mesh)), mesh);
    assert.equal(mesh.messageId, messageId);
    assert.equal(mesh.mailboxId, 'X26ABC2');
    assert.equal(mesh.from, 'X26ABC1');
    assert.equal(mesh.subject, 'about WF');
    assert.equal(mesh.deliveryCount, 1);
    assert.equal(mesh.bytes, 5);
    assert.match(mesh.sha256, /^[0-9a-f]{64}$/);
    const sandbox = await builtInSandbox();
    await until(() => sandbox.messages()[0]?.status === 'acknowledged', 'the acknowledgement');
    await until(() => statuses.at(-1)?.text === '1 in flight', 'the status');
  });

  it('polls at its interval', async () => {
    await deploy(pollFlow({ interval: '0.003' }));
    const data = new Recorder('data');
    await fill(['WF', 'one']);
    await data.get(1);
    await fill(['WF', 'two']);
    await data.get(2);
  });

  it('polls only for an input when the interval is 0', async () => {
    await deploy(pollFlow());
    await fill(['WF', 'one']);
    const data = new Recorder('data');
    await pause(150);
    assert.equal(data.messages.length, 0);
    receive('poll', {});
    await data.get(1);
  });

  it('never delivers a message in flight again', async () => {
    await deploy(pollFlow({ interval: '0.001' }));
    const data = new Recorder('data');
    await fill(['WF', 'one'], ['WF', 'two']);
    await data.get(2);
    for (let i = 0; i < 5; i++) {
      receive('poll', {});
      await pause(60);
    }
    assert.equal(data.messages.length, 2);
  });

  it('delivers again after each lease, with a count, and finally parks with an error and a status', async () => {
    await deploy(pollFlow({}, { leaseMinutes: 0.002, maxDeliveries: 2, meshAcknowledge: 'when-done' }));
    await fill(['WF', 'one']);
    const [data, parked, caught] = [new Recorder('data'), new Recorder('parked'), new Recorder('caught')];
    const statuses = statusesOf('poll');
    receive('poll', {});
    assert.equal((await data.get(2)).mesh.deliveryCount, 2);
    const msg = await parked.get(1);
    assert.equal(msg.error.code, 'MESH_NOT_ACKNOWLEDGED');
    assert.ok(msg.error.advice);
    assert.equal(msg.mesh.workflowId, 'WF');
    assert.equal((await caught.get(1)).error.code, 'MESH_NOT_ACKNOWLEDGED');
    await until(() => statuses.some(({ fill: colour, text }) => colour === 'red' && text === 'parked, no ack'), 'red');
    await pause(200);
    assert.equal(data.messages.length, 2);
    assert.equal((await inbox()).length, 1, 'stays at MESH');
  });

  it('delivers at most the maximum in flight, and the next once one is acknowledged', async () => {
    await deploy(pollFlow({ maxInFlight: 2 }));
    await fill(['WF', '1'], ['WF', '2'], ['WF', '3']);
    const data = new Recorder('data');
    receive('poll', {});
    const first = await data.get(2);
    await pause(150);
    assert.equal(data.messages.length, 2);
    helper.getNode('ack').receive(first);
    assert.equal(String((await data.get(3)).payload), '3');
  });

  it('acknowledges right after delivery, if chosen', async () => {
    await deploy(pollFlow({ acknowledge: 'after-delivery' }));
    await fill(['WF', 'x']);
    const data = new Recorder('data');
    receive('poll', {});
    await data.get(1);
    const sandbox = await builtInSandbox();
    await until(() => sandbox.messages()[0]?.status === 'acknowledged', 'the acknowledgement');
  });

  it('leaves a message in the inbox until the flow is done with it, if chosen', async () => {
    await deploy(pollFlow({}, { meshAcknowledge: 'when-done' }));
    const [messageId] = await fill(['WF', 'x']);
    const data = new Recorder('data');
    receive('poll', {});
    const msg = await data.get(1);
    await pause(150);
    assert.deepEqual(await inbox(), [messageId]);
    helper.getNode('ack').receive(msg);
    const sandbox = await builtInSandbox();
    await until(() => sandbox.messages()[0]?.status === 'acknowledged', 'the acknowledgement');
  });

  it('sends reports and business acknowledgements to their own outputs', async () => {
    const report = { id: 'poll2', type: 'mesh-poll', mailbox: 'from', interval: 0, wires: [[], ['report'], [], []] };
    await deploy(pollFlow({}, {}, [report]));
    await fill(['WF_ACK', 'yes']);
    const [data, acks, reports] = [new Recorder('data'), new Recorder('acks'), new Recorder('report')];
    receive('poll', {});
    assert.equal((await acks.get(1)).topic, 'WF_ACK');
    const [messageId] = await fill(['WF', 'never collected']);
    const sandbox = await builtInSandbox();
    const days = 6 * 24 * 3600 * 1000;
    sandbox.clock.advance(days);
    // Any request makes the sandbox expire old messages; this one is refused, since its token is six days old.
    const requests = sandbox.requests().length;
    receive('poll2', {});
    await until(() => sandbox.requests().length > requests, 'a request');
    sandbox.clock.advance(-days);
    receive('poll2', {});
    await reports.get(1);
    const msg = reports.messages.find(
      ({ payload }) => (payload as { linkedMessageId: string }).linkedMessageId === messageId,
    );
    const payload = msg?.payload as Record<string, string>;
    assert.deepEqual(Object.keys(payload).sort(), [
      'advice',
      'code',
      'description',
      'event',
      'linkedMessageId',
      'nextStep',
    ]);
    assert.equal(payload['code'], '14');
    assert.equal(msg?.topic, 'WF');
    assert.equal(data.messages.length, 0);
  });

  it('decodes text in the chosen character set, with the true ISO 8859-1', async () => {
    const bytes = Buffer.from([0x4d, 0xfc, 0x80]);
    for (const [charset, expected] of [
      ['iso-8859-1', 'Mü\u0080'],
      ['windows-1252', 'Mü€'],
    ] as const) {
      await deploy(pollFlow({ payloadAs: 'text', charset }));
      await fill(['WF', bytes]);
      const data = new Recorder('data');
      receive('poll', {});
      assert.equal((await data.get(1)).payload, expected);
      await stop();
    }
  });

  it('parses JSON', async () => {
    await deploy(pollFlow({ payloadAs: 'json' }));
    await fill(['WF', { a: ['ä'] }]);
    const data = new Recorder('data');
    receive('poll', {});
    assert.deepEqual((await data.get(1)).payload, { a: ['ä'] });
  });

  for (const [what, poll, payload] of [
    ['text that is not in the character set', { payloadAs: 'text' }, Buffer.from([0xff, 0xfe, 0xfd])],
    ['what is not JSON', { payloadAs: 'json' }, 'SECRET-PATIENT {'],
  ] as const) {
    it(`parks ${what}, raises an error, and never acknowledges it`, async () => {
      await deploy(
        pollFlow({ ...poll, acknowledge: 'after-delivery' }, { leaseMinutes: 0.001, meshAcknowledge: 'when-done' }),
      );
      const [messageId] = await fill(['WF', payload]);
      const [data, parked, caught] = [new Recorder('data'), new Recorder('parked'), new Recorder('caught')];
      receive('poll', {});
      const msg = await parked.get(1);
      assert.equal(msg.error.code, 'MESH_DECODING');
      assert.equal(msg.mesh.messageId, messageId);
      assert.equal((await caught.get(1)).error.code, 'MESH_DECODING');
      await pause(200);
      assert.equal(data.messages.length, 0);
      assert.equal(caught.messages.length, 1);
      assert.deepEqual(await inbox(), [messageId]);
      assert.doesNotMatch(JSON.stringify([parked.messages, caught.messages]) + logText(), /SECRET/);
    });
  }

  it('parks a message that expands beyond the mailbox’s maximum, and MESH keeps it', async () => {
    await deploy(pollFlow({}, { maxExpandedGb: '0.000001' }));
    const [large] = await fill(['WF', 'x'.repeat(1001)], ['WF', 'y'.repeat(1000)]);
    const [data, parked] = [new Recorder('data'), new Recorder('parked')];
    receive('poll', {});
    assert.equal(String((await data.get(1)).payload), 'y'.repeat(1000));
    const msg = await parked.get(1);
    assert.deepEqual([msg.error.code, msg.mesh.messageId], ['MESH_TOO_LARGE', large]);
    assert.deepEqual(await inbox(), [large]);
  });

  it('parks a message that expands beyond the mailbox’s ratio, and takes it if the ratio allows it', async () => {
    const padded = ' '.repeat(200_000);
    const limits = { maxExpandedGb: '0.001' };
    await deploy(pollFlow({}, { ...limits, maxExpansionRatio: '100' }));
    const parked = new Recorder('parked');
    const [messageId] = await fill(['WF', padded]);
    receive('poll', {});
    const msg = await parked.get(1);
    assert.deepEqual([msg.error.code, msg.mesh.messageId], ['MESH_TOO_LARGE', messageId]);
    assert.match(msg.error.advice ?? '', /Maximum expansion/);
    await stop();
    await deploy(pollFlow({}, { ...limits, maxExpansionRatio: '0' }));
    await fill(['WF', padded]);
    const data = new Recorder('data');
    receive('poll', {});
    assert.equal(String((await data.get(1)).payload), padded);
  });

  for (const [checkChecksum, output] of [
    ['check', 'parked'],
    ['ignore', 'data'],
  ] as const) {
    it(`sends a message with a wrong checksum to ${output} if the setting is "${checkChecksum}"`, async () => {
      await deploy(pollFlow({}, { checkChecksum, maxDeliveries: 1 }));
      const sent = new Recorder('sent');
      receive('send', { payload: 'letter', meshSend: { workflowId: 'WF', checksum: '0'.repeat(32) } });
      await sent.get(1);
      const out = new Recorder(output);
      receive('poll', {});
      const { error, payload } = await out.get(1);
      if (output === 'parked') assert.equal(error.code, 'MESH_DOWNLOAD');
      else assert.equal(String(payload), 'letter');
    });
  }

  it('saves payloads in a folder, under names of its own', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'mesh-poll-'));
    await deploy(pollFlow({ payloadAs: 'file', folder }));
    const sent = new Recorder('sent');
    receive('send', { payload: 'letter', meshSend: { workflowId: 'WF', fileName: '../../evil.txt' } });
    await sent.get(1);
    const data = new Recorder('data');
    receive('poll', {});
    const msg = await data.get(1);
    const file = String(msg['filename']);
    assert.equal(await readFile(file, 'utf8'), 'letter');
    assert.equal(msg.payload, file);
    assert.equal(msg.mesh.file, file);
    assert.ok(file.startsWith(folder));
    assert.equal((await readdir(folder)).length, 1);
    await rm(folder, { recursive: true });
  });

  it('reports a folder that cannot be written, and acknowledges nothing', async () => {
    const config = { meshAcknowledge: 'when-done' };
    await deploy(pollFlow({ payloadAs: 'file', folder: join(__filename, 'below-a-file') }, config));
    await fill(['WF', 'letter']);
    const [caught, statuses] = [new Recorder('caught'), statusesOf('poll')];
    receive('poll', {});
    assert.equal((await caught.get(1)).error.code, 'MESH_STORAGE');
    await until(() => statuses.at(-1)?.text === 'storage error', 'the status');
    assert.equal((await inbox()).length, 1);
  });

  it('keeps a message for an output without a wire, and reports that once', async () => {
    await deploy(
      pollFlow(
        { wires: [[], ['report'], ['acks'], ['parked']], acknowledge: 'after-delivery' },
        { leaseMinutes: 0.002, meshAcknowledge: 'when-done' },
      ),
    );
    await fill(['WF', '1'], ['WF', '2']);
    const [caught, statuses] = [new Recorder('caught'), statusesOf('poll')];
    receive('poll', {});
    const error = (await caught.get(1)).error;
    assert.equal(error.code, 'MESH_OUTPUT_NOT_WIRED');
    assert.match(error.message, /'data'/);
    await pause(300);
    assert.equal(caught.messages.filter((msg) => msg.error.code === 'MESH_OUTPUT_NOT_WIRED').length, 1);
    assert.ok(statuses.some(({ fill: colour, text }) => colour === 'red' && text === 'output not wired'));
    assert.equal(statuses.at(-1)?.fill, 'red');
    assert.equal((await inbox()).length, 2);
  });

  it('lists parked messages, delivers one again on request, and rejects an unknown command', async () => {
    await deploy(pollFlow({ payloadAs: 'json' }));
    await fill(['WF', 'no JSON'], ['WF', '{"a": 1}']);
    const [data, parked, caught] = [new Recorder('data'), new Recorder('parked'), new Recorder('caught')];
    const statuses = statusesOf('poll');
    receive('poll', {});
    const first = await parked.get(1);
    const { messageId } = first.mesh;
    await data.get(1);
    receive('poll', { meshPoll: { list: 'parked' } });
    const again = await parked.get(2);
    await until(() => statuses.at(-1)?.text === '1 parked', 'the status');
    assert.deepEqual([again.topic, again.mesh, again.error], [first.topic, first.mesh, first.error]);
    receive('poll', { meshPoll: { redeliver: messageId } });
    const third = await parked.get(3);
    assert.deepEqual([third.mesh.messageId, third.mesh.deliveryCount], [messageId, 2]);

    const before = caught.messages.length;
    receive('poll', { meshPoll: { redeliver: data.messages[0]?.mesh.messageId } });
    await until(() => caught.messages.length === before + 1, 'the refusal');
    receive('poll', { meshPoll: { list: 'lost' } });
    await until(() => caught.messages.length === before + 2, 'the other refusal');
    assert.match(caught.messages[before]?.error.message ?? '', /is not parked, but delivered/);
    assert.match(caught.messages[before + 1]?.error.message ?? '', /meshPoll must be/);
    assert.equal(data.messages.length, 1);
  });

  it('delivers the messages for an output without a wire once a deploy has wired it', async () => {
    const wires = [[], ['report'], ['acks'], ['parked']];
    await deploy(pollFlow({ wires }));
    await fill(['WF', 'a']);
    const caught = new Recorder('caught');
    receive('poll', {});
    assert.equal((await caught.get(1)).error.code, 'MESH_OUTPUT_NOT_WIRED');
    await redeploy(pollFlow());
    const msg = await new Recorder('data').get(1);
    assert.equal(msg.topic, 'WF');
  });

  it('splits the inbox between two nodes by workflow', async () => {
    const second = { id: 'second', type: 'mesh-poll', mailbox: 'into', interval: 0, workflows: 'LAB*, TOC' };
    await deploy(
      pollFlow({}, {}, [
        { ...second, wires: [['lab'], [], [], []] },
        { id: 'lab', type: 'helper' },
      ]),
    );
    await fill(['LAB_1', 'a'], ['OTHER', 'b'], ['TOC', 'c'], ['LAB_2', 'd']);
    const [data, lab] = [new Recorder('data'), new Recorder('lab')];
    receive('poll', {});
    await lab.get(3);
    await data.get(1);
    await pause(100);
    assert.deepEqual(
      lab.messages.map(({ topic }) => topic).toSorted((a = '', b = '') => a.localeCompare(b)),
      ['LAB_1', 'LAB_2', 'TOC'],
    );
    assert.deepEqual(
      data.messages.map(({ topic }) => topic),
      ['OTHER'],
    );
  });

  it('skips workflows handled elsewhere, and raises an error for unclaimed messages', async () => {
    await deploy(pollFlow({ workflows: 'MINE' }, { leftToOthers: 'THEIRS*\nELSE' }));
    await fill(['THEIRS_1', 'a'], ['MINE', 'b'], ['NOBODYS', 'c']);
    const [data, caught, statuses] = [new Recorder('data'), new Recorder('caught'), statusesOf('poll')];
    receive('poll', {});
    await data.get(1);
    assert.match((await caught.get(1)).error.message, /NOBODYS/);
    receive('poll', {});
    await until(() => statuses.at(-1)?.text === '1 unclaimed', 'the status');
    await pause(100);
    assert.equal(data.messages.length, 1);
    assert.equal(caught.messages.length, 1);
  });

  it('keeps messages in flight over a redeploy, and delivers them again when their lease ends', async () => {
    const flow = pollFlow({}, { leaseMinutes: 0.02 });
    await deploy(flow);
    await fill(['WF', 'x']);
    const before = new Recorder('data');
    receive('poll', {});
    await before.get(1);
    await redeploy(flow);
    const after = new Recorder('data');
    receive('poll', {});
    await pause(200);
    assert.equal(after.messages.length, 0);
    const again = await after.get(1);
    assert.equal(String(again.payload), 'x');
    assert.equal(again.mesh.deliveryCount, 2);
  });

  it('keeps messages in flight when only the node is redeployed', async () => {
    const flow = pollFlow();
    await deploy(flow);
    await fill(['WF', 'x']);
    const data = new Recorder('data');
    receive('poll', {});
    await data.get(1);
    await redeploy(change(flow, 'poll', { maxInFlight: 40 }), 'nodes');
    receive('poll', {});
    await pause(200);
    assert.equal(data.messages.length, 1);
    await fill(['WF', 'y']);
    receive('poll', {});
    assert.equal(String((await data.get(2)).payload), 'y');
  });

  it('closes in time while a download hangs, and repeats the download afterwards', async () => {
    const flow = pollFlow();
    await deploy(flow);
    await fill(['WF', 'x']);
    const sandbox = await builtInSandbox();
    sandbox.fault({ operation: 'retrieve_message', times: 1, effect: { kind: 'delay', ms: 60_000 } });
    receive('poll', {});
    await pause(200);
    const start = Date.now();
    await redeploy(flow);
    assert.ok(Date.now() - start < 3000, `${Date.now() - start} ms`);
    const data = new Recorder('data');
    receive('poll', {});
    await data.get(1);
  });

  it('reports a failed poll at Catch and as status, and recovers', async () => {
    await deploy(pollFlow());
    await fill(['WF', 'x']);
    const sandbox = await builtInSandbox();
    sandbox.fault({ operation: '*', mailboxId: 'X26ABC2', times: Infinity, effect: { kind: 'status', status: 403 } });
    const [data, caught, statuses] = [new Recorder('data'), new Recorder('caught'), statusesOf('poll')];
    receive('poll', {});
    assert.equal((await caught.get(1)).error.code, 'MESH_AUTHENTICATION');
    await until(() => statuses.at(-1)?.fill === 'red', 'red');
    sandbox.clearFaults();
    receive('poll', {});
    await data.get(1);
    await until(() => statuses.at(-1)?.fill === 'green', 'green');
  });

  for (const [what, poll, expected] of [
    ['an interval that is not a number', { interval: 'often' }, /interval must be a number/],
    ['a missing folder', { payloadAs: 'file', folder: '' }, /no folder to save files in/],
    ['an unknown character set', { charset: 'klingon' }, /charset must be one of/],
    ['no message in flight', { maxInFlight: 0 }, /maxInFlight/],
  ] as const) {
    it(`rejects ${what}: in the log, in red, and for each input`, async () => {
      await deploy(pollFlow(poll));
      const [caught, statuses] = [new Recorder('caught'), statusesOf('poll')];
      receive('poll', {});
      const error = (await caught.get(1)).error;
      assert.equal(error.code, 'MESH_CONFIGURATION');
      assert.match(error.message, expected);
      assert.match(logText(), expected);
      await until(() => statuses.at(-1)?.fill === 'red', 'red');
    });
  }

  it('reports a missing mailbox', async () => {
    await deploy(pollFlow().filter(({ id }) => id !== 'into'));
    const caught = new Recorder('caught');
    receive('poll', {});
    assert.equal((await caught.get(1)).error.code, 'MESH_CONFIGURATION');
  });

  it('never shows a status of more than 19 characters', async () => {
    await deploy(pollFlow({ interval: '0.002' }));
    const statuses = statusesOf('poll');
    await fill(['WF', '1'], ['WF_ACK', '2'], ['WF', '3']);
    await pause(400);
    assert.ok(statuses.length > 0);
    for (const { text = '' } of statuses) assert.ok(text.length < 20, text);
  });

  describe('with form data unwrapped', () => {
    /** Sends a form of two fields, as a browser writes it. */
    async function sendForm(cut = Infinity): Promise<string> {
      const form = new FormData();
      form.append('note', 'one');
      form.append('letter', new Blob(['two'], { type: 'text/plain' }), 'Łódź.txt');
      const response = new Response(form);
      const payload = Buffer.from(await response.arrayBuffer()).subarray(0, cut);
      const contentType = response.headers.get('content-type');
      const sent = new Recorder('sent');
      helper.getNode('send').receive({ payload, meshSend: { workflowId: 'WF', contentType } });
      return (await sent.get(1)).meshSent.messageId;
    }

    async function acknowledgedToMesh(): Promise<void> {
      const sandbox = await builtInSandbox();
      const isDone = (): boolean => sandbox.messages().every(({ status }) => status === 'acknowledged');
      await until(isDone, 'the acknowledgement to MESH');
    }

    it('sends a message for each part, with msg.part and msg.parts as core’s split has it', async () => {
      await deploy(pollFlow({ multipart: 'parts', payloadAs: 'text' }));
      const data = new Recorder('data');
      const messageId = await sendForm();
      receive('poll', {});
      const [note, letter] = [await data.get(1), await data.get(2)];
      assert.deepEqual([note.payload, note.part], ['one', { name: 'note', bytes: 3 }]);
      assert.deepEqual([note.mesh.messageId, letter.mesh.messageId], [messageId, messageId]);
      const part = { name: 'letter', fileName: 'Łódź.txt', contentType: 'text/plain', bytes: 3 };
      assert.deepEqual([letter.payload, letter.part], ['two', part]);
      const { id } = letter.parts as { id: string };
      const parts = { id, type: 'array', count: 2, len: 1, ofMessage: messageId };
      assert.deepEqual(
        [note.parts, letter.parts],
        [
          { ...parts, index: 0 },
          { ...parts, index: 1 },
        ],
      );
    });

    it('is done when its last part has reached mesh-ack, in any order, and not twice by the same part', async () => {
      await deploy(pollFlow({ multipart: 'parts' }, { meshAcknowledge: 'when-done' }));
      const [data, acked, statuses] = [new Recorder('data'), new Recorder('acked'), statusesOf('ack')];
      await sendForm();
      receive('poll', {});
      const [note, letter] = [await data.get(1), await data.get(2)];
      for (const part of [letter, letter]) receive('ack', part);
      await acked.get(2);
      await until(() => statuses.at(-1)?.text === 'parts to come', 'the status');
      assert.equal((await inbox()).length, 1, 'MESH still has it');
      receive('ack', note);
      await acked.get(3);
      await until(() => statuses.at(-1)?.text === '1 done', 'the status');
      await acknowledgedToMesh();
    });

    it('is done at once after a join, which leaves no parts', async () => {
      await deploy(pollFlow({ multipart: 'parts' }, { meshAcknowledge: 'when-done' }));
      const [data, acked] = [new Recorder('data'), new Recorder('acked')];
      await sendForm();
      receive('poll', {});
      const { parts: _parts, ...joined } = await data.get(1);
      receive('ack', joined);
      await acked.get(1);
      await acknowledgedToMesh();
    });

    it('parks a form that is cut, whole, and reports it to Catch', async () => {
      await deploy(pollFlow({ multipart: 'parts' }));
      const [data, parked, caught] = [new Recorder('data'), new Recorder('parked'), new Recorder('caught')];
      const messageId = await sendForm(60);
      receive('poll', {});
      const msg = await parked.get(1);
      assert.equal(msg.mesh.messageId, messageId);
      assert.equal(msg.error.code, 'MESH_UNREADABLE');
      assert.match(msg.error.message, /It was parked/);
      assert.match((await caught.get(1)).error.message, /multipart\/form-data/);
      assert.equal(data.messages.length, 0);
    });
  });
});
