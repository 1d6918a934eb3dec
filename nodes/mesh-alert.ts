/**
 * mesh-alert: tells a person by webhook, Microsoft Teams, e-mail, syslog or the log, again and again until the receiver
 * has taken it. What is kept outlives a restart. Outputs: kept, taken, not taken.
 */
/* oxlint-disable promise/no-callback-in-promise -- Node-RED's done() is a callback, and it comes last. */
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Node, NodeAPI, NodeDef, NodeMessage } from 'node-red';
import {
  alertLine,
  AlertQueue,
  ConfigurationError,
  describeAlert,
  describeUse,
  InvalidMessageError,
  openEmail,
  openSyslog,
  openWebhook,
  systemClock,
  type AuditedUse,
  type OpenReceiver,
  type OutgoingAlert,
} from '../lib/index';
import { onUse } from './admin/audit';
import { createNode } from './shared/create-node';
import { onInput } from './shared/on-input';
import { cleanError, errorDetails } from './shared/report-error';
import { choiceSetting, listSetting, numberSetting, textSetting } from './shared/settings';
import { errorStatus, setStatus, shortCount } from './shared/status';
import { certificatesOf, readProxy, readTls } from './shared/tls-and-proxy';
import { evaluateText } from './shared/typed-input';

interface MeshAlertDef extends NodeDef {
  version?: number;
  to?: string;
  tls?: string;
  proxy?: string;
  host?: string;
  port?: string | number;
  security?: string;
  sender?: string;
  recipients?: string;
  syslogHost?: string;
  syslogPort?: string | number;
  transport?: string;
  form?: string;
  /** Also forwards what people do with messages in the sidebar. */
  audit?: boolean;
  title?: string;
  titleType?: string;
  text?: string;
  textType?: string;
  key?: string;
  keyType?: string;
  retrySeconds?: string | number;
}

/** Secrets: the address of a webhook may have a signature in it. */
interface MeshAlertCredentials {
  url?: unknown;
  token?: unknown;
  user?: unknown;
  password?: unknown;
}

const RECEIVERS = ['webhook', 'teams', 'email', 'syslog', 'log'] as const;
const TRANSPORTS = ['tls', 'tcp', 'udp'] as const;
const FORMS = ['rfc5424', 'cef'] as const;
const SECURITIES = ['starttls', 'tls', 'none'] as const;
/** The registered ports: RFC 5425, RFC 6587, RFC 5426. */
const SYSLOG_PORTS = { tls: 6514, tcp: 601, udp: 514 } as const;
/** How long a receiver may take to answer (milliseconds). */
const ANSWER_MS = 30_000;
/** A failed attempt is logged at the first, and then about once an hour. */
const LOG_EVERY_MS = 60 * 60 * 1000;

export = function (RED: NodeAPI): void {
  function MeshAlert(this: Node<MeshAlertCredentials>, config: MeshAlertDef): void {
    const def = createNode(RED, this, config);
    let taken = 0;
    let isClosed = false;

    const show = (queue: AlertQueue): void => {
      const values = { taken: shortCount(taken), waiting: shortCount(queue.waiting) };
      if (queue.waiting > 0)
        setStatus(this, { fill: 'yellow', shape: 'ring', key: 'mesh-alert.status.waiting', values });
      else setStatus(this, { fill: 'green', shape: 'dot', key: 'mesh-alert.status.taken', values });
    };
    const open = async (): Promise<{ queue: AlertQueue; receiver: OpenReceiver }> => {
      const retryMs = retryTime(RED, def);
      const receiver = openReceiver(RED, this, def);
      const log = (error: unknown): void => this.warn(cleanError(RED, error).message);
      const queue = await AlertQueue.open(
        await folderOf(RED, this.id),
        receiver.send,
        {
          taken: (alert) => {
            taken += 1;
            if (isClosed) return;
            show(queue);
            this.send([null, { topic: alert.title, payload: alert, alert }, null]);
          },
          failed: (alert, error, attempt) => {
            if ((attempt - 1) % Math.max(1, Math.round(LOG_EVERY_MS / retryMs)) === 0) log(error);
            if (isClosed) return;
            show(queue);
            if (attempt === 1) this.send([null, null, notTaken(alert, error)]);
          },
          fault: log,
        },
        { clock: systemClock, retryMs },
      );
      return { queue, receiver };
    };
    const notTaken = (alert: OutgoingAlert | undefined, error: unknown): NodeMessage => {
      const { code, message, advice } = errorDetails(RED, error);
      return {
        ...(alert && { topic: alert.title, payload: alert, alert }),
        error: { code, message: advice === undefined ? message : `${message} ${advice}` },
      };
    };

    const opening = open();
    /** A use is in the ledger already: what cannot be kept for the receiver is only logged. */
    const forwardUse = async (use: AuditedUse): Promise<void> => {
      const { queue } = await opening;
      await queue.add(describeUse(use), '');
      if (!isClosed) show(queue);
    };
    const endAudit =
      def.audit === true
        ? onUse((use) => void forwardUse(use).catch((error: unknown) => this.warn(cleanError(RED, error).message)))
        : undefined;
    const close = async (removed: boolean): Promise<void> => {
      endAudit?.();
      // One that could not be opened has said so.
      const opened = await opening.catch(() => undefined);
      await opened?.queue.close();
      await opened?.receiver.close();
      const waiting = opened?.queue.waiting ?? 0;
      if (removed && waiting > 0) this.warn(RED._('mesh-alert.log.removed', { waiting }));
    };
    opening.then(
      ({ queue }) => show(queue),
      (error: unknown) => {
        setStatus(this, errorStatus(error, 'ring'));
        this.error(cleanError(RED, error));
      },
    );

    onInput(RED, this, async (msg, send) => {
      const source = (msg as { error?: { source?: { type?: string } } }).error?.source?.type;
      let opened: Awaited<typeof opening>;
      try {
        opened = await opening;
      } catch (error) {
        // An error of this node that comes back to it by Catch would go round for ever.
        if (source === 'mesh-alert') return;
        const name = this.name === undefined || this.name === '' ? 'mesh alert' : this.name;
        const reason = error instanceof ConfigurationError ? error.message : cleanError(RED, error).message;
        const skipped = new ConfigurationError(RED._('mesh-alert.error.skipped', { name, reason }), {
          advice: RED._('mesh-alert.advice.skipped'),
        });
        send([null, null, { ...msg, ...notTaken(undefined, skipped) }]);
        throw skipped;
      }
      const { queue } = opened;
      const text = (field: 'title' | 'text' | 'key'): Promise<string> =>
        evaluateText(RED, this, msg, { field, value: def[field], type: def[`${field}Type`] });
      const given = { title: await text('title'), text: await text('text') };
      // A list, e.g. of mesh-track, is an alert for each of its messages.
      const parts = Array.isArray(msg.payload) ? msg.payload.map((payload: unknown) => ({ ...msg, payload })) : [msg];
      const kept: OutgoingAlert[] = [];
      for (const part of parts) {
        const content = describeAlert(part, given);
        if (content === undefined) throw new InvalidMessageError(RED._('mesh-alert.error.nothing'));
        const alert = await queue.add(content, (await text('key')) || keyOf(part));
        if (alert !== undefined) kept.push(alert);
      }
      show(queue);
      if (parts.length === 0) return;
      Object.assign(msg, { alert: Array.isArray(msg.payload) ? kept : (kept[0] ?? null) });
      send([msg, null, null]);
    });

    this.on('close', (removed: boolean, done: () => void) => {
      isClosed = true;
      void close(removed).then(done, done);
    });
  }

  RED.nodes.registerType('mesh-alert', MeshAlert, {
    credentials: {
      url: { type: 'password' },
      token: { type: 'password' },
      user: { type: 'text' },
      password: { type: 'password' },
    },
  });
};

function retryTime(RED: NodeAPI, def: MeshAlertDef): number {
  const limits = { fallback: 60, min: 1, max: 86_400 };
  return numberSetting(RED, RED._('mesh-alert.label.retry'), def.retrySeconds, limits) * 1000;
}

/**
 * Returns the receiver that the settings name.
 * @throws ConfigurationError that names the first setting which is blank or wrong
 */
function openReceiver(RED: NodeAPI, node: Node<MeshAlertCredentials>, def: MeshAlertDef): OpenReceiver {
  const required = (field: string, value: unknown): string => {
    const text = textSetting(RED, value);
    if (text !== '') return text;
    const label = RED._(`mesh-alert.label.${field}`);
    throw new ConfigurationError(RED._('mesh-alert.error.blank', { field: label }), {
      advice: RED._('mesh-alert.advice.blank'),
    });
  };
  // Credentials are undefined while none are stored.
  const { url, token, user, password } = (node.credentials as MeshAlertCredentials | undefined) ?? {};
  const to = choiceSetting(RED, RED._('mesh-alert.label.to'), def.to, RECEIVERS);
  if (to === 'log') return openLog(node);
  const tls = readTls(RED, textSetting(RED, def.tls));
  if (to === 'syslog') {
    const transport = choiceSetting(RED, RED._('mesh-alert.label.transport'), def.transport, TRANSPORTS);
    const port = RED._('mesh-alert.label.syslogPort');
    return openSyslog({
      host: required('syslogHost', def.syslogHost),
      port: numberSetting(RED, port, def.syslogPort, { fallback: SYSLOG_PORTS[transport], min: 1, max: 65_535 }),
      transport,
      form: choiceSetting(RED, RED._('mesh-alert.label.form'), def.form, FORMS),
      certificates: tls && certificatesOf(RED, node, tls),
      timeoutMs: ANSWER_MS,
    });
  }
  if (to !== 'email') {
    return openWebhook({
      url: required('url', url),
      form: to === 'teams' ? 'teams' : 'json',
      token: textSetting(RED, token),
      tls,
      proxy: readProxy(RED, textSetting(RED, def.proxy)),
      timeoutMs: ANSWER_MS,
    });
  }
  const { userDir } = RED.settings as { userDir?: string };
  return openEmail({
    host: required('host', def.host),
    port: numberSetting(RED, RED._('mesh-alert.label.port'), def.port, { fallback: 587, min: 1, max: 65_535 }),
    security: choiceSetting(RED, RED._('mesh-alert.label.security'), def.security, SECURITIES),
    user: textSetting(RED, user),
    password: textSetting(RED, password),
    from: required('sender', def.sender),
    to: listSetting(RED, required('recipients', def.recipients)),
    ca: tls?.ca,
    timeoutMs: ANSWER_MS,
    folders: [...(userDir === undefined ? [] : [userDir]), __dirname],
  });
}

/** Returns a receiver that writes into Node-RED's log, which the service's output, journal or event log has. */
function openLog(node: Node): OpenReceiver {
  return {
    send: async (alert) => {
      if (alert.severity === 'critical' && alert.event !== 'recovered') node.error(alertLine(alert));
      else node.warn(alertLine(alert));
    },
    close: async () => undefined,
  };
}

/** Returns the folder of a node's alerts, beside the storage; a Node-RED without a user folder keeps nothing. */
async function folderOf(RED: NodeAPI, id: string): Promise<string> {
  const { userDir } = RED.settings as { userDir?: unknown };
  return typeof userDir === 'string' && userDir !== ''
    ? join(userDir, 'mesh', 'alerts', id.replaceAll(/[^\w-]/g, '_'))
    : mkdtemp(join(tmpdir(), 'node-red-mesh-alerts-'));
}

/**
 * Returns what makes an alert the same as one before: a message of the outbox in the same state, or a received message
 * that was parked. Empty for everything else, which may happen again.
 */
function keyOf(msg: { payload?: unknown }): string {
  const payload = (typeof msg.payload === 'object' ? (msg.payload ?? {}) : {}) as Record<string, unknown>;
  const { id, state, overdue, held, event, reply } = payload;
  if (typeof id !== 'string' || typeof state !== 'string') return '';
  const outcome = /^(infrastructure|business|reply) /.test(String(event)) ? event : undefined;
  // Each stage of the replies is overdue, or negative, by itself.
  const { stage } = (reply ?? {}) as { stage?: unknown };
  return [id, held === true ? 'held' : state, overdue, outcome, stage]
    .filter((part) => typeof part === 'string')
    .join(' ');
}
