/** Sends alerts by e-mail. nodemailer is optional: who sends no e-mail need not install it. */
import { createRequire } from 'node:module';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { ConfigurationError } from '../errors';
import { AlertError } from './alert-queue';
import type { OutgoingAlert } from './outgoing-alert';
import type { OpenReceiver } from './webhook';

export interface EmailOptions {
  host: string;
  port: number;
  /** `starttls`: required, never plain. `none`: for a server on this machine or in a trusted network. */
  security: 'starttls' | 'tls' | 'none';
  user: string;
  password: string;
  from: string;
  to: string[];
  /** The CA of the server; default: those of Node. */
  ca?: string | Buffer | Array<string | Buffer> | undefined;
  timeoutMs: number;
  /** Folders in whose node_modules nodemailer may be. */
  folders: string[];
}

/** The part of nodemailer that is used. */
interface Nodemailer {
  createTransport(options: object): {
    sendMail(mail: object): Promise<{ rejected?: unknown[] }>;
    close(): void;
  };
}

/**
 * Returns a receiver that sends by SMTP.
 * @throws ConfigurationError with the command that installs nodemailer, when it is not installed
 */
export function openEmail(options: EmailOptions): OpenReceiver {
  const { host, port, security, user, password, from, to, ca, timeoutMs, folders } = options;
  const transport = loadNodemailer(folders).createTransport({
    host,
    port,
    secure: security === 'tls',
    requireTLS: security === 'starttls',
    ignoreTLS: security === 'none',
    tls: { minVersion: 'TLSv1.2', ...(ca !== undefined && { ca }) },
    ...(user !== '' && { auth: { user, pass: password } }),
    connectionTimeout: timeoutMs,
    greetingTimeout: timeoutMs,
    socketTimeout: timeoutMs,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return {
    send: async (alert, signal) => {
      const aborted = new Promise<never>((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(new AlertError('stopped')), { once: true });
      });
      const sent = transport.sendMail({ from, to, ...mailOf(alert) }).catch((cause: unknown) => {
        throw notSent(host, cause);
      });
      const { rejected = [] } = await Promise.race([sent, aborted]);
      if (rejected.length > 0) {
        throw new AlertError(`The mail server ${host} refused ${rejected.length} of the recipients of an alert.`, {
          advice: 'Check the addresses in the node. The alert is sent again, to all of them.',
        });
      }
    },
    close: async () => transport.close(),
  };
}

/** @throws ConfigurationError when none of the folders has it */
function loadNodemailer(folders: string[]): Nodemailer {
  for (const folder of folders) {
    try {
      return createRequire(join(folder, 'package.json'))('nodemailer') as Nodemailer;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error;
    }
  }
  throw new ConfigurationError('Alerts by e-mail need the package nodemailer, which is not installed.', {
    advice: 'In the user folder of Node-RED run “npm install nodemailer”, then restart Node-RED.',
  });
}

function mailOf({ id, title, text, time, severity, code, mailboxId, messageId, workflowId }: OutgoingAlert): object {
  const facts = {
    Time: time,
    Severity: severity,
    Code: code,
    Mailbox: mailboxId,
    Message: messageId,
    Workflow: workflowId,
  };
  const lines = Object.entries(facts).flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${value}`]));
  // The same Message-ID at every attempt: most mail systems show a repeat once.
  return { subject: title, text: [text, '', ...lines].join('\n'), messageId: `<${id}@${hostname()}>` };
}

function notSent(host: string, cause: unknown): AlertError {
  const { code = 'no answer', responseCode } = cause as { code?: string; responseCode?: number };
  return new AlertError(`The mail server ${host} did not take an alert (${responseCode ?? code}).`, {
    cause,
    advice: 'Check the server, its port, its security and the user in the node. The alert is sent again.',
    isUnreachable: responseCode === undefined,
  });
}
