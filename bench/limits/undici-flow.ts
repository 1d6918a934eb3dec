/**
 * The limit of a flow: undici alone sends and receives the same messages, one request at a time on one connection in
 * each direction, side by side in one process as in one Node-RED.
 */
import type { Agent } from 'undici';
import { readPart } from '../files';
import { bareAgent, requestHeaders, sendHeaders, type Address } from '../harness/connection';
import { measured, serve } from '../harness/serve';

const OUTBOX = '/messageexchange/X26ABC1/outbox';
const INBOX = '/messageexchange/X26ABC2/inbox';

let origin: string;
let sender: Agent;
let receiver: Agent;

async function sendAll(count: number, payload: Buffer): Promise<void> {
  const headers = sendHeaders();
  for (let i = 0; i < count; i += 1) {
    const { body } = await sender.request({ origin, path: OUTBOX, method: 'POST', headers, body: payload });
    await body.json();
  }
}

/** Lists, downloads and acknowledges until `count` messages have come; returns their bytes. */
async function receiveAll(count: number): Promise<number> {
  const headers = requestHeaders('X26ABC2');
  let [bytes, received] = [0, 0];
  while (received < count) {
    const { body } = await receiver.request({ origin, path: INBOX, method: 'GET', headers });
    const { messages } = (await body.json()) as { messages: string[] };
    for (const id of messages) {
      const path = `${INBOX}/${id}`;
      const got = await receiver.request({ origin, path, method: 'GET', headers });
      bytes += (await got.body.arrayBuffer()).byteLength;
      const put = await receiver.request({ origin, path: `${path}/status/acknowledged`, method: 'PUT', headers });
      await put.body.dump();
      received += 1;
    }
  }
  return bytes;
}

serve({
  connect(address: Address) {
    origin = address.url;
    [sender, receiver] = [bareAgent(address), bareAgent(address)];
  },
  flow: ({ count, file, bytes }: { count: number; file: string; bytes: number }) => {
    const payload = readPart({ file, start: 0, end: bytes });
    return measured(async () => {
      const [received] = await Promise.all([receiveAll(count), sendAll(count, payload)]);
      return { bytes: received, messages: count };
    });
  },
});
