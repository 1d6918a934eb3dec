/**
 * `GET /mesh/health` (JSON) and `GET /mesh/metrics` (Prometheus' text format) for monitoring systems, behind Node-RED's
 * own authentication with `mesh.read`. Off unless settings.js has `mesh: { metrics: true }` or the environment
 * MESH_METRICS=1. The responses have mailbox ids, states, times and counts, but no secret and no patient data.
 *
 * A new metric is a line in `exposition` (or `addTraffic`); its value comes from monitor/measure.ts.
 */
import type { NodeAPI } from 'node-red';
import type { Counter, Gauge, Registry } from 'prom-client';
import { DEFAULT_LIMITS, LATENCY_BOUNDS, personMustAct, systemClock, type ForgottenMailbox } from '../../lib/index';
import { knownMailboxes } from '../mailbox/known-mailboxes';
import { failHealthWhen, wantsMetrics } from '../mailbox/runtime-settings';
import { cleanError } from '../shared/report-error';
import { forgottenMailboxes } from '../monitor/forgotten-mailboxes';
import { ConditionReporter, type ObservedMailbox } from '../monitor/condition-reporter';
import { environmentLabel, measure, type Measured, type Unmeasured } from '../monitor/measure';
import { adminEndpoint } from './endpoints';
import { safeHeaders, sendJson } from './response';

export function addMonitoring(RED: NodeAPI): void {
  try {
    if (!wantsMetrics(RED)) return;
  } catch (error) {
    // The nodes work without monitoring, and this is no node's error.
    RED.log.error(cleanError(RED, error).message);
    return;
  }
  const monitored = { method: 'get', permission: 'mesh.read', forMonitors: true } as const;
  const forgotten = (): Promise<ForgottenMailbox[]> => forgottenMailboxes(RED);
  const reporter = new ConditionReporter(RED, () => knownMailboxes(RED), DEFAULT_LIMITS, forgotten);
  adminEndpoint(RED, { ...monitored, path: '/mesh/health' }, async ({ response }) => {
    const mailboxes = [...(await reporter.current()), ...idleMailboxes(RED)];
    const mustAct = personMustAct(
      mailboxes.flatMap(({ conditions }) => conditions),
      failHealthWhen(RED),
    );
    const body = { status: isWell(mailboxes) ? 'ok' : 'failing', personMustAct: mustAct, mailboxes };
    sendJson(response, mustAct ? 503 : 200, { ...body, forgotten: await forgotten() });
    return undefined;
  });
  adminEndpoint(RED, { ...monitored, path: '/mesh/metrics' }, async ({ response }) => {
    const mailboxes = await Promise.all(knownMailboxes(RED).map((known) => measure(known)));
    const { contentType, text } = await exposition(mailboxes);
    safeHeaders(response);
    response.set('Content-Type', contentType).send(text);
    return undefined;
  });
}

/** True if every mailbox that a node uses is connected, and neither its inbox nor an output is blocked. */
function isWell(mailboxes: readonly ObservedMailbox[]): boolean {
  return mailboxes.every(
    (each) =>
      (each.connection === 'connected' || each.connection === 'idle') &&
      !each.conditions.some(({ kind }) => ['output', 'inbox-full', 'forgotten'].includes(kind)),
  );
}

/** Returns the mailboxes that no node uses, which have no conditions. */
function idleMailboxes(RED: NodeAPI): ObservedMailbox[] {
  return knownMailboxes(RED)
    .filter(({ connection }) => connection.state.kind === 'idle')
    .map(({ name, environment = '' }) => ({
      mailboxId: '',
      name,
      environment: environmentLabel(environment),
      connection: 'idle',
      status: 'green',
      conditions: [],
    }));
}

/**
 * Loads prom-client at the first request. Every response has a registry of its own, and nothing is kept between them.
 */
async function exposition(mailboxes: Array<Measured | Unmeasured>): Promise<{ contentType: string; text: string }> {
  const prometheus = await import('prom-client');
  const registry = new prometheus.Registry();
  const gauge = gauges(registry, prometheus.Gauge);
  const now = systemClock.now();
  for (const each of mailboxes) {
    const of = { mailbox: each.mailboxId || each.name, environment: each.environment };
    gauge('mesh_connected', '1 if the last handshake succeeded.', of, each.connection === 'connected' ? 1 : 0);
    if (!('health' in each)) continue;
    const { health, outbox, inbox } = each;
    gauge('mesh_outbox_waiting', 'Messages not yet accepted by MESH.', of, outbox.waiting);
    gauge('mesh_outbox_held', 'Messages that need a decision: unknown or parked.', of, outbox.held);
    gauge('mesh_outbox_paused', '1 while sending is paused.', of, outbox.paused ? 1 : 0);
    for (const [state, count] of Object.entries(outbox.byState)) {
      gauge('mesh_outbox_messages', 'Messages in the outbox, by state.', { ...of, state }, count);
    }
    gauge('mesh_overdue', 'Sent messages not collected or acknowledged in time (counted to 1001).', of, each.overdue);
    gauge('mesh_inbox_waiting', 'Received messages with a pending delivery to a flow.', of, inbox.waiting);
    gauge('mesh_inbox_in_flight', 'Messages delivered to a flow and not yet acknowledged.', of, inbox.inFlight);
    gauge('mesh_inbox_unclaimed', 'Messages that no node claims.', of, inbox.unclaimed);
    gauge('mesh_inbox_redelivered', 'Messages in flight that were delivered again.', of, inbox.redelivered);
    gauge('mesh_inbox_parked', 'Received messages that are parked (counted to 1001).', of, inbox.parked);
    gauge('mesh_inbox_parked_bytes', 'Payloads of parked received messages.', of, inbox.parkedBytes);
    gauge('mesh_inbox_full', '1 while nothing is received because of parked messages.', of, inbox.full ? 1 : 0);
    gauge('mesh_outputs_blocked', 'Outputs at which something waits for a wire.', of, each.blockedOutputs.length);
    if (each.freeBytes !== null) {
      gauge('mesh_disk_free_bytes', 'Free bytes in the folder of large payloads.', of, each.freeBytes);
    }
    const age = (name: string, help: string, time: string | null): void => {
      if (time !== null) gauge(name, help, of, (now - Date.parse(time)) / 1000);
    };
    age('mesh_last_poll_age_seconds', 'Time since the inbox was last listed.', health.poll.lastSucceeded);
    age('mesh_last_handshake_age_seconds', 'Time since the last successful handshake.', health.handshake.lastSucceeded);
    if (health.certificate) {
      const left = (Date.parse(health.certificate.validTo) - now) / 1000;
      gauge('mesh_certificate_expires_seconds', 'Time until the client certificate expires.', of, left);
    }
    if (health.clockSkew) {
      gauge('mesh_clock_skew_seconds', 'The server’s clock minus ours.', of, health.clockSkew.ms / 1000);
    }
  }
  addTraffic(registry, prometheus, mailboxes);
  return { contentType: registry.contentType, text: await registry.metrics() };
}

type SetGauge = (name: string, help: string, labels: Record<string, string>, value: number) => void;

function gauges(registry: Registry, Kind: typeof Gauge): SetGauge {
  const made = new Map<string, Gauge>();
  return (name, help, labels, value) => {
    let gauge = made.get(name);
    if (!gauge) {
      gauge = new Kind({ name, help, labelNames: Object.keys(labels), registers: [registry] });
      made.set(name, gauge);
    }
    gauge.set(labels, value);
  };
}

const LATENCY = 'mesh_collected_seconds';

/**
 * Adds the traffic of each mailbox. The library counts it: a histogram of prom-client takes only single observations.
 */
function addTraffic(
  registry: Registry,
  prometheus: { Counter: typeof Counter; Gauge: typeof Gauge },
  mailboxes: Array<Measured | Unmeasured>,
): void {
  const open = mailboxes.filter((each) => 'health' in each);
  const count = (name: string, help: string, of: (traffic: Measured['traffic']) => number): void => {
    const counter = new prometheus.Counter({
      name,
      help,
      labelNames: ['mailbox', 'environment'],
      registers: [registry],
    });
    for (const { mailboxId, environment, traffic } of open) {
      counter.inc({ mailbox: mailboxId, environment }, of(traffic));
    }
  };
  count('mesh_sent_messages_total', 'Accepted by MESH since the mailbox was opened.', ({ sent }) => sent.messages);
  count('mesh_sent_bytes_total', 'Their payloads, before compression.', ({ sent }) => sent.bytes);
  count('mesh_received_messages_total', 'Stored since the mailbox was opened.', ({ received }) => received.messages);
  count('mesh_received_bytes_total', 'Their payloads, decompressed.', ({ received }) => received.bytes);
  count('mesh_forgotten_messages_total', 'Lost by the store, known by its send marks.', ({ forgotten }) => forgotten);
  count('mesh_offered_again_total', 'Offered by MESH after our acknowledgement.', ({ offeredAgain }) => offeredAgain);
  const help = 'Time from accepted by MESH to collected by the recipient, as observed here.';
  const latency = new prometheus.Gauge({ name: LATENCY, help, registers: [registry] });
  const plain = latency.get.bind(latency);
  // prom-client declares its types as numbers, but uses strings.
  latency.get = async () => ({ ...(await plain()), type: 'histogram' as never, values: open.flatMap(latencyOf) });
}

/** Returns the lines of one mailbox. Each bucket includes the ones below it. */
function latencyOf({ mailboxId: mailbox, environment, traffic: { collected } }: Measured): LatencyLine[] {
  let below = 0;
  const buckets = LATENCY_BOUNDS.map((le, at): LatencyLine => {
    below += collected.buckets[at] ?? 0;
    return { metricName: `${LATENCY}_bucket`, labels: { mailbox, environment, le }, value: below };
  });
  return [
    ...buckets,
    { metricName: `${LATENCY}_bucket`, labels: { mailbox, environment, le: '+Inf' }, value: collected.messages },
    { metricName: `${LATENCY}_sum`, labels: { mailbox, environment }, value: collected.totalSeconds },
    { metricName: `${LATENCY}_count`, labels: { mailbox, environment }, value: collected.messages },
  ];
}

interface LatencyLine {
  metricName: string;
  labels: Record<string, string | number>;
  value: number;
}
