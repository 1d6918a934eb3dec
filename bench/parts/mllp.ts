/**
 * MLLP throughput on loopback: messages of 2 kB, each acknowledged with AA, one at a time on each connection. Compared
 * with a bare loop (sockets that look for end blocks and write a fixed AA: the maximum of the machine) and with
 * @medplum/hl7.
 */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { Hl7Message } from '@medplum/core';
import { Hl7Client, Hl7Server } from '@medplum/hl7';
import { buildHl7Ack } from '../../lib/formats/hl7/acknowledge';
import { MllpClient, MllpServer } from '../../lib/mllp';
import { frame } from '../../lib/mllp/framing';
import type { Settings } from '../settings';

const FS = 0x1c;
const CONNECTIONS = [1, 20];

/** The throughput of one contestant. */
export interface Figure {
  what: string;
  connections: number;
  messages: number;
  perSecond: number;
  /** Relative to the bare loop's throughput. */
  ofBare: number;
}

/** Sends a message and waits for its acknowledgement. */
type Exchange = (message: Buffer, controlId: string) => Promise<unknown>;

/** A server and its clients. */
interface Contestant {
  what: string;
  open(connections: number): Promise<{ lines: Exchange[]; close: () => Promise<void> }>;
}

const adt = (controlId: string): Buffer =>
  Buffer.from(
    `MSH|^~\\&|PAS|X26|MESH|X26|20260115093000||ADT^A01^ADT_A01|${controlId}|P|2.4\r` +
      `PID|1||9990000018^^^NHS^NH||TESTPATIENT^EXAMPLE\rNTE|1||${'x'.repeat(1850)}\r`,
  );

const bare: Contestant = {
  what: 'bare loop',
  async open(connections) {
    const acknowledgement = frame(
      Buffer.from('MSH|^~\\&|MESH|X26|PAS|X26|20260115093000||ACK^A01|1|P|2.4\rMSA|AA|1\r'),
    );
    const server = createServer((socket) => {
      socket.setNoDelay(true);
      socket.on('data', (chunk: Buffer) => chunk.includes(FS) && socket.write(acknowledgement));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const sockets = await Promise.all(
      Array.from({ length: connections }, async () => {
        const socket = connect({ port, host: '127.0.0.1', noDelay: true });
        await once(socket, 'connect');
        return socket;
      }),
    );
    return {
      lines: sockets.map(
        (socket) => (message) =>
          new Promise((resolve) => {
            socket.once('data', resolve);
            socket.write(frame(message));
          }),
      ),
      close: async () => {
        for (const socket of sockets) socket.destroy();
        server.close();
        await once(server, 'close');
      },
    };
  },
};

const ours: Contestant = {
  what: 'lib/mllp',
  async open(connections) {
    const server = await MllpServer.listen({
      port: 0,
      onRequest: (request) => void request.respond(buildHl7Ack(request.header, { code: 'AA' })),
    });
    const clients = Array.from({ length: connections }, () => new MllpClient({ host: '127.0.0.1', port: server.port }));
    return {
      lines: clients.map((client) => (message) => client.send(message)),
      close: async () => {
        for (const client of clients) client.close();
        await server.close();
      },
    };
  },
};

const medplum: Contestant = {
  what: '@medplum/hl7',
  async open(connections) {
    const server = new Hl7Server((connection) => {
      connection.addEventListener('message', ({ message }) => connection.send(message.buildAck()));
    });
    const free = createServer().listen(0, '127.0.0.1');
    await once(free, 'listening');
    const { port } = free.address() as AddressInfo;
    free.close();
    await once(free, 'close');
    await server.start(port);
    const clients = Array.from({ length: connections }, () => new Hl7Client({ host: '127.0.0.1', port }));
    return {
      lines: clients.map((client) => (message) => client.sendAndWait(Hl7Message.parse(message.toString()))),
      close: async () => {
        await Promise.all(clients.map((client) => client.close()));
        await server.stop();
      },
    };
  },
};

/** Returns the messages acknowledged per second. */
async function measure(contestant: Contestant, connections: number, messages: number): Promise<number> {
  const { lines, close } = await contestant.open(connections);
  const each = Math.ceil(messages / connections);
  const run = async (count: number): Promise<void> => {
    await Promise.all(
      lines.map(async (exchange, line) => {
        for (let i = 0; i < count; i += 1) await exchange(adt(`${line}-${i}`), `${line}-${i}`);
      }),
    );
  };
  // Connects, and warms the code up.
  await run(Math.min(each, 500));
  const started = performance.now();
  await run(each);
  const seconds = (performance.now() - started) / 1000;
  await close();
  return (each * connections) / seconds;
}

export async function mllp({ mllpMessages }: Settings): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const connections of CONNECTIONS) {
    const base = await measure(bare, connections, mllpMessages);
    for (const contestant of [bare, ours, medplum]) {
      const perSecond = contestant === bare ? base : await measure(contestant, connections, mllpMessages);
      figures.push({ what: contestant.what, connections, messages: mllpMessages, perSecond, ofBare: perSecond / base });
    }
  }
  return figures;
}
