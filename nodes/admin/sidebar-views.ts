/**
 * Views of the sidebar, with `mesh.read`. No response has a subject, file name, local id or payload, nor an address that
 * is no mailbox id.
 */
import type { NodeAPI } from 'node-red';
import {
  ledgerHead,
  ledgerLine,
  certificateAndClockSeverity,
  DEFAULT_LIMITS,
  findConditions,
  isSandbox,
  NotFoundError,
  SHOWN_STATES,
  systemClock,
  type Condition,
  type ConditionKind,
  type LedgerFormat,
  type MailboxHealth,
} from '../../lib/index';
import type { Connection, ConnectionState } from '../mailbox/connection';
import { knownMailboxes, type KnownMailbox } from '../mailbox/known-mailboxes';
import { measure, observationOf, type Measured } from '../monitor/measure';
import { errorDetails } from '../shared/report-error';
import { namingSandbox } from '../shared/status';
import { adminEndpoint, hasAdminAuth, payloadNeedsUser, type AdminRequest } from './endpoints';
import { listedMessage } from './listed-message';
import { safeHeaders } from './response';
import { dayOf } from './sidebar-activity';
import { messageOf, openedMailbox } from './sidebar-paths';

const MAILBOX = '/mesh/mailboxes/:id';
const MAX_DAYS = 400;
const DAY_MS = 24 * 60 * 60 * 1000;

export function viewEndpoints(RED: NodeAPI): void {
  const read = { method: 'get', permission: 'mesh.read' } as const;

  adminEndpoint(RED, { ...read, path: '/mesh/mailboxes' }, async () => ({
    now: new Date(systemClock.now()).toISOString(),
    states: SHOWN_STATES,
    mailboxes: await Promise.all(knownMailboxes(RED).map((known) => snapshot(RED, known))),
  }));

  adminEndpoint(RED, { ...read, path: `${MAILBOX}/activity` }, async (request) =>
    dayOf((await openedMailbox(RED, request)).mailbox),
  );

  adminEndpoint(RED, { ...read, path: `${MAILBOX}/messages` }, async (request) => {
    const { mailbox } = await openedMailbox(RED, request);
    const { direction, filter, search, before } = request.query;
    const page = await mailbox.operator.list({
      direction: direction === 'in' ? 'in' : 'out',
      ...(filter === undefined ? {} : { filter }),
      ...(search === undefined ? {} : { search: search.slice(0, 200) }),
      ...(before === undefined ? {} : { before }),
    });
    return { ...page, messages: page.messages.map(listedMessage) };
  });

  adminEndpoint(RED, { ...read, path: `${MAILBOX}/messages/:direction/:reference` }, async (request) => {
    const { mailbox } = await openedMailbox(RED, request);
    const { direction, reference } = messageOf(request);
    const found = await mailbox.operator.message(direction, reference);
    if (!found) throw new NotFoundError('This message is not, or no longer, in the store of this mailbox.');
    return { ...found, message: listedMessage(found.message) };
  });

  const ledger = {
    ...read,
    path: `${MAILBOX}/ledger`,
    download: (request: AdminRequest) => openedMailbox(RED, request),
  };
  adminEndpoint(RED, ledger, async (request) => {
    const { mailbox } = await openedMailbox(RED, request);
    const format: LedgerFormat = request.query['format'] === 'jsonl' ? 'jsonl' : 'csv';
    const days = Math.min(MAX_DAYS, Math.max(1, Number(request.query['days']) || 1));
    const { response, signal } = request;
    safeHeaders(response);
    response.set({
      'Content-Type': format === 'csv' ? 'text/csv; charset=utf-8' : 'application/x-ndjson; charset=utf-8',
      'Content-Disposition': `attachment; filename="mesh-ledger.${format}"`,
    });
    response.write(ledgerHead(format));
    const now = systemClock.now();
    for await (const line of mailbox.outbox.ledger({ from: now - days * DAY_MS, to: now + 1 })) {
      if (signal.aborted) return undefined;
      if (!response.write(ledgerLine(line, format))) await drained(response, signal);
    }
    response.end();
    return undefined;
  });
}

/** The state of a mailbox. An unknown value is null. */
async function snapshot(RED: NodeAPI, known: KnownMailbox): Promise<object> {
  const { id, name, environment: setting = '', connection } = known;
  const common = {
    id,
    name,
    isSandbox: isSandbox(setting),
    connection: connectionView(RED, connection.state, isSandbox(setting)),
    sending: connection.sending ?? null,
  };
  const opened = await connection.opened();
  if (!opened) return common;
  const { mailbox, poller, environment } = opened;
  const [counts, measured, sending] = await Promise.all([
    mailbox.operator.counts(),
    measure(known),
    // At most two are being sent, so that three show the progress of all.
    mailbox.outbox.list({ states: ['sending'] }, { limit: 3 }),
  ]);
  const health = mailbox.health();
  const { polling, leased, pending, unclaimed, progress = null } = poller.state();
  return {
    ...common,
    connection: connectionView(RED, shownConnection(connection, health), isSandbox(setting)),
    mailboxId: mailbox.mailboxId,
    environment,
    payload: payloadNeedsUser(environment) && !hasAdminAuth(RED) ? 'no-admin-auth' : 'permission',
    health,
    levels: certificateAndClockSeverity({ now: systemClock.now(), health }),
    conditions: 'health' in measured ? conditionsOf(measured) : [],
    counts: { sent: counts.sent.messages, received: counts.attention },
    inbox: { polling, inFlight: leased, waiting: pending, unclaimed, progress },
    transfers: sending.filter(({ totalChunks = 1 }) => totalChunks > 1),
  };
}

/**
 * The connection as the newest evidence shows it: a handshake of this morning does not make up for a poll that failed
 * since, or for sending that is paused. `impaired`: MESH is reached, but something does not work.
 */
function shownConnection({ state, sending }: Connection, health: MailboxHealth): ShownConnection {
  if (state.kind !== 'connected') return state;
  const faults = [sending?.storeError, sending?.paused?.error, health.poll.error, health.handshake.error];
  const fault = faults.find((each) => each !== undefined && each !== null);
  if (!fault) return state;
  return NOT_REACHED.has(fault.code) ? { kind: 'disconnected' } : { kind: 'impaired' };
}

/** The codes of errors which say that MESH is not reached. */
const NOT_REACHED: ReadonlySet<string> = new Set(['MESH_CONNECTION', 'MESH_TLS', 'MESH_UNAVAILABLE', 'MESH_PROTOCOL']);

/** Without an error: those that it is drawn from are in the view themselves. */
type ShownConnection = ConnectionState | { kind: 'disconnected' | 'impaired' };

/** Conditions that the sidebar shows beside the value, or in the count, that they are about. */
const SHOWN_ELSEWHERE: ReadonlySet<ConditionKind> = new Set<ConditionKind>([
  'handshake',
  'polling',
  'certificate',
  'clock',
  'held',
  'unknown',
  'overdue',
  'parked',
]);

/** Returns the conditions that are shown in words. */
function conditionsOf(measured: Measured): Array<Pick<Condition, 'kind' | 'severity' | 'text' | 'advice'>> {
  const now = systemClock.now();
  return findConditions(observationOf(measured, now, now), DEFAULT_LIMITS)
    .filter(({ kind }) => !SHOWN_ELSEWHERE.has(kind))
    .map(({ kind, severity, text, advice }) => ({ kind, severity, text, advice }));
}

function connectionView(RED: NodeAPI, state: ShownConnection, inSandbox: boolean): object {
  if (!('error' in state)) return { kind: state.kind };
  const { message, ...details } = errorDetails(RED, state.error);
  return { kind: state.kind, error: { ...details, message: inSandbox ? namingSandbox(RED, message) : message } };
}

/** Resolves when the response accepts more data, or the client has disconnected. */
export function drained(
  response: { once(event: 'drain', listener: () => void): unknown },
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve) => {
    response.once('drain', resolve);
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
