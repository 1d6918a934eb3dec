import assert from 'node:assert/strict';
import { Hl7Message } from '@medplum/core';
import { Hl7Client } from '@medplum/hl7';
import { ConfigurationError } from '../../lib/errors';
import { MllpListenError, MllpMessageError } from '../../lib/mllp/errors';
import { frame } from '../../lib/mllp/framing';
import { MllpServer } from '../../lib/mllp/server';
import { authority } from '../harness/certificates';
import { afterThisTest } from '../harness/cleanup';
import { failure, thrown } from '../harness/failure';
import { acceptAll, ack, adt, listening, Sender, until } from './support';

describe('an MLLP server', function () {
  this.timeout(60_000);

  it('reads a sender that splits at every byte', async () => {
    const { server, requests } = await listening();
    const sender = await Sender.connect(server.port);
    sender.socket.setNoDelay(true);
    for (const byte of frame(adt('1', 'NTE|1||Zoë\r'))) {
      sender.socket.write(Buffer.of(byte));
      await new Promise(setImmediate);
    }
    await until(() => requests.length === 1);
    assert.deepEqual(requests[0]?.bytes, adt('1', 'NTE|1||Zoë\r'));
    assert.equal(requests[0].respond(ack(adt('1'))), 'sent');
    assert.deepEqual(await sender.received(1), ['AA 1']);
  });

  it('passes on two messages in one packet one after the other', async () => {
    const { server, requests } = await listening();
    const sender = await Sender.connect(server.port);
    sender.send(adt('1'), adt('2'));
    await until(() => requests.length === 1);
    // The second one waits for the response to the first, however long that takes.
    await new Promise(setImmediate);
    assert.equal(requests.length, 1);
    requests[0]?.respond(ack(adt('1')));
    await until(() => requests.length === 2);
    requests[1]?.respond(ack(adt('2'), 'AE'));
    assert.deepEqual(await sender.received(2), ['AA 1', 'AE 2']);
  });

  it('has as many messages of a connection in flight as it is set to, with responses in any order', async () => {
    const { server, requests } = await listening({ maxInFlight: 3 });
    const sender = await Sender.connect(server.port);
    sender.send(...['1', '2', '3', '4'].map((id) => adt(id)));
    await until(() => requests.length === 3);
    requests[2]?.respond(ack(adt('3')));
    await until(() => requests.length === 4);
    for (const [index, id] of [
      [3, '4'],
      [0, '1'],
      [1, '2'],
    ] as const) {
      requests[index]?.respond(ack(adt(id)));
    }
    assert.deepEqual(await sender.received(4), ['AA 3', 'AA 4', 'AA 1', 'AA 2']);
  });

  it('does not read a flood without responses: the sender has to wait, and memory stays bounded', async () => {
    const { server, requests } = await listening();
    const sender = await Sender.connect(server.port);
    const batch = Buffer.concat(Array.from({ length: 100 }, (_, i) => frame(adt(String(i), 'x'.repeat(10_000)))));
    let written = 0;
    // Until the kernel takes no more: 64 MB would be 64 times as much as it ever buffers unread.
    while (written < 64 && sender.socket.writableLength < 3 * batch.length) {
      sender.socket.write(batch);
      written += 1;
      await new Promise(setImmediate);
    }
    assert.ok(written < 64, 'the flood was stopped');
    assert.equal(requests.length, 1);
    assert.ok(server.unread <= 1_000_000, `${server.unread} bytes are kept`);
  });

  it('stops reading while a sender reads no responses', async () => {
    let responses = 0;
    const { server } = await listening({
      onRequest: (request) => {
        responses += 1;
        request.respond(Buffer.concat([ack(request.bytes), Buffer.alloc(20_000, 'x')]));
      },
    });
    const sender = await Sender.connect(server.port);
    sender.socket.pause();
    for (let i = 0; i < 5000; i += 1) sender.send(adt(String(i)));
    let before = -1;
    while (before !== responses) {
      before = responses;
      await new Promise((resolve) => {
        setTimeout(resolve, 200);
      });
    }
    assert.ok(responses < 5000, `${responses} responses were written, and nothing read them`);
    sender.socket.resume();
    assert.equal((await sender.received(5000)).length, 5000);
  });

  it('forgets a sender that disconnects inside a message, and serves the others', async () => {
    const { server, requests, problems } = await listening();
    const aborted = await Sender.connect(server.port);
    aborted.socket.write(frame(adt('1')).subarray(0, 50));
    aborted.socket.resetAndDestroy();
    const half = await Sender.connect(server.port);
    half.socket.end(frame(adt('2')).subarray(0, 50));
    await half.closed();
    const good = await Sender.connect(server.port);
    good.send(adt('3'));
    await until(() => requests.length === 1);
    assert.equal(requests[0]?.header.controlId, '3');
    assert.deepEqual(problems, []);
  });

  it('reports that the sender is gone when it responds', async () => {
    const { server, requests } = await listening();
    const sender = await Sender.connect(server.port);
    sender.send(adt('1'));
    await until(() => requests.length === 1);
    sender.socket.resetAndDestroy();
    await until(() => server.connections === 0);
    assert.equal(requests[0]?.respond(ack(adt('1'))), 'gone');
  });

  it('responds to a sender that has closed its side', async () => {
    const { server, requests } = await listening();
    const sender = await Sender.connect(server.port);
    sender.socket.end(Buffer.concat([frame(adt('1')), frame(adt('2')).subarray(0, -1)]));
    await until(() => requests.length === 1);
    requests[0]?.respond(ack(adt('1')));
    await until(() => requests.length === 2);
    requests[1]?.respond(ack(adt('2')));
    assert.deepEqual(await sender.received(2), ['AA 1', 'AA 2']);
    await sender.closed();
  });

  it('accepts a message without the last CR', async () => {
    const { server } = await listening(acceptAll);
    const sender = await Sender.connect(server.port);
    sender.socket.write(frame(adt('1')).subarray(0, -1));
    assert.deepEqual(await sender.received(1), ['AA 1']);
  });

  it('sends only the first response', async () => {
    const { server, requests } = await listening();
    const sender = await Sender.connect(server.port);
    sender.send(adt('1'), adt('2'));
    await until(() => requests.length === 1);
    thrown(MllpMessageError, () => requests[0]?.respond(Buffer.from('MSH|\u001c\r')));
    assert.equal(requests[0]?.respond(ack(adt('1'))), 'sent');
    assert.equal(requests[0].respond(ack(adt('1'), 'AE')), 'duplicate');
    await until(() => requests.length === 2);
    requests[1]?.respond(ack(adt('2')));
    assert.deepEqual(await sender.received(2), ['AA 1', 'AA 2']);
  });

  it('refuses a message that is too large or not HL7 with AR, without quoting it, and reads the next one', async () => {
    const { server, problems } = await listening({ ...acceptAll, maxBytes: 1000 });
    const sender = await Sender.connect(server.port);
    sender.send(adt('1', 'x'.repeat(5_000_000)), Buffer.from('PID|TESTPATIENT'), adt('2'));
    assert.deepEqual(await sender.received(3), ['AR 1', 'AR ', 'AA 2']);
    assert.match(sender.texts.join(' '), /larger than 1000 bytes.*MSH/);
    assert.equal(problems.length, 2);
    assert.doesNotMatch(JSON.stringify(problems) + problems.map((each) => each.error.message).join(''), /TESTPATIENT/);
    assert.equal(problems[0]?.remote?.address, '127.0.0.1');
  });

  it('reports a sender without frames once, and disconnects one that breaks a frame', async () => {
    const { server, problems, requests } = await listening();
    const bare = await Sender.connect(server.port);
    bare.socket.write(adt('1'));
    await until(() => problems.length === 1);
    bare.socket.write(adt('2'));
    const broken = await Sender.connect(server.port);
    broken.socket.write(Buffer.from('\u000bMSH|^~\\&|a\u001cb\u001c\r'));
    await broken.closed();
    assert.deepEqual(
      problems.map((each) => (each.error as MllpListenError).code),
      ['MLLP_FRAME', 'MLLP_FRAME'],
    );
    assert.equal(requests.length, 0);
  });

  it('sends no response when it closes, and frees the port', async () => {
    const { server, requests } = await listening();
    const { port } = server;
    const sender = await Sender.connect(port);
    const silent = await Sender.connect(port);
    sender.send(adt('1'), adt('2'));
    await until(() => requests.length === 1);
    await server.close();
    await Promise.all([sender.closed(), silent.closed()]);
    assert.deepEqual(sender.responses, []);
    assert.equal(requests[0]?.respond(ack(adt('1'))), 'gone');
    assert.equal(requests.length, 1);
    await listening({ port });
  });

  it('still delivers the responses that were written when it closes', async () => {
    const { server, requests } = await listening({ maxInFlight: 50 });
    const sender = await Sender.connect(server.port);
    for (let i = 0; i < 50; i += 1) sender.send(adt(String(i)));
    await until(() => requests.length === 50);
    for (const request of requests) request.respond(Buffer.concat([ack(request.bytes), Buffer.alloc(50_000, 'x')]));
    await Promise.all([server.close(), sender.closed()]);
    assert.equal(sender.responses.length, 50);
  });

  it('reports what is wrong with a port or an address', async () => {
    const { server } = await listening();
    const error = await failure(MllpListenError, MllpServer.listen({ port: server.port, onRequest: () => undefined }));
    assert.match(error.message, /EADDRINUSE/);
    assert.match(error.advice ?? '', /Another program/);
    await failure(MllpListenError, MllpServer.listen({ port: 0, host: '192.0.2.1', onRequest: () => undefined }));
  });

  it('disconnects senders above its maximum of connections', async () => {
    const { server, problems } = await listening({ maxConnections: 1, ...acceptAll });
    const first = await Sender.connect(server.port);
    const second = await Sender.connect(server.port);
    await second.closed();
    first.send(adt('1'));
    assert.deepEqual(await first.received(1), ['AA 1']);
    assert.match(problems[0]?.error.message ?? '', /1 are connected/);
  });

  it('counts a sender that left a message pending as connected: reconnecting could fill the memory', async () => {
    const { server, requests, problems } = await listening({ maxConnections: 3 });
    for (let i = 0; i < 3; i += 1) {
      const sender = await Sender.connect(server.port);
      sender.send(adt(String(i)));
      await until(() => requests.length === i + 1);
      sender.socket.resetAndDestroy();
      await until(() => server.connections === 0);
    }
    await (await Sender.connect(server.port)).closed();
    assert.equal(problems.length, 1);
    requests[0]?.respond(ack(adt('0')));
    const sender = await Sender.connect(server.port);
    sender.send(adt('3'));
    await until(() => requests.length === 4);
  });

  it('responds to 10,000 messages on 20 connections, and keeps none of them afterwards', async function () {
    const kept: Array<WeakRef<object>> = [];
    const { server } = await listening({
      maxInFlight: 4,
      onRequest: (request) => {
        kept.push(new WeakRef(request));
        setImmediate(() => request.respond(ack(request.bytes)));
      },
    });
    const senders = await Promise.all(Array.from({ length: 20 }, () => Sender.connect(server.port)));
    for (const [line, sender] of senders.entries()) {
      for (let i = 0; i < 500; i += 1) sender.send(adt(`${line}-${i}`, 'x'.repeat(2000)));
    }
    await Promise.all(senders.map((sender) => sender.received(500)));
    for (const [line, sender] of senders.entries()) {
      assert.deepEqual(
        sender.responses.toSorted(),
        Array.from({ length: 500 }, (_, i) => `AA ${line}-${i}`).toSorted(),
      );
    }
    assert.equal(server.unread, 0);
    assert.equal(kept.length, 10_000);
    const { setFlagsFromString } = await import('node:v8');
    const { runInNewContext } = await import('node:vm');
    setFlagsFromString('--expose-gc');
    (runInNewContext('gc') as () => void)();
    await new Promise(setImmediate);
    (runInNewContext('gc') as () => void)();
    const alive = kept.filter((each) => each.deref() !== undefined).length;
    assert.ok(alive < 100, `${alive} requests are still in memory`);
  });

  it('works with a sender of another make (@medplum/hl7)', async () => {
    const { server } = await listening(acceptAll);
    const client = new Hl7Client({ host: '127.0.0.1', port: server.port });
    afterThisTest(() => client.close());
    for (const id of ['1', '2']) {
      const acknowledgement = await client.sendAndWait(Hl7Message.parse(adt(id).toString()));
      assert.equal(acknowledgement.getSegment('MSA')?.toString(), `MSA|AA|${id}`);
    }
  });
});

describe('an MLLP server with TLS', () => {
  const open = async (more: object = {}) => {
    const ca = await authority('Test CA');
    const tls = { ...(await ca.issue()), ca: ca.cert, ...more };
    return { ca, ...(await listening({ ...acceptAll, tls })) };
  };

  it('accepts a certificate from its CA, and passes on the name in it', async () => {
    const names: unknown[] = [];
    const ca = await authority('Test CA');
    const { server } = await listening({
      tls: { ...(await ca.issue()), ca: ca.cert },
      onRequest: (request) => {
        names.push(request.remote.certificate);
        request.respond(ack(request.bytes));
      },
    });
    const sender = await Sender.connect(server.port, {
      ca: ca.cert,
      ...(await ca.issue({ usage: 'client', commonName: 'pas.example' })),
    });
    sender.send(adt('1'), adt('2'));
    assert.deepEqual(await sender.received(2), ['AA 1', 'AA 2']);
    assert.deepEqual(names, ['pas.example', 'pas.example']);
  });

  it('refuses a sender without a certificate, with one from another CA, or without TLS, and reports each', async () => {
    const { ca, server, problems } = await open();
    const other = await (await authority('Other CA')).issue({ usage: 'client' });
    for (const pair of [{}, other]) {
      const sender = await Sender.connect(server.port, { ca: ca.cert, ...pair });
      sender.send(adt('1'));
      await sender.closed();
      assert.deepEqual(sender.responses, []);
    }
    const plain = await Sender.connect(server.port);
    plain.send(adt('1'));
    await plain.closed();
    assert.equal(problems.length, 3);
    for (const { error } of problems) assert.match(error.message, /TLS handshake/);
  });

  it('requires no certificate if set so', async () => {
    const { ca, server } = await open({ clientCertificate: 'none' });
    const sender = await Sender.connect(server.port, { ca: ca.cert });
    sender.send(adt('1'));
    assert.deepEqual(await sender.received(1), ['AA 1']);
  });

  it('does not listen without a key, or without a CA for clients: it would trust every public one', async () => {
    const ca = await authority('Test CA');
    for (const tls of [{ ca: ca.cert }, await ca.issue()]) {
      await failure(ConfigurationError, MllpServer.listen({ port: 0, tls, onRequest: () => undefined }));
    }
  });

  it('closes at once during a handshake', async () => {
    const { server } = await open();
    const sender = await Sender.connect(server.port);
    await server.close();
    await sender.closed();
  });
});
