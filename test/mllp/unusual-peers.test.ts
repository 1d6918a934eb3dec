import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { buildHl7Ack } from '../../lib/formats/hl7/acknowledge';
import { splitHl7 } from '../../lib/formats/hl7/batch';
import { readHl7Header } from '../../lib/formats/hl7/header';
import { readHl7, textAt } from '../../lib/formats/hl7/message';
import { MllpClient } from '../../lib/mllp/client';
import { frame } from '../../lib/mllp/framing';
import type { MllpRequest } from '../../lib/mllp/server-connection';
import { afterThisTest } from '../harness/cleanup';
import { accepts, acceptAll, ack, adt, listening, Receiver, Sender, until } from './support';

describe('a receiver that is not like the others', () => {
  for (const [how, close] of [
    ['at once', (socket: Socket) => void socket.end()],
    ['after 20 ms', (socket: Socket) => void setTimeout(() => socket.end(), 20)],
    ['without a goodbye', (socket: Socket) => void setTimeout(() => socket.destroy(), 5)],
  ] as const) {
    it(`closes after each answer, ${how}: each message is sent once`, async () => {
      const receiver = await Receiver.listen((message, socket) => {
        accepts(message, socket);
        close(socket);
      });
      const client = new MllpClient({ host: '127.0.0.1', port: receiver.port });
      afterThisTest(() => client.close());
      const sent = await Promise.all(Array.from({ length: 40 }, (_, index) => client.send(adt(String(index)))));
      assert.ok(sent.every(({ attempts, isPositive }) => attempts === 1 && isPositive));
      assert.equal(receiver.messages.length, 40);
    });
  }

  it('answers without a frame: the error says so', async () => {
    const receiver = await Receiver.listen((message, socket) => void socket.write(ack(message)));
    const client = new MllpClient({ host: '127.0.0.1', port: receiver.port, acknowledgementTimeoutMs: 100 });
    afterThisTest(() => client.close());
    await assert.rejects(client.send(adt('1')), /no acknowledgement came in time, only bytes outside MLLP frames/);
  });

  it('gets one connection for each message, if that is chosen', async () => {
    const receiver = await Receiver.listen(accepts);
    const client = new MllpClient({ host: '127.0.0.1', port: receiver.port, connectionPerMessage: true });
    afterThisTest(() => client.close());
    for (let index = 0; index < 5; index += 1) await client.send(adt(String(index)));
    assert.equal(receiver.connections, 5);
    await until(() => receiver.sockets.size === 0);
  });

  it('keeps its connection open otherwise: it is used again', async () => {
    const receiver = await Receiver.listen(accepts);
    const client = new MllpClient({ host: '127.0.0.1', port: receiver.port });
    afterThisTest(() => client.close());
    for (let index = 0; index < 5; index += 1) await client.send(adt(String(index)));
    assert.equal(receiver.connections, 1);
  });

  it('makes a message that comes a while after the first wait for nothing', async () => {
    const receiver = await Receiver.listen(accepts);
    const client = new MllpClient({ host: '127.0.0.1', port: receiver.port });
    afterThisTest(() => client.close());
    await client.send(adt('0'));
    await pause(150);
    const began = performance.now();
    await client.send(adt('1'));
    assert.ok(performance.now() - began < 80, 'it was not observed for another 100 ms');
    assert.equal(receiver.connections, 1);
  });

  it('sends AE or AR after CA: the caller gets it, also with one connection for each message', async () => {
    for (const connectionPerMessage of [false, true]) {
      const receiver = await Receiver.listen((message, socket) => {
        const header = readHl7Header(message);
        socket.write(frame(buildHl7Ack(header, { code: 'CA' })));
        setTimeout(() => socket.write(frame(buildHl7Ack(header, { code: 'AE', text: 'no such ward' }))), 20);
      });
      const later: string[] = [];
      const ignored: unknown[] = [];
      const client = new MllpClient({
        host: '127.0.0.1',
        port: receiver.port,
        connectionPerMessage,
        onApplicationAcknowledgement: ({ code, controlId, text }) => later.push(`${code} ${controlId} ${text}`),
        onIgnored: (error) => ignored.push(error),
      });
      afterThisTest(() => client.close());
      assert.equal((await client.send(adt('1'))).code, 'CA');
      await until(() => later.length > 0);
      assert.deepEqual(later, ['AE 1 no such ward']);
      assert.deepEqual(ignored, []);
    }
  });

  it('sends CA and AE in one packet, or in one frame: the caller gets both, the CA first', async () => {
    for (const isOneFrame of [false, true]) {
      const receiver = await Receiver.listen((message, socket) => {
        const header = readHl7Header(message);
        const both = [buildHl7Ack(header, { code: 'CA' }), buildHl7Ack(header, { code: 'AE', text: 'no such ward' })];
        socket.write(isOneFrame ? frame(Buffer.concat(both)) : Buffer.concat(both.map((each) => frame(each))));
      });
      const said: string[] = [];
      const client = new MllpClient({
        host: '127.0.0.1',
        port: receiver.port,
        onApplicationAcknowledgement: ({ code, controlId }) => said.push(`${code} ${controlId}`),
        onIgnored: (error) => said.push(error.message),
      });
      afterThisTest(() => client.close());
      said.push((await client.send(adt('1'))).code);
      await until(() => said.length > 1);
      assert.deepEqual(said, ['CA', 'AE 1']);
    }
  });

  it('sends a CA for each message of a frame, and AE for the second later: the caller gets it', async () => {
    const receiver = await Receiver.listen((message, socket) => {
      const headers = splitHl7(message).messages.map((each) => readHl7Header(each));
      socket.write(frame(Buffer.concat(headers.map((header) => buildHl7Ack(header, { code: 'CA' })))));
      setTimeout(() => socket.write(frame(buildHl7Ack(headers[1], { code: 'AE' }))), 20);
    });
    const later: string[] = [];
    const client = new MllpClient({
      host: '127.0.0.1',
      port: receiver.port,
      onApplicationAcknowledgement: ({ code, controlId }) => later.push(`${code} ${controlId}`),
    });
    afterThisTest(() => client.close());
    assert.equal((await client.send(Buffer.concat([adt('1'), adt('2')]))).code, 'CA');
    await until(() => later.length > 0);
    assert.deepEqual(later, ['AE 2']);
  });

  it('answers two messages of a frame in one frame or in two: the worst answer counts', async () => {
    for (const isOneFrame of [true, false]) {
      const receiver = await Receiver.listen((message, socket) => {
        const answers = splitHl7(message).messages.map((each, index) => ack(each, index === 0 ? 'AA' : 'AE'));
        const frames = isOneFrame ? [frame(Buffer.concat(answers))] : answers.map((each) => frame(each));
        socket.write(Buffer.concat(frames));
      });
      const client = new MllpClient({ host: '127.0.0.1', port: receiver.port });
      afterThisTest(() => client.close());
      const sent = await client.send(Buffer.concat([adt('1'), adt('2')]));
      assert.deepEqual([sent.code, sent.controlId, sent.isPositive], ['AE', '2', false]);
    }
  });
});

/** Accepts each request at once, and keeps it. */
function acceptAndKeep(): { onRequest: (request: MllpRequest) => void; requests: MllpRequest[] } {
  const requests: MllpRequest[] = [];
  const onRequest = (request: MllpRequest): void => {
    requests.push(request);
    request.respond(ack(request.bytes));
  };
  return { onRequest, requests };
}

describe('a sender that is not like the others', () => {
  it('writes a byte order mark after VT: its message is read, whatever MSH-18 says', async () => {
    const { server, requests } = await listening();
    const sender = await Sender.connect(server.port);
    const bom = Buffer.from('\uFEFF');
    sender.send(Buffer.concat([bom, adt('1')]));
    await until(() => requests.length === 1);
    const [request] = requests;
    assert.equal(request?.header.controlId, '1');
    request.respond(ack(request.bytes));
    assert.deepEqual(await sender.received(1), ['AA 1']);
    for (const msh18 of ['', '8859/1', 'UNICODE UTF-8']) {
      const text = `MSH|^~\\&|A|B|C|D|2026||ADT^A01|1|P|2.4||||||${msh18}\rPID|||||Zoë\r`;
      assert.equal(textAt(readHl7(Buffer.concat([bom, Buffer.from(text)])), 'PID', 5), 'Zoë', msh18);
    }
  });

  it('writes two messages into a frame: each is a request, and one answer has both responses', async () => {
    const { server, requests } = await listening();
    const sender = await Sender.connect(server.port);
    sender.send(Buffer.concat([adt('1'), adt('2')]));
    await until(() => requests.length === 2);
    assert.deepEqual(
      requests.map(({ header }) => header.controlId),
      ['1', '2'],
    );
    assert.equal(requests[1]?.respond(ack(requests[1].bytes, 'AE')), 'sent');
    assert.equal(requests[1].respond(ack(requests[1].bytes)), 'duplicate');
    assert.equal(sender.messages.length, 0);
    assert.equal(requests[0]?.respond(ack(requests[0].bytes)), 'sent');
    await until(() => sender.messages.length === 1);
    const answers = splitHl7(sender.messages[0] ?? Buffer.alloc(0)).messages.map((each) => readHl7(each));
    assert.deepEqual(
      answers.map((each) => [textAt(each, 'MSA', 1), textAt(each, 'MSA', 2)]),
      [
        ['AA', '1'],
        ['AE', '2'],
      ],
    );
  });

  it('writes a batch (FHS, BHS) into a frame: each of its messages is a request, and one answer has all responses', async () => {
    const { onRequest, requests } = acceptAndKeep();
    const { server, problems } = await listening({ onRequest });
    const sender = await Sender.connect(server.port);
    const envelope = (inside: Buffer): Buffer =>
      Buffer.concat([Buffer.from('FHS|^~\\&|A\rBHS|^~\\&|A\r'), inside, Buffer.from('BTS|2\rFTS|1\r')]);
    sender.send(envelope(Buffer.concat([adt('1'), adt('2')])));
    await until(() => sender.messages.length === 1);
    assert.deepEqual(
      requests.map(({ bytes }) => bytes),
      [adt('1'), adt('2')],
    );
    const answers = splitHl7(sender.messages[0] ?? Buffer.alloc(0)).messages.map((each) => readHl7(each));
    assert.deepEqual(
      answers.map((each) => `${textAt(each, 'MSA', 1)} ${textAt(each, 'MSA', 2)}`),
      ['AA 1', 'AA 2'],
    );
    // One without messages is none.
    sender.send(envelope(Buffer.alloc(0)));
    await until(() => sender.messages.length === 2);
    assert.match(sender.messages[1]?.toString() ?? '', /MSA\|AR\|/);
    assert.equal(problems.length, 1);
  });

  it('writes white space or padding before MSH: its message is read as a file would be, and an acknowledgement, too', async () => {
    for (const lead of ['  ', '\r\n \t', '\0\0', '\uFEFF \r\n']) {
      const { onRequest, requests } = acceptAndKeep();
      const { server } = await listening({ onRequest });
      const receiver = await Receiver.listen((message, socket) =>
        socket.write(frame(Buffer.concat([Buffer.from(lead), ack(message)]))),
      );
      const sender = await Sender.connect(server.port);
      sender.send(Buffer.concat([Buffer.from(lead), adt('1')]));
      await until(() => requests.length === 1);
      assert.equal(requests[0]?.header.controlId, '1', JSON.stringify(lead));
      const client = new MllpClient({ host: '127.0.0.1', port: receiver.port, acknowledgementTimeoutMs: 2000 });
      afterThisTest(() => client.close());
      assert.equal((await client.send(adt('1'))).code, 'AA', JSON.stringify(lead));
    }
  });

  it('writes thousands of messages into a frame: it is refused, and the server lives on', async () => {
    const { server, problems } = await listening(acceptAll);
    for (const count of [2000, 1_500_000]) {
      const sender = await Sender.connect(server.port);
      sender.send(Buffer.from(`${adt('1').toString()}${'MSH|^~\\&|\r'.repeat(count)}`));
      assert.deepEqual(await sender.received(1), ['AR 1']);
    }
    assert.equal(problems.length, 2);
    const sender = await Sender.connect(server.port);
    sender.send(adt('2'));
    assert.deepEqual(await sender.received(1), ['AA 2']);
  }).timeout(30_000);
});
