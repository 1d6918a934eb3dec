/**
 * The limits of flows with MLLP, side by side in one process as in one Node-RED. In: a bare MLLP server that answers at
 * once, and bare POSTs of what it received. Out: bare list, GET and PUT, and a bare socket that sends what was received.
 */
import { once } from 'node:events';
import { connect as connectSocket, createServer, type AddressInfo } from 'node:net';
import type { Agent } from 'undici';
import { frame } from '../../lib/mllp/framing';
import { bareAgent, requestHeaders, sendHeaders, type Address } from '../harness/connection';
import { ACCEPTED, END_BLOCK } from '../harness/hl7';
import { measured, serve } from '../harness/serve';

const OUTBOX = '/messageexchange/X26ABC1/outbox';
const INBOX = '/messageexchange/X26ABC2/inbox';
const ANSWER = frame(Buffer.from(ACCEPTED));

let origin: string;
let agent: Agent;

/** Posts one message at a time; the others wait. */
const waiting: Buffer[] = [];
let isPosting = false;
async function postWaiting(): Promise<void> {
  if (isPosting) return;
  isPosting = true;
  const headers = sendHeaders();
  for (let payload = waiting.shift(); payload; payload = waiting.shift()) {
    const { body } = await agent.request({ origin, path: OUTBOX, method: 'POST', headers, body: payload });
    await body.json();
  }
  isPosting = false;
}

/** Sends each message when the one before it was answered, and resolves after the last. */
async function sendReceived(port: number, count: number, received: AsyncIterable<Buffer>): Promise<void> {
  const socket = connectSocket({ port, host: '127.0.0.1', noDelay: true });
  await once(socket, 'connect');
  let sent = 0;
  for await (const message of received) {
    const answer = once(socket, 'data');
    socket.write(frame(message));
    await answer;
    if ((sent += 1) === count) break;
  }
  socket.destroy();
}

serve({
  connect(address: Address) {
    origin = address.url;
    agent = bareAgent(address);
  },
  /** Starts the MLLP server of the way in. */
  async listen() {
    const server = createServer((socket) => {
      let message: Buffer[] = [];
      socket.setNoDelay(true);
      socket.on('data', (chunk: Buffer) => {
        message.push(chunk);
        if (!chunk.includes(END_BLOCK)) return;
        waiting.push(Buffer.concat(message).subarray(1, -2));
        message = [];
        socket.write(ANSWER);
        void postWaiting();
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    return { port: (server.address() as AddressInfo).port };
  },
  /** The CPU time of this process so far (seconds). */
  cpu() {
    const { user, system } = process.cpuUsage();
    return { seconds: (user + system) / 1e6 };
  },
  /** Receives `count` messages and sends them on. */
  out: ({ port, count }: { port: number; count: number }) => {
    const received = new TransformStream<Buffer, Buffer>({}, { highWaterMark: count }, { highWaterMark: count });
    const receive = async (): Promise<number> => {
      const headers = requestHeaders('X26ABC2');
      const writer = received.writable.getWriter();
      let [bytes, done] = [0, 0];
      while (done < count) {
        const { body } = await agent.request({ origin, path: INBOX, method: 'GET', headers });
        const { messages } = (await body.json()) as { messages: string[] };
        for (const id of messages) {
          const path = `${INBOX}/${id}`;
          const got = await agent.request({ origin, path, method: 'GET', headers });
          const message = Buffer.from(await got.body.arrayBuffer());
          const put = await agent.request({ origin, path: `${path}/status/acknowledged`, method: 'PUT', headers });
          await put.body.dump();
          void writer.write(message);
          bytes += message.length;
          done += 1;
        }
      }
      return bytes;
    };
    return measured(async () => {
      const [bytes] = await Promise.all([receive(), sendReceived(port, count, received.readable)]);
      return { bytes, messages: count };
    });
  },
});
