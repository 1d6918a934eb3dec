/** The hospital's system on the other side of MLLP: sends messages and waits for each answer, or answers each with AA. */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { frame } from '../../lib/mllp/framing';
import type { Mark } from '../harness/compare';
import { serve } from '../harness/serve';
import { ACCEPTED, admission, END_BLOCK } from '../harness/hl7';

interface Sending {
  port: number;
  connections: number;
  count: number;
  bytes: number;
}

const now = (): number => performance.timeOrigin + performance.now();

serve({
  /** Answers everything with AA on a free port. */
  async listen() {
    const server = createServer((socket) => {
      socket.setNoDelay(true);
      socket.on('data', (chunk: Buffer) => chunk.includes(END_BLOCK) && socket.write(answerTo(chunk)));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    return { port: (server.address() as AddressInfo).port };
  },
  /** Sends `count` messages, on each connection one after the other, and returns when they were answered. */
  async send({ port, connections, count, bytes }: Sending): Promise<Mark> {
    let [next, answered, last] = [0, 0, 0];
    const first = now();
    await Promise.all(
      Array.from({ length: connections }, async () => {
        const socket = connect({ port, host: '127.0.0.1', noDelay: true });
        await once(socket, 'connect');
        while (next < count) {
          next += 1;
          const message = frame(admission(`${process.pid}-${Math.round(first)}-${next}`, bytes));
          const answer = new Promise<Buffer>((resolve) => {
            socket.once('data', resolve);
          });
          socket.write(message);
          if (!(await answer).includes('MSA|AA|')) throw new Error('a message was not accepted');
          answered += 1;
          last = now();
        }
        socket.destroy();
      }),
    );
    return { count: answered, first, last };
  },
});

/** Names the message in MSA-2: a client of ours waits for its own. */
function answerTo(message: Buffer): Buffer {
  const header = message.toString('latin1', 0, message.indexOf('\r'));
  return frame(Buffer.from(ACCEPTED.replace('ID', header.split('|')[9] ?? '')));
}
