/** The MLLP nodes in a Node-RED runtime, with real senders and receivers on sockets. */
import { strict as assert } from 'node:assert';
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { frame } from '../../lib/mllp/framing';
import { pendingCount } from '../../nodes/mllp/requests';
import { accepts, ack, adt, listening, Receiver, Sender } from '../mllp/support';
import { authority, type Authority, type CertificateAndKey } from '../harness/certificates';
import { emptyFolder } from '../harness/cleanup';
import { freePort } from '../harness/ports';
import { size } from '../harness/size';
import {
  change,
  deploy,
  helper,
  logText,
  pause,
  receive,
  Recorder,
  redeploy,
  statusesOf,
  stop,
  takeMissingTexts,
  until,
  type Flow,
  type Msg,
} from './support';

type MllpMsg = Msg & {
  payload: string;
  mllp: { requestId: string; controlId: string; sha256: string; remote: { address: string; certificate?: string } };
  mllpSent: { controlId: string; code: string; text: string; answer: string; attempts: number };
};
const nth = async (recorder: Recorder, count: number): Promise<MllpMsg> => (await recorder.get(count)) as MllpMsg;

const CATCH: Flow = [
  { id: 'catcher', type: 'catch', wires: [['caught']] },
  { id: 'caught', type: 'helper' },
];

let port = 0;

/** mllp in -> taken; the test responds through `aa`, `ae` or `own`. */
function inbound(settings: object = {}, more: Flow = []): Flow {
  return [
    { id: 'in', type: 'mesh-mllp-in', port, wires: [['taken']], ...settings },
    { id: 'taken', type: 'helper' },
    { id: 'aa', type: 'mesh-mllp-response', answer: 'AA' },
    { id: 'ae', type: 'mesh-mllp-response', answer: 'AE', text: 'error.message', textType: 'msg' },
    { id: 'own', type: 'mesh-mllp-response', answer: 'payload' },
    ...CATCH,
    ...more,
  ];
}

async function started(flow: Flow, credentials: Record<string, Record<string, string>> = {}): Promise<Recorder> {
  await deploy(flow, credentials);
  const taken = new Recorder('taken');
  await untilListening();
  return taken;
}

/** Writes certificate, key and CA into files. */
async function tlsFiles(
  ca: Authority,
  pair: CertificateAndKey,
): Promise<{ paths: object; write(pair: CertificateAndKey): Promise<void> }> {
  const folder = await emptyFolder();
  const paths = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem'), ca: join(folder, 'ca.pem') };
  const write = async ({ cert, key }: CertificateAndKey): Promise<void> => {
    await writeFile(paths.cert, cert);
    await writeFile(paths.key, key);
  };
  await writeFile(paths.ca, ca.cert);
  await write(pair);
  return { paths, write };
}

async function untilListening(): Promise<void> {
  for (;;) {
    const sender = await Sender.connect(port).catch(() => undefined);
    sender?.socket.destroy();
    if (sender) return;
    await pause(5);
  }
}

const withoutCatch = (flow: Flow): Flow => flow.filter(({ type }) => type !== 'catch');

describe('mesh-mllp-in and mesh-mllp-response', () => {
  beforeEach(async () => {
    port = await freePort();
  });
  afterEach(async () => {
    await stop();
    assert.equal(pendingCount(), 0, 'nothing is left waiting');
    assert.deepEqual(takeMissingTexts(), []);
  });

  it('pass a message to the flow as text and plain JSON, and respond when the flow does', async () => {
    const taken = await started(inbound());
    const sender = await Sender.connect(port);
    sender.send(adt('EX1', 'NTE|1||Zoë\r'));
    const msg = await nth(taken, 1);
    assert.equal(msg.payload, adt('EX1', 'NTE|1||Zoë\r').toString());
    assert.equal(msg.topic, 'ADT^A01^ADT_A01');
    assert.deepEqual(JSON.parse(JSON.stringify(msg.mllp)), msg.mllp);
    assert.deepEqual([msg.mllp.controlId, msg.mllp.remote.address], ['EX1', '127.0.0.1']);
    const sha256 = createHash('sha256').update(adt('EX1', 'NTE|1||Zoë\r')).digest('hex');
    assert.equal(msg.mllp.sha256, sha256);
    assert.deepEqual(sender.responses, []);
    // Like a flow's message after cloning, storing or a subflow.
    receive('aa', JSON.parse(JSON.stringify(msg)) as object);
    assert.deepEqual(await sender.received(1), ['AA EX1']);
  });

  it('pass the next message of a connection after the response, or as many at once as set', async () => {
    const taken = await started(inbound({ maxInFlight: 2 }));
    const sender = await Sender.connect(port);
    sender.send(adt('1'), adt('2'), adt('3'));
    receive('aa', await nth(taken, 2));
    await nth(taken, 3);
    assert.equal(taken.messages.length, 3);
    receive('ae', await nth(taken, 1));
    receive('aa', await nth(taken, 3));
    assert.deepEqual(await sender.received(3), ['AA 2', 'AE 1', 'AA 3']);
  });

  it('respond AE with the error’s text behind a Catch node', async () => {
    const fail: Flow = [{ id: 'fail', type: 'mesh-send', wires: [[]] }];
    const taken = await started(
      change(change(inbound({}, fail), 'in', { wires: [['fail', 'taken']] }), 'catcher', { wires: [['ae', 'caught']] }),
    );
    const sender = await Sender.connect(port);
    sender.send(adt('1'));
    assert.deepEqual(await sender.received(1), ['AE 1']);
    assert.match(sender.texts[0] ?? '', /No mailbox is selected/);
    assert.equal(taken.messages.length, 1);
  });

  it('send msg.payload unchanged as the response', async () => {
    const taken = await started(inbound());
    const sender = await Sender.connect(port);
    const own = ack(adt('1'), 'AR').toString();
    for (const payload of [own, Buffer.from(own)]) {
      sender.send(adt('1'));
      await nth(taken, sender.messages.length + 1);
      const { mllp } = await nth(taken, sender.messages.length + 1);
      helper.getNode('own').receive({ payload, mllp });
      await sender.received(sender.messages.length + 1);
    }
    assert.deepEqual(sender.messages, [Buffer.from(own), Buffer.from(own)]);
  });

  it('can respond again after a response that could not be sent', async () => {
    const taken = await started(inbound());
    const caught = new Recorder('caught');
    const sender = await Sender.connect(port);
    sender.send(adt('1'));
    const { mllp } = await nth(taken, 1);
    receive('own', { payload: { no: 'text' }, mllp });
    receive('own', { payload: 'MSH|\u001c', mllp });
    for (const count of [1, 2]) assert.equal((await caught.get(count)).error.code, 'MLLP_INVALID_MESSAGE');
    receive('ae', { mllp });
    assert.deepEqual(await sender.received(1), ['AE 1']);
  });

  it('treat a second response as harmless, with a warning', async () => {
    const taken = await started(inbound());
    const statuses = statusesOf('ae');
    const sender = await Sender.connect(port);
    sender.send(adt('1'));
    const msg = await nth(taken, 1);
    receive('aa', msg);
    receive('ae', msg);
    await until(() => statuses.length === 1, 'the warning');
    assert.equal(statuses[0]?.text, 'too late');
    sender.send(adt('2'));
    receive('aa', await nth(taken, 2));
    assert.deepEqual(await sender.received(2), ['AA 1', 'AA 2']);
    assert.match(logText(), /No response was sent: the message had been answered before/);
  });

  it('report a message without msg.mllp', async () => {
    await started(inbound());
    const caught = new Recorder('caught');
    receive('aa', { payload: 'x' });
    assert.match((await caught.get(1)).error.message, /msg\.mllp\.requestId.*Keep msg\.mllp/s);
  });

  for (const [onTimeout, expected] of [
    ['AE', ['AE 1', 'AA 2']],
    ['AR', ['AR 1', 'AA 2']],
  ] as const) {
    it(`respond ${onTimeout} after the time-out, raise an error, and only warn of a late response`, async () => {
      const taken = await started(inbound({ timeout: 0.2, onTimeout }));
      const caught = new Recorder('caught');
      const sender = await Sender.connect(port);
      sender.send(adt('1'));
      const error = (await caught.get(1)) as MllpMsg;
      assert.equal(error.error.code, 'MLLP_NOT_ANSWERED');
      assert.equal(error.mllp.controlId, '1');
      receive('aa', await nth(taken, 1));
      sender.send(adt('2'));
      receive('aa', await nth(taken, 2));
      assert.deepEqual(await sender.received(2), expected);
    });
  }

  it('close the connection on time-out, if chosen', async () => {
    await started(inbound({ timeout: 0.1, onTimeout: 'close' }));
    const sender = await Sender.connect(port);
    sender.send(adt('1'));
    await sender.closed();
    assert.deepEqual(sender.responses, []);
  });

  it('warn when the sender has disconnected before its response', async () => {
    const taken = await started(inbound());
    const [statuses, connections] = [statusesOf('aa'), statusesOf('in')];
    const sender = await Sender.connect(port);
    sender.send(adt('1'));
    const msg = await nth(taken, 1);
    sender.socket.resetAndDestroy();
    await until(() => connections.at(-1)?.text === 'listening', 'the end of the connection');
    receive('aa', msg);
    await until(() => statuses.at(-1)?.text === 'sender gone', 'the status');
  });

  it('send no response to a message in flight at a deploy; the sender repeats it and gets its response', async () => {
    const flow = inbound();
    const taken = await started(flow);
    const sender = await Sender.connect(port);
    sender.send(adt('1'));
    const before = await nth(taken, 1);
    await redeploy(flow);
    await sender.closed();
    assert.deepEqual(sender.responses, []);
    const again = new Recorder('taken');
    receive('aa', before);
    const second = await Sender.connect(port);
    second.send(adt('1'));
    receive('aa', await nth(again, 1));
    assert.deepEqual(await second.received(1), ['AA 1']);
  });

  it('keep a message in flight when only the response node is redeployed', async () => {
    const flow = inbound();
    const taken = await started(flow);
    const sender = await Sender.connect(port);
    sender.send(adt('1'));
    const msg = await nth(taken, 1);
    await redeploy(change(flow, 'aa', { answer: 'AR' }), 'nodes');
    receive('aa', msg);
    assert.deepEqual(await sender.received(1), ['AR 1']);
  });

  it('decode text by MSH-18, else by the chosen character set, and reject bytes that are not text in it', async () => {
    const taken = await started(inbound({ charset: 'utf-8' }));
    const caught = new Recorder('caught');
    const sender = await Sender.connect(port);
    const latin = (id: string, charset: string): Buffer =>
      Buffer.from(`MSH|^~\\&|A|B|C|D|1||ADT^A01|${id}|P|2.4||||||${charset}\rPID|||Zo\u00eb\r`, 'latin1');
    sender.send(latin('1', '8859/1'));
    const msg = await nth(taken, 1);
    assert.match(msg.payload, /Zoë/);
    receive('aa', msg);
    sender.send(latin('2', ''));
    assert.deepEqual(await sender.received(2), ['AA 1', 'AR 2']);
    const { error } = await caught.get(1);
    assert.equal(error.code, 'MLLP_INVALID_MESSAGE');
    assert.doesNotMatch(logText() + error.message + sender.texts.join(''), /Zo/);
  });

  it('decode by the chosen character set where the bytes do not fit MSH-18, if selected, and report it', async () => {
    const taken = await started(inbound({ charset: 'windows-1252', charsetRule: 'misfit' }));
    const sender = await Sender.connect(port);
    sender.send(Buffer.from('MSH|^~\\&|A|B|C|D|1||ADT^A01|1|P|2.4||||||UTF-8\rPID|||Zo\u00eb\r', 'latin1'));
    const msg = (await nth(taken, 1)) as unknown as { payload: string; tolerated?: Array<{ code: string }> };
    assert.match(msg.payload, /Zoë/);
    assert.equal(msg.tolerated?.[0]?.code, 'hl7-charset-misfit');
    receive('aa', msg);
    assert.deepEqual(await sender.received(1), ['AA 1']);
  });

  it('pass on the unchanged bytes as a Buffer', async () => {
    const taken = await started(inbound({ payloadAs: 'buffer' }));
    const sender = await Sender.connect(port);
    const message = Buffer.concat([adt('1'), Buffer.from([0xff, 0xfe, 0x80])]);
    sender.send(message);
    const msg = await nth(taken, 1);
    assert.deepEqual(msg.payload, message);
    receive('aa', msg);
    await sender.received(1);
  });

  it('accept only senders with a certificate of the TLS configuration’s CA', async () => {
    const ca = await authority('Test CA');
    const { cert, key } = await ca.issue();
    const tls: Flow = [{ id: 'tls', type: 'tls-config', cert: '', key: '', ca: '', verifyservercert: true }];
    const taken = await started(inbound({ tls: 'tls' }, tls), {
      tls: { certdata: cert, keydata: key, cadata: ca.cert },
    });
    const caught = new Recorder('caught');
    const pair = await ca.issue({ usage: 'client', commonName: 'pas.example' });
    const sender = await Sender.connect(port, { ca: ca.cert, ...pair });
    sender.send(adt('1'));
    const msg = await nth(taken, 1);
    assert.equal(msg.mllp.remote.certificate, 'pas.example');
    receive('aa', msg);
    assert.deepEqual(await sender.received(1), ['AA 1']);
    const stranger = await Sender.connect(port, { ca: ca.cert });
    stranger.send(adt('2'));
    await stranger.closed();
    assert.equal((await caught.get(1)).error.code, 'MLLP_TLS');
  });

  it('use certificate files that are renewed on disk from the next connection on, and keep the others', async () => {
    const ca = await authority('Test CA');
    const files = await tlsFiles(ca, await ca.issue({ commonName: 'old' }));
    await started(inbound({ tls: 'tls' }, [{ id: 'tls', type: 'tls-config', verifyservercert: true, ...files.paths }]));
    const pair = await ca.issue({ usage: 'client' });
    const open = (): Promise<Sender> => Sender.connect(port, { ca: ca.cert, servername: 'localhost', ...pair });
    const shownTo = ({ socket }: Sender): string => String((socket as TLSSocket).getPeerCertificate().subject.CN);
    const sender = await open();
    assert.equal(shownTo(sender), 'old');
    await files.write(await ca.issue({ commonName: 'renewed' }));
    for (let shown = 'old'; shown !== 'renewed'; await pause(50)) {
      const another = await open();
      shown = shownTo(another);
      another.socket.destroy();
    }
    const taken = new Recorder('taken');
    sender.send(adt('1'));
    receive('aa', await nth(taken, 1));
    assert.deepEqual(await sender.received(1), ['AA 1']);
    assert.match(logText(), /certificate files have changed on disk and were read again/);
  });

  it('report wrong settings, once and as the node’s status', async () => {
    const tls: Flow = [{ id: 'tls', type: 'tls-config', cert: '', key: '', ca: '', verifyservercert: true }];
    for (const [settings, expected] of [
      [{ port: '' }, /no port to listen on/],
      [{ tls: 'tls' }, /certificate and its key/],
      [{ tls: 'missing' }, /TLS configuration is missing/],
      [{ charset: 'klingon' }, /charset must be one of/],
    ] as const) {
      await deploy(withoutCatch(inbound(settings, tls)));
      await until(() => expected.test(logText()), String(expected));
      await stop();
    }
  });

  it('report a port that is in use', async () => {
    const { server } = await listening();
    await deploy(withoutCatch(inbound({ port: server.port })));
    await until(() => /Cannot listen on port \d+ \(EADDRINUSE\).*Another program/s.test(logText()), 'the error');
  });

  it('keep patient data and control ids out of the log and the status', async () => {
    const statuses: string[] = [];
    const taken = await started(inbound({ timeout: 0.1, maxMb: 0.001 }));
    for (const id of ['in', 'aa']) {
      helper.getNode(id).on('call:status' as never, ((call: unknown) => statuses.push(JSON.stringify(call))) as never);
    }
    const caught = new Recorder('caught');
    const sender = await Sender.connect(port);
    sender.send(adt('SECRETID1'), adt('SECRETID2', 'x'.repeat(2000)), Buffer.from('PID|TESTPATIENT'));
    await sender.received(3);
    receive('aa', await nth(taken, 1));
    await caught.get(3);
    await until(() => statuses.some((status) => status.includes('too late')), 'the statuses');
    for (const error of caught.messages)
      assert.doesNotMatch(JSON.stringify(error.error), /SECRETID|TESTPATIENT|9990000018/);
    assert.doesNotMatch(logText() + statuses.join(''), /SECRETID2|TESTPATIENT|9990000018/);
  });

  it('respond to every one of many messages of 20 connections', async function () {
    this.timeout(60_000);
    const each = size(100, 500);
    await deploy(change(inbound({ maxInFlight: 5 }), 'in', { wires: [['aa']] }));
    await untilListening();
    const senders = await Promise.all(Array.from({ length: 20 }, () => Sender.connect(port)));
    for (const [line, sender] of senders.entries()) {
      for (let i = 0; i < each; i += 1) sender.send(adt(`${line}-${i}`));
    }
    for (const [line, sender] of senders.entries()) {
      const expected = Array.from({ length: each }, (_, i) => `AA ${line}-${i}`);
      assert.deepEqual((await sender.received(each)).toSorted(), expected.toSorted());
    }
    assert.equal(pendingCount(), 0);
  });
});

describe('mesh-mllp-out', () => {
  afterEach(async () => {
    await stop();
    assert.deepEqual(takeMissingTexts(), []);
  });

  const outbound = (settings: object, more: Flow = []): Flow => [
    { id: 'out', type: 'mesh-mllp-out', host: '127.0.0.1', wires: [['accepted'], ['refused']], ...settings },
    { id: 'accepted', type: 'helper' },
    { id: 'refused', type: 'helper' },
    ...CATCH,
    ...more,
  ];

  it('sends text in the character set of its MSH-18, and keeps the message for the acknowledgement', async () => {
    const receiver = await Receiver.listen(accepts);
    await deploy(outbound({ port: receiver.port }));
    const accepted = new Recorder('accepted');
    const payload = 'MSH|^~\\&|A|B|C|D|1||ORU^R01|77|P|2.4||||||8859/1\rPID|||Zoë\r';
    receive('out', { payload, mllp: { requestId: 'kept' } });
    const msg = await nth(accepted, 1);
    assert.deepEqual(receiver.messages, [Buffer.from(payload, 'latin1')]);
    assert.equal(msg.payload, payload);
    assert.deepEqual(msg.mllp, { requestId: 'kept' });
    const { answer, ...sent } = msg.mllpSent;
    assert.deepEqual(sent, { controlId: '77', code: 'AA', text: '', attempts: 1 });
    assert.match(answer, /\rMSA\|AA\|77\r/);
  });

  it('keeps the order', async () => {
    const receiver = await Receiver.listen(accepts);
    await deploy(outbound({ port: receiver.port }));
    const accepted = new Recorder('accepted');
    const ids = Array.from({ length: 100 }, (_, i) => String(i));
    for (const id of ids) receive('out', { payload: adt(id).toString() });
    await nth(accepted, 100);
    assert.deepEqual(receiver.controlIds, ids);
  });

  it('sends a negative acknowledgement to the second output', async () => {
    const receiver = await Receiver.listen((message, socket) => void socket.write(frame(ack(message, 'AR'))));
    await deploy(outbound({ port: receiver.port, retries: 3 }));
    const [refused, statuses] = [new Recorder('refused'), statusesOf('out')];
    receive('out', { payload: adt('1').toString() });
    assert.equal((await nth(refused, 1)).mllpSent.code, 'AR');
    assert.equal(statuses.at(-1)?.text, 'AR received');
    assert.equal(receiver.messages.length, 1);
  });

  it('sends the AE that follows a CA to the second output, with the message that it refuses', async () => {
    const receiver = await Receiver.listen((message, socket) => {
      const refused = ack(message, 'AE');
      socket.write(frame(Buffer.from(refused.toString('latin1').replace('MSA|AE', 'MSA|CA'), 'latin1')));
      setTimeout(() => socket.write(frame(refused)), 20);
    });
    await deploy(outbound({ port: receiver.port }));
    const [accepted, refused] = [new Recorder('accepted'), new Recorder('refused')];
    receive('out', { payload: adt('1').toString() });
    assert.equal((await nth(accepted, 1)).mllpSent.code, 'CA');
    const later = await nth(refused, 1);
    assert.equal(later.mllpSent.code, 'AE');
    assert.equal(later.payload, adt('1').toString());
  });

  it('raises an error for a message that is not acknowledged, not sent, not queued, or not valid', async () => {
    const silent = await Receiver.listen(() => undefined);
    const { port: dead } = await Receiver.listen(accepts).then(async (receiver) => {
      const { port } = receiver;
      await receiver.close();
      return { port };
    });
    for (const [settings, payload, code] of [
      [{ port: silent.port, timeout: 0.05 }, adt('1').toString(), 'MLLP_NO_ANSWER'],
      [{ port: dead }, adt('1').toString(), 'MLLP_CONNECTION'],
      [{ port: dead }, 'PID|TESTPATIENT', 'MLLP_INVALID_MESSAGE'],
      [{ port: dead }, 7, 'MLLP_INVALID_MESSAGE'],
      [{ port: dead, host: '' }, adt('1').toString(), 'MESH_CONFIGURATION'],
    ] as const) {
      await deploy(outbound(settings));
      const caught = new Recorder('caught');
      receive('out', { payload });
      const { error } = await caught.get(1);
      assert.equal(error.code, code);
      assert.doesNotMatch(error.message + logText(), /TESTPATIENT/);
      await stop();
    }
  });

  it('has a bounded queue', async () => {
    const silent = await Receiver.listen(() => undefined);
    await deploy(outbound({ port: silent.port, maxQueued: 2 }));
    const caught = new Recorder('caught');
    for (const id of ['1', '2', '3']) receive('out', { payload: adt(id).toString() });
    assert.equal((await caught.get(1)).error.code, 'MLLP_QUEUE_FULL');
  });

  it('waits for a receiver that is down at the start', async () => {
    const receiver = await Receiver.listen(accepts);
    const { port } = receiver;
    await receiver.close();
    await deploy(outbound({ port, retries: 1000 }));
    const [accepted, statuses] = [new Recorder('accepted'), statusesOf('out')];
    receive('out', { payload: adt('1').toString() });
    await until(() => statuses.some((status) => status.text === 'disconnected'), 'the status');
    await Receiver.listen(accepts, port);
    assert.equal((await nth(accepted, 1)).mllpSent.controlId, '1');
    assert.equal(statuses.at(-1)?.text, 'connected');
  });

  it('warns about a response that belongs to no message, and continues', async () => {
    const receiver = await Receiver.listen((message, socket) => {
      socket.write(Buffer.concat([frame(ack(adt('other'))), frame(ack(message))]));
    });
    await deploy(outbound({ port: receiver.port }));
    const accepted = new Recorder('accepted');
    receive('out', { payload: adt('1').toString() });
    assert.equal((await nth(accepted, 1)).mllpSent.controlId, '1');
    assert.match(logText(), /does not acknowledge the message in flight/);
  });

  it('warns at a deploy about unacknowledged messages, and sends them to neither an output nor Catch', async () => {
    const silent = await Receiver.listen(() => undefined);
    await deploy(outbound({ port: silent.port, retries: 5 }));
    const outputs = ['accepted', 'refused', 'caught'].map((id) => new Recorder(id));
    for (const id of ['1', '2']) receive('out', { payload: adt(id).toString() });
    await until(() => silent.messages.length === 1, 'the first message');
    await helper.unload();
    await until(() => silent.sockets.size === 0, 'the end of the connection');
    assert.deepEqual(
      outputs.map(({ messages }) => messages.length),
      [0, 0, 0],
    );
    assert.equal(silent.messages.length, 1);
  });

  it('presents its certificate, and sends a message to mllp in of the same Node-RED', async () => {
    port = await freePort();
    const ca = await authority('Test CA');
    const [server, client] = [await ca.issue(), await ca.issue({ usage: 'client' })];
    const tls = (id: string): Flow[number] => ({
      id,
      type: 'tls-config',
      cert: '',
      key: '',
      ca: '',
      verifyservercert: true,
    });
    const flow = outbound({ port, tls: 'mine', retries: 20 }, [
      tls('mine'),
      tls('theirs'),
      { id: 'in', type: 'mesh-mllp-in', port, tls: 'theirs', wires: [['aa']] },
      { id: 'aa', type: 'mesh-mllp-response', answer: 'AA' },
    ]);
    await deploy(flow, {
      mine: { certdata: client.cert, keydata: client.key, cadata: ca.cert },
      theirs: { certdata: server.cert, keydata: server.key, cadata: ca.cert },
    });
    const accepted = new Recorder('accepted');
    receive('out', { payload: adt('1').toString() });
    assert.equal((await nth(accepted, 1)).mllpSent.code, 'AA');
  });

  it('presents its certificate as renewed on disk from the next connection on', async () => {
    port = await freePort();
    const ca = await authority('Test CA');
    const server = await ca.issue();
    const issue = (commonName: string): Promise<CertificateAndKey> => ca.issue({ usage: 'client', commonName });
    const files = await tlsFiles(ca, await issue('old'));
    const tls = { type: 'tls-config', verifyservercert: true };
    const flow = outbound({ port, tls: 'mine', retries: 20, connectionPerMessage: true }, [
      { id: 'mine', ...tls, ...files.paths },
      { id: 'theirs', ...tls, cert: '', key: '', ca: '' },
      { id: 'in', type: 'mesh-mllp-in', port, tls: 'theirs', wires: [['aa', 'taken']] },
      { id: 'aa', type: 'mesh-mllp-response', answer: 'AA' },
      { id: 'taken', type: 'helper' },
    ]);
    await deploy(flow, { theirs: { certdata: server.cert, keydata: server.key, cadata: ca.cert } });
    const taken = new Recorder('taken');
    receive('out', { payload: adt('1').toString() });
    assert.equal((await nth(taken, 1)).mllp.remote.certificate, 'old');
    await files.write(await issue('renewed'));
    receive('out', { payload: adt('2').toString() });
    assert.equal((await nth(taken, 2)).mllp.remote.certificate, 'renewed');
  });
});
