/** The limit of small messages: undici alone, with POSTs, or GETs and PUTs, one after the other on one connection. */
import type { Agent } from 'undici';
import { readPart } from '../files';
import { AUTHORIZATION, bareAgent, MAILBOX, sendHeaders, type Address } from '../harness/connection';
import { measured, serve } from '../harness/serve';

let agent: Agent;
let origin: string;

async function listAll(): Promise<string[]> {
  const all: string[] = [];
  for (let path: string | undefined = `${MAILBOX}/inbox`; path;) {
    const { body } = await agent.request({ origin, path, method: 'GET', headers: AUTHORIZATION });
    const page = (await body.json()) as { messages: string[]; links: { next?: string } };
    all.push(...page.messages);
    path = page.links.next;
  }
  return all;
}

serve({
  connect(address: Address) {
    agent = bareAgent(address);
    origin = address.url;
  },
  smallSend: ({ count, file, bytes }: { count: number; file: string; bytes: number }) => {
    const payload = readPart({ file, start: 0, end: bytes });
    const headers = sendHeaders();
    return measured(async () => {
      for (let i = 0; i < count; i += 1) {
        const request = { origin, path: `${MAILBOX}/outbox`, method: 'POST', headers, body: payload } as const;
        const { body } = await agent.request(request);
        await body.json();
      }
      return { bytes: count * bytes, messages: count };
    });
  },
  smallReceive: () =>
    measured(async () => {
      const ids = await listAll();
      let bytes = 0;
      for (const id of ids) {
        const path = `${MAILBOX}/inbox/${id}`;
        const got = await agent.request({ origin, path, method: 'GET', headers: AUTHORIZATION });
        bytes += (await got.body.arrayBuffer()).byteLength;
        const acknowledge = `${path}/status/acknowledged`;
        const put = await agent.request({ origin, path: acknowledge, method: 'PUT', headers: AUTHORIZATION });
        await put.body.dump();
      }
      return { bytes, messages: ids.length };
    }),
});
