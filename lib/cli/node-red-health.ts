/** Reads `GET /mesh/health` of a running Node-RED, for `nhs-mesh check --monitor --node-red`. */
import { z } from 'zod';
import { readJson } from '../client/body';
import { createTransport, TransportFailure } from '../client/transport';
import { ConfigurationError } from '../errors';
import { proxyFromVariables } from '../proxy-variables';
import { readVariable } from '../variables';
import type { MonitorResult, Performance } from './monitor-line';
import { readOptionFile } from './options';

const CONDITION = z.object({ kind: z.string(), severity: z.enum(['warning', 'critical']), text: z.string() });
/** The part of a mailbox that is read; the counts are there once it is open. */
const MAILBOX = z.object({
  mailboxId: z.string(),
  name: z.string(),
  connection: z.string(),
  conditions: z.array(CONDITION),
  outbox: z.object({ waiting: z.number(), held: z.number() }).optional(),
  inbox: z.object({ waiting: z.number(), parked: z.number(), unclaimed: z.number() }).optional(),
  overdue: z.number().optional(),
  freeBytes: z.number().nullish(),
  health: z.object({ certificate: z.object({ validTo: z.string() }).nullable() }).optional(),
});
type HealthMailbox = z.infer<typeof MAILBOX>;
const HEALTH = z.object({ personMustAct: z.boolean(), mailboxes: z.array(MAILBOX) });

/** How long Node-RED may take to answer (milliseconds): agents give a plug-in ten seconds. */
const ANSWER_MS = 8000;
const DAY_MS = 24 * 60 * 60 * 1000;

/**
 * Asks a Node-RED for its health, and returns what a monitoring system should show.
 * @param address the editor's address, without `/mesh/health`
 * @param caFile PEM of the CAs to trust
 * @throws ConfigurationError when the address is no URL, or the file or MESH_METRICS_TOKEN cannot be used
 */
export async function nodeRedHealth(address: string, caFile: string | undefined): Promise<MonitorResult> {
  const url = URL.parse(address.trim());
  if (url === null || !['http:', 'https:'].includes(url.protocol) || url.search !== '' || url.username !== '') {
    throw new ConfigurationError('--node-red must be the http(s) URL of the editor, without a user or a query.');
  }
  const token = readVariable('MESH_METRICS_TOKEN');
  const ca = caFile === undefined ? undefined : await readOptionFile('ca', caFile);
  const transport = createTransport({
    url: new URL(url.origin),
    tls: ca === undefined ? {} : { ca },
    proxy: proxyFromVariables(url),
    timeouts: { connectMs: ANSWER_MS, headersMs: ANSWER_MS, bodyMs: ANSWER_MS },
    connections: 1,
  });
  try {
    const path = `${url.pathname.replace(/\/+$/, '')}/mesh/health`;
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const { status, body } = await transport.request({ method: 'GET', path, headers });
    const { json } = await readJson(body, ANSWER_MS);
    return status === 200 || status === 503 ? resultOf(json) : { state: 'UNKNOWN', text: refusalOf(status) };
  } catch (error) {
    if (!(error instanceof TransportFailure)) throw error;
    const { code = 'no answer' } = (error.cause ?? {}) as NodeJS.ErrnoException;
    return { state: 'CRITICAL', text: `Node-RED at ${url.host} cannot be reached (${code}).` };
  } finally {
    await transport.close();
  }
}

function refusalOf(status: number): string {
  if (status === 401 || status === 403) {
    return `Node-RED answered ${status}: set MESH_METRICS_TOKEN to a token with the permission mesh.read.`;
  }
  if (status === 404) return 'Node-RED answered 404: switch on “mesh: { metrics: true }” in settings.js.';
  return `Node-RED answered ${status}.`;
}

function resultOf(json: unknown): MonitorResult {
  const health = HEALTH.safeParse(json).data;
  if (health === undefined) return { state: 'UNKNOWN', text: 'The answer is not that of /mesh/health.' };
  const { mailboxes, personMustAct } = health;
  if (mailboxes.length === 0) return { state: 'UNKNOWN', text: 'No mailbox is deployed in this Node-RED.' };
  const found = mailboxes.flatMap(({ mailboxId, name, conditions }) =>
    conditions.map((condition) => ({ ...condition, mailbox: mailboxId || name })),
  );
  const worst = found.find(({ severity }) => severity === 'critical') ?? found[0];
  const performance = mailboxes.flatMap((mailbox) => performanceOf(mailbox));
  if (worst === undefined) {
    const text = `${mailboxes.length} mailbox${mailboxes.length === 1 ? '' : 'es'}, nothing needs a person.`;
    return { state: 'OK', text, performance };
  }
  const more = found.length === 1 ? '' : ` (and ${found.length - 1} more)`;
  const state = worst.severity === 'critical' || personMustAct ? 'CRITICAL' : 'WARNING';
  return { state, text: `${worst.mailbox}: ${worst.text}${more}`, performance };
}

function performanceOf({ mailboxId, outbox, inbox, overdue, freeBytes, health }: HealthMailbox): Performance[] {
  const counts = {
    waiting: outbox?.waiting,
    decision: outbox && inbox && outbox.held + inbox.parked + inbox.unclaimed,
    overdue,
    pending: inbox?.waiting,
  };
  const found = Object.entries(counts).flatMap(([name, value]): Performance[] =>
    value === undefined ? [] : [{ label: `${mailboxId}_${name}`, value, min: 0 }],
  );
  if (typeof freeBytes === 'number') found.push({ label: `${mailboxId}_free`, value: freeBytes, unit: 'B', min: 0 });
  const until = Date.parse(health?.certificate?.validTo ?? '');
  if (!Number.isNaN(until)) {
    const days = Math.floor((until - Date.now()) / DAY_MS);
    found.push({ label: `${mailboxId}_certificate_days`, value: days, warning: '30:', critical: '7:' });
  }
  return found;
}
