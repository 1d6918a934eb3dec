/** Example flows for journeys: their mailboxes on a sandbox outside Node-RED, which outlives a kill of it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { exampleFlows } from '../harness/node-red';
import type { Sandbox, SandboxMessage } from '../../lib/sandbox';
import { mailboxOn, type MailboxServer } from './support';

type FlowNode = ReturnType<typeof exampleFlows>[number];

/**
 * An example as it is in `examples/`, its mailboxes on `sandbox` and otherwise unchanged. `changes`: properties by node id,
 * e.g. a shorter interval.
 */
export async function exampleOn(
  sandbox: MailboxServer,
  name: string,
  changes: Record<string, object> = {},
): Promise<FlowNode[]> {
  const flow: FlowNode[] = [];
  for (const node of exampleFlows(name)) {
    if (node.type !== 'mesh-config') {
      flow.push({ ...node, ...changes[node.id] });
      continue;
    }
    const [tls, config] = await mailboxOn(sandbox, String(node['mailboxId']));
    const { environment, credentials } = config as unknown as { environment: string; credentials: object };
    const own = `tls-${node.id}`;
    flow.push({ ...tls, id: own, type: 'tls-config' });
    flow.push({ ...node, environment, tls: own, credentials, ...changes[node.id] });
  }
  return flow;
}

/** Waits for something to be so, at most half a minute. */
export async function until<Value>(
  what: string,
  look: () => Value | undefined | Promise<Value | undefined>,
): Promise<NonNullable<Value>> {
  for (const end = Date.now() + 30_000; ;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`not so within 30 s: ${what}`);
    await sleep(30);
  }
}

/**
 * For MESH_TEST_CLOCK: Node-RED's waits of minutes take seconds. The same one for every restart; behind the real time for an
 * hour, so that no upload seems older than its attempt.
 */
export function fastClock(speed = 60): string {
  return `${Date.now()},${Date.now() - 3_600_000 * speed},${speed}`;
}

/** What nobody has collected by now was not collected in five days: MESH makes its reports. */
export function expireAll(sandbox: Sandbox): void {
  sandbox.clock.advance(6 * 24 * 60 * 60 * 1000);
  // Tokens of another time are refused.
  sandbox.clock.set(new Date());
}

/** The data messages that MESH has had for a mailbox. */
export function dataFor(sandbox: Sandbox, mailboxId: string): SandboxMessage[] {
  return sandbox.messages().filter(({ to, messageType }) => to === mailboxId && messageType === 'DATA');
}

/** A webhook on this machine that keeps what it is told. `refuse` has it answer 503. */
export interface Webhook {
  url: string;
  told: Array<Record<string, unknown>>;
  refuse: boolean;
  refused: number;
  close(): Promise<void>;
}

export async function startWebhook(): Promise<Webhook> {
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (piece: Buffer) => (body += piece.toString()));
    request.on('end', () => {
      if (webhook.refuse) webhook.refused += 1;
      else webhook.told.push(JSON.parse(body) as Record<string, unknown>);
      response.writeHead(webhook.refuse ? 503 : 204).end();
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const webhook: Webhook = {
    url: `http://127.0.0.1:${port}/alerts`,
    told: [],
    refuse: false,
    refused: 0,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  return webhook;
}
