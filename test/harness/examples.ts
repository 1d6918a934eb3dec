/**
 * Example flows for journeys, with their mailboxes on a sandbox outside Node-RED, which survives a kill of Node-RED.
 */
import { createServer } from 'node:http';
import { exampleFlows, type FlowNode } from './node-red';
import type { Sandbox, SandboxMessage } from '../../lib/sandbox';
import { mailboxOn, type MailboxServer } from './flows';
import { listenOn, stopServer } from './ports';

/**
 * Returns an example of `examples/` with its mailboxes on `sandbox`, which gets those that it lacks. `changes` replace
 * properties by node id, e.g. an interval by a shorter one.
 */
export async function exampleOn(
  sandbox: MailboxServer & Partial<Pick<Sandbox, 'mailboxes' | 'addMailbox'>>,
  name: string,
  changes: Record<string, object> = {},
): Promise<FlowNode[]> {
  const flow: FlowNode[] = [];
  for (const node of exampleFlows(name)) {
    if (node.type !== 'mesh-config') {
      flow.push({ ...node, ...changes[node.id] });
      continue;
    }
    const mailboxId = String(node['mailboxId']);
    const isKnown = mailboxId.startsWith('${') || sandbox.mailboxes?.some((each) => each.mailboxId === mailboxId);
    if (isKnown !== true) sandbox.addMailbox?.({ mailboxId, password: 'password' });
    const [tls, config] = await mailboxOn(sandbox, mailboxId);
    const { environment, credentials } = config as unknown as { environment: string; credentials: object };
    const tlsId = `tls-${node.id}`;
    flow.push({ ...tls, id: tlsId, type: 'tls-config' });
    flow.push({ ...node, environment, tls: tlsId, credentials, ...changes[node.id] });
  }
  return flow;
}

/** Lets five days pass at the sandbox, so that messages that were not collected get their reports. */
export function expireAll(sandbox: Sandbox): void {
  sandbox.clock.advance(6 * 24 * 60 * 60 * 1000);
  // A token of another time is refused, so the clock is set back.
  sandbox.clock.set(new Date());
}

/** Returns the data messages that MESH has received for a mailbox. */
export function dataFor(sandbox: Sandbox, mailboxId: string): SandboxMessage[] {
  return sandbox.messages().filter(({ to, messageType }) => to === mailboxId && messageType === 'DATA');
}

/** A webhook on this machine that records what it receives. With `refuse` it responds 503 and counts the request. */
export interface Webhook {
  url: string;
  received: Array<Record<string, unknown>>;
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
      else webhook.received.push(JSON.parse(body) as Record<string, unknown>);
      response.writeHead(webhook.refuse ? 503 : 204).end();
    });
  });
  const webhook: Webhook = {
    url: `http://127.0.0.1:${await listenOn(server)}/alerts`,
    received: [],
    refuse: false,
    refused: 0,
    close: () => stopServer(server),
  };
  return webhook;
}
