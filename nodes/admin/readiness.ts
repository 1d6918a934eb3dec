/**
 * `GET /mesh/ready`, for load balancers and virtual addresses in front of two Node-REDs: 200 while this one can take
 * work, and 503 otherwise. MESH itself does not count: when it is away, the outbox waits here as well as elsewhere, and
 * a balancer would take every instance out. Off unless settings.js has `mesh: { ready: true }`.
 *
 * It has no permission, because balancers have no token: the answer is one of two words, which a connection to the
 * port says as well.
 */
import type { Request, Response } from 'express';
import type { NodeAPI } from 'node-red';
import { allListening } from '../monitor/mllp-listeners';
import { knownMailboxes, type KnownMailbox } from '../mailbox/known-mailboxes';
import { wantsReadiness } from '../mailbox/runtime-settings';
import { safeHeaders } from './response';

/** How long the storage may take to answer (milliseconds): balancers ask every few seconds. */
const STORAGE_MS = 2000;

export function addReadiness(RED: NodeAPI): void {
  if (!wantsReadiness(RED)) return;
  const answer = async (response: Response): Promise<void> => {
    const ready = await isReady(RED);
    safeHeaders(response);
    response.status(ready ? 200 : 503);
    response.type('text/plain').send(ready ? 'ready\n' : 'not ready\n');
  };
  RED.httpAdmin.get('/mesh/ready', (_request: Request, response: Response) => void answer(response));
}

/** True if the storage of each mailbox that nodes use answers, and every MLLP listener takes connections. */
async function isReady(RED: NodeAPI): Promise<boolean> {
  const used = knownMailboxes(RED).filter(({ connection }) => connection.state.kind !== 'idle');
  // Before the flows have started there is none.
  if (used.length === 0 || !allListening()) return false;
  return (await Promise.all(used.map(({ connection }) => hasStorage(connection)))).every(Boolean);
}

async function hasStorage(connection: KnownMailbox['connection']): Promise<boolean> {
  const { kind } = connection.state;
  if (kind !== 'connected' && kind !== 'disconnected') return false;
  const asked = connection.opened().then(async (opened) => {
    await opened?.mailbox.operator.oldestUnacknowledged();
    return opened !== undefined;
  });
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => (timer = setTimeout(resolve, STORAGE_MS, false)));
  return Promise.race([asked.catch(() => false), late]).finally(() => clearTimeout(timer));
}
