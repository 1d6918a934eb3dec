import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { Hl7Server } from '@medplum/hl7';
import type { MeshError } from '../../lib/errors';
import { MllpClient, type MllpClientOptions } from '../../lib/mllp/client';
import {
  MllpClosedError,
  MllpConnectionError,
  MllpMessageError,
  MllpNoAcknowledgementError,
  MllpQueueFullError,
  MllpTlsError,
} from '../../lib/mllp/errors';
import { frame } from '../../lib/mllp/framing';
import { authority } from '../harness/certificates';
import { afterThisTest } from '../harness/cleanup';
import { fullErrorText, failure } from '../harness/failure';
import { accepts, acceptAll, ack, adt, listening, Receiver, until } from './support';

const FAST = { backOffMs: { first: 5, maximum: 20 } };

function clientTo(port: number, options: Partial<MllpClientOptions> = {}) {
  const states: string[] = [];
  const ignored: MeshError[] = [];
  const client = new MllpClient({
    host: '127.0.0.1',
    port,
    onState: (state) => states.push(state),
    onIgnored: (error) => ignored.push(error),
    ...FAST,
    ...options,
  });
  afterThisTest(() => client.close());
  return { client, states, ignored };
}

/** A port on which nothing listens. */
async function deadPort(): Promise<number> {
  const receiver = await Receiver.listen(accepts);
  const { port } = receiver;
  await receiver.close();
  return port;
}

describe('an MLLP client', function () {
  this.timeout(60_000);

  it('sends in order, one at a time, on one connection', async () => {
    const open = new Set<string>();
    const receiver = await Receiver.listen((message, socket) => {
      const id = String(receiver.messages.length);
      assert.equal(open.size, 0, 'one in flight');
      open.add(id);
      setImmediate(() => {
        open.delete(id);
        accepts(message, socket);
      });
    });
    const { client, states } = clientTo(receiver.port);
    const ids = Array.from({ length: 200 }, (_, i) => String(i));
    const sent = await Promise.all(ids.map((id) => client.send(adt(id))));
    assert.deepEqual(receiver.controlIds, ids);
    assert.deepEqual(
      sent.map(({ controlId, isPositive, attempts }) => [controlId, isPositive, attempts]),
      ids.map((id) => [id, true, 1]),
    );
    assert.equal(receiver.connections, 1);
    assert.deepEqual(states, ['connecting', 'connected']);
    assert.equal(client.size, 0);
  });

  it('opens as many connections as it is set to', async () => {
    const waiting: Array<() => void> = [];
    const receiver = await Receiver.listen((message, socket) => {
      waiting.push(() => accepts(message, socket));
      if (waiting.length === 3) for (const acknowledge of waiting.splice(0)) acknowledge();
    });
    const { client } = clientTo(receiver.port, { connections: 3 });
    await Promise.all(['1', '2', '3', '4', '5', '6'].map((id) => client.send(adt(id))));
    assert.equal(receiver.connections, 3);
  });

  it('returns a negative acknowledgement with its text, and does not repeat the message', async () => {
    const receiver = await Receiver.listen((message, socket) => {
      socket.write(frame(Buffer.from(ack(message, 'AE').toString().replace('MSA|AE|1', 'MSA|AE|1|unknown ward'))));
    });
    const { client } = clientTo(receiver.port, { retries: 5 });
    const sent = await client.send(adt('1'));
    assert.deepEqual([sent.code, sent.isPositive, sent.text], ['AE', false, 'unknown ward']);
    assert.equal(receiver.messages.length, 1);
  });

  it('ignores the acknowledgement of another message, a message without MSA, and a repeat', async () => {
    const receiver = await Receiver.listen((message, socket) => {
      socket.write(
        Buffer.concat([frame(ack(adt('other'))), frame(adt('9')), frame(ack(message)), frame(ack(message))]),
      );
    });
    const { client, ignored } = clientTo(receiver.port);
    for (const id of ['1', '2']) assert.equal((await client.send(adt(id))).controlId, id);
    await until(() => ignored.length === 6);
    assert.match(ignored[0]?.message ?? '', /does not acknowledge the message in flight/);
  });

  it('reads an acknowledgement that comes byte by byte, and one without the last CR', async () => {
    const receiver = await Receiver.listen((message, socket) => {
      socket.setNoDelay(true);
      void (async () => {
        for (const byte of frame(ack(message)).subarray(0, -1)) {
          socket.write(Buffer.of(byte));
          await new Promise(setImmediate);
        }
      })();
    });
    const { client } = clientTo(receiver.port);
    assert.equal((await client.send(adt('1'))).code, 'AA');
    assert.equal((await client.send(adt('2'))).code, 'AA');
  });

  it('reports an unknown outcome without an acknowledgement, and disconnects: a late one is ignored', async () => {
    const receiver = await Receiver.listen((message, socket, count) => {
      if (count > 1) accepts(message, socket);
    });
    const { client } = clientTo(receiver.port, { acknowledgementTimeoutMs: 50 });
    const error = await failure(MllpNoAcknowledgementError, client.send(adt('1')));
    assert.equal(error.retry, 'unsafe');
    assert.doesNotMatch(fullErrorText(error), /TESTPATIENT/);
    assert.equal((await client.send(adt('2'))).attempts, 1);
    assert.equal(receiver.connections, 2);
  });

  it('ignores an acknowledgement with the wrong control id', async () => {
    const receiver = await Receiver.listen((_message, socket) => void socket.write(frame(ack(adt('other')))));
    const { client } = clientTo(receiver.port, { acknowledgementTimeoutMs: 50 });
    await failure(MllpNoAcknowledgementError, client.send(adt('1')));
  });

  it('repeats a message, if it is set to, after a closed connection and after silence', async () => {
    const receiver = await Receiver.listen((message, socket, count) => {
      if (count === 1) socket.destroy();
      else if (count > 2) accepts(message, socket);
    });
    const { client, states } = clientTo(receiver.port, { retries: 2, acknowledgementTimeoutMs: 100 });
    assert.equal((await client.send(adt('1'))).attempts, 3);
    assert.deepEqual(receiver.controlIds, ['1', '1', '1']);
    assert.ok(states.includes('disconnected'));
  });

  it('does not repeat by default: after a closed connection the outcome is unknown', async () => {
    const receiver = await Receiver.listen((_message, socket) => void socket.destroy());
    const { client } = clientTo(receiver.port);
    await failure(MllpNoAcknowledgementError, client.send(adt('1')));
    assert.equal(receiver.messages.length, 1);
  });

  it('connects as soon as a receiver that was down is up', async () => {
    const port = await deadPort();
    const { client, states } = clientTo(port, { retries: 10_000 });
    const sending = ['1', '2'].map((id) => client.send(adt(id)));
    await until(() => states.includes('disconnected'));
    const receiver = await Receiver.listen(accepts, port);
    await Promise.all(sending);
    assert.deepEqual(receiver.controlIds, ['1', '2']);
  });

  it('reconnects after the receiver has closed the connection between two messages', async () => {
    const receiver = await Receiver.listen(accepts);
    const { client, states } = clientTo(receiver.port);
    await client.send(adt('1'));
    // Later than a receiver that closes after each acknowledgement, which is no disconnection.
    await pause(200);
    for (const socket of receiver.sockets) socket.end();
    await until(() => states.at(-1) === 'disconnected');
    assert.equal((await client.send(adt('2'))).attempts, 1);
  });

  it('reports that nothing was sent when the receiver cannot be reached', async () => {
    const { client } = clientTo(await deadPort());
    const error = await failure(MllpConnectionError, client.send(adt('1')));
    assert.equal(error.retry, 'safe');
    assert.match(error.message, /ECONNREFUSED/);
  });

  it('queues no more than its maximum, and accepts more when the queue has shrunk', async () => {
    const release: Array<() => void> = [];
    const receiver = await Receiver.listen((message, socket) => release.push(() => accepts(message, socket)));
    const { client } = clientTo(receiver.port, { maxQueued: 2 });
    const sending = [client.send(adt('1')), client.send(adt('2'))];
    const error = await failure(MllpQueueFullError, client.send(adt('3')));
    assert.match(error.message, /2 messages wait/);
    await until(() => release.length === 1);
    release[0]?.();
    await sending[0];
    const third = client.send(adt('3'));
    await until(() => release.length === 2);
    release[1]?.();
    await until(() => release.length === 3);
    release[2]?.();
    await Promise.all([...sending, third]);
  });

  it('queues no message without a control id, or with a byte that MLLP reserves', async () => {
    const { client } = clientTo(await deadPort());
    for (const bad of [Buffer.from('PID|1'), adt(''), adt('1', 'a\u001cb')]) {
      const error = await failure(MllpMessageError, client.send(bad));
      assert.doesNotMatch(fullErrorText(error), /TESTPATIENT/);
    }
  });

  it('ends queued messages, those in flight and connection attempts when it is closed', async () => {
    const receiver = await Receiver.listen(() => undefined);
    const { client } = clientTo(receiver.port, { retries: 100 });
    const sending = ['1', '2'].map((id) => failure(MllpClosedError, client.send(adt(id))));
    await until(() => receiver.messages.length === 1);
    client.close();
    const [inFlight] = await Promise.all(sending);
    assert.match(inFlight?.message ?? '', /before the message was acknowledged/);
    await failure(MllpClosedError, client.send(adt('3')));
    await until(() => receiver.sockets.size === 0);

    const unreachable = clientTo(await deadPort(), { retries: 100, backOffMs: { first: 60_000, maximum: 60_000 } });
    const trying = failure(MllpClosedError, unreachable.client.send(adt('1')));
    await until(() => unreachable.states.includes('disconnected'));
    unreachable.client.close();
    await trying;
  });

  it('gives up connecting when the TLS handshake does not finish in time', async () => {
    const server = createServer(() => undefined).listen(0, '127.0.0.1');
    await once(server, 'listening');
    afterThisTest(() => server.close());
    const { port } = server.address() as { port: number };
    const { client } = clientTo(port, { tls: {}, connectTimeoutMs: 50 });
    await failure(MllpConnectionError, client.send(adt('1')));
    client.close();
  });

  it('shows its certificate, and verifies the receiver’s', async () => {
    const ca = await authority('Test CA');
    const { server } = await listening({ ...acceptAll, tls: { ...(await ca.issue()), ca: ca.cert } });
    const pair = await ca.issue({ usage: 'client' });
    const good = clientTo(server.port, { tls: { ca: ca.cert, ...pair } });
    assert.equal((await good.client.send(adt('1'))).code, 'AA');
    const other = await authority('Other CA');
    for (const tls of [
      { ca: other.cert, ...pair },
      { ca: ca.cert, ...pair, servername: 'elsewhere.example' },
    ]) {
      const error = await failure(MllpTlsError, clientTo(server.port, { tls }).client.send(adt('1')));
      assert.equal(error.retry, 'safe');
    }
    // With TLS 1.3 a client learns only after the handshake that its certificate is missing.
    const anonymous = clientTo(server.port, { tls: { ca: ca.cert } });
    await failure(MllpNoAcknowledgementError, anonymous.client.send(adt('1')));
  });

  it('works with a receiver of another make (@medplum/hl7)', async () => {
    const server = new Hl7Server((connection) => {
      connection.addEventListener('message', ({ message }) => connection.send(message.buildAck()));
    });
    const port = await deadPort();
    await server.start(port);
    afterThisTest(() => server.stop());
    const { client } = clientTo(port);
    for (const id of ['1', '2']) assert.equal((await client.send(adt(id))).code, 'AA');
    client.close();
  });
});
