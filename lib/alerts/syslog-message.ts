/**
 * Alerts as messages for a SIEM or a log server: syslog (RFC 5424) with structured data, or ArcSight's Common Event
 * Format (CEF) in a syslog message. Values come from flows and senders: everything that could end a field is escaped,
 * and no line break reaches the wire.
 */
import { hostname } from 'node:os';
import { packageVersion } from '../config';
import type { OutgoingAlert } from './outgoing-alert';

/** `rfc5424`: structured data and a text. `cef`: `CEF:0|…` as the text. */
export type SyslogForm = 'rfc5424' | 'cef';

/** Facilities of RFC 5424, table 1: 13 is “log audit”, 16 is “local use 0”. */
const AUDIT_FACILITY = 13;
const ALERT_FACILITY = 16;
/** Severities of RFC 5424, table 2, and of CEF (0 to 10). */
const SEVERITIES: Record<string, { syslog: number; cef: number }> = {
  critical: { syslog: 2, cef: 9 },
  warning: { syslog: 4, cef: 6 },
};
const NOTICE = { syslog: 5, cef: 3 };
const APP_NAME = 'nhs-mesh';
/**
 * The private enterprise number of RFC 5612, which nobody owns: the SD-ID of who has none. A receiver finds the data by
 * the name before the `@`.
 */
const SD_ID = 'mesh@32473';

/** Returns the severity of an alert in both scales. A condition that is over is only noted. */
function severityOf({ severity = '', event }: OutgoingAlert): { syslog: number; cef: number } {
  if (event === 'recovered') return NOTICE;
  return Object.hasOwn(SEVERITIES, severity) ? (SEVERITIES[severity] ?? NOTICE) : NOTICE;
}

/** Returns an alert as one syslog message, without its framing. The text begins with a BOM where it is not ASCII. */
export function syslogMessage(alert: OutgoingAlert, form: SyslogForm): Buffer {
  const facility = alert.audit === true ? AUDIT_FACILITY : ALERT_FACILITY;
  const priority = facility * 8 + severityOf(alert).syslog;
  const time = new Date(alert.time).toISOString();
  const id = headerField(alert.code ?? alert.event ?? 'alert', 32);
  const header = `<${priority}>1 ${time} ${headerField(hostname(), 255)} ${APP_NAME} ${process.pid} ${id}`;
  if (form === 'cef') return Buffer.from(`${header} - ${cefOf(alert)}`);
  const text = oneLine(alert.text);
  // RFC 5424, section 6.4: UTF-8 is announced by a BOM; ASCII needs none, and old receivers would show it.
  // oxlint-disable-next-line no-control-regex -- ASCII is what it asks about.
  const isAscii = /^[\u0000-\u007F]*$/.test(text);
  return Buffer.from(`${header} ${structuredData(alert)} ${isAscii ? '' : '\uFEFF'}${text}`);
}

/** Returns a field of the header: printable ASCII without blanks, at most `most` characters; `-` for nothing. */
function headerField(value: string, most: number): string {
  return value.replaceAll(/[^\u0021-\u007E]+/g, '_').slice(0, most) || '-';
}

/** Section 6.3: in a value `"`, `\` and `]` are escaped by a backslash. */
function structuredData(alert: OutgoingAlert): string {
  const { id, title, severity, event, code, mailboxId, messageId, workflowId, user } = alert;
  const values = {
    id,
    title,
    severity,
    event,
    code,
    mailbox: mailboxId,
    message: messageId,
    workflow: workflowId,
    user,
  };
  const parameters = Object.entries(values).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}="${oneLine(value).replaceAll(/["\\\]]/g, (special) => `\\${special}`)}"`],
  );
  return `[${SD_ID} ${parameters.join(' ')}]`;
}

/** Implementing ArcSight CEF, version 26: in the header `\` and `|` are escaped, in the extension `\` and `=`. */
function cefOf(alert: OutgoingAlert): string {
  const { id, title, text, time, event, code, mailboxId, messageId, workflowId, user } = alert;
  const head = ['NHS MESH for Node-RED', APP_NAME, packageVersion(), code ?? event ?? 'alert', title]
    .map((field) => oneLine(field).replaceAll(/[\\|]/g, (special) => `\\${special}`))
    .join('|');
  const labelled = (number: number, label: string, value: string | undefined): Record<string, string | undefined> =>
    value === undefined ? {} : { [`cs${number}Label`]: label, [`cs${number}`]: value };
  const extension = {
    rt: String(Date.parse(time)),
    externalId: id,
    dvchost: hostname(),
    cat: event,
    suser: user,
    ...labelled(1, 'mailbox', mailboxId),
    ...labelled(2, 'message', messageId),
    ...labelled(3, 'workflow', workflowId),
    msg: text,
  };
  const pairs = Object.entries(extension).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${oneLine(value).replaceAll(/[\\=]/g, (special) => `\\${special}`)}`],
  );
  return `CEF:0|${head}|${severityOf(alert).cef}|${pairs.join(' ')}`;
}

/** Line breaks and control characters end a message at many receivers, or start a forged one. */
function oneLine(value: string): string {
  // oxlint-disable-next-line no-control-regex -- these are what it removes.
  return value.replaceAll(/[\u0000-\u001F\u007F-\u009F\u2028\u2029]+/g, ' ');
}

/** Returns an alert as one line for the log of a service: `ALERT critical MESH_X mailbox=A message=B: what happened`. */
export function alertLine(alert: OutgoingAlert): string {
  const { id, title, text, severity, event, code, mailboxId, messageId, workflowId, user } = alert;
  const ids = { mailbox: mailboxId, message: messageId, workflow: workflowId, user, id };
  const named = Object.entries(ids).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`]));
  const kind = [alert.audit === true ? 'AUDIT' : 'ALERT', severity, code ?? event].filter((word) => word !== undefined);
  return oneLine(`${[...kind, ...named].join(' ')}: ${text === '' ? title : text}`);
}
