/** Starts a sandbox from its parts. */
import { randomBytes, randomUUID } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { ConfigurationError } from '../errors';
import { BodyStore } from './bodies';
import { makeCertificateAuthority, type CertificateAuthority } from './certificates';
import { checkClientCa } from './client-certificates';
import { SandboxClock } from './clock';
import type { SandboxContext } from './context';
import { deliver, expandedBytes, streamOf } from './delivery';
import { dispatcher } from './dispatch';
import { listedMessage } from './endpoints/admin-views';
import { Faults } from './faults';
import { DEFAULT_MAILBOXES, DEFAULT_WORKFLOWS, Mailboxes } from './mailboxes';
import { readableDetails, type Message } from './message';
import { Messages } from './messages';
import { sweep } from './reports';
import { RequestLog } from './request-log';
import { makeRouter } from './routes';
import { Services } from './responders/services';
import { listen, type ServerTls } from './server';
import type { Sandbox, SandboxArrival, SandboxOptions } from './types';
import { UsedTokens } from './used-tokens';
import { Workflows } from './workflows';

/** The default shared key; the NHS's sandbox uses the same in its tests. */
export const DEFAULT_SHARED_KEY = 'TestKey';
/** "The largest data payload the MESH API accepts in a single request is 100MB" (send_message); the smaller reading. */
const MAX_REQUEST_BYTES = 100 * 1000 * 1000;
/** Time between checks for expiry while there are no requests; each request checks as well. */
const SWEEP_INTERVAL_MS = 60 * 1000;

/**
 * Starts a sandbox.
 * @throws ConfigurationError for an invalid option or an address that cannot be used
 */
export async function startSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  const context = makeContext(options);
  const host = options.host ?? '127.0.0.1';
  const mode = options.clientCertificate ?? 'optional';
  const clientCa = options.clientCa ?? 'own';
  const https = (options.protocol ?? 'https') === 'https';
  if (!https && (mode === 'required' || typeof clientCa === 'object')) {
    throw new ConfigurationError('Client certificates need https.');
  }
  if (typeof clientCa === 'object') checkClientCa(clientCa.pem);
  if (options.spoolDir !== undefined) await checkFolder(options.spoolDir);
  const authority = lazyAuthority();
  const tls = https ? await tlsOptions(options, host, authority) : undefined;

  const closing = new AbortController();
  const rules = { mode, checked: clientCa !== 'any' };
  const listener = dispatcher(context, makeRouter(context.admin), rules, closing.signal);
  const newId = (): string => context.messages.newId(context.clock.ms());
  const server = await listen({ host, port: options.port ?? 0, ...(tls ? { tls } : {}) }, listener, newId);
  const timer = setInterval(() => sweep(context), SWEEP_INTERVAL_MS).unref();
  const ownCa = https && !options.tls ? (await authority()).cert : undefined;
  let closed: Promise<void> | undefined;

  return {
    url: server.url,
    instance: randomUUID(),
    sharedKey: context.sharedKey,
    ca: ownCa,
    get mailboxes() {
      return context.mailboxes.list();
    },
    async clientCertificate(certificate) {
      if (!https) throw new ConfigurationError('A sandbox on http has no client certificates.');
      return (await authority()).clientCertificate(certificate);
    },
    clock: context.clock,
    fault: (fault) => context.faults.add(fault),
    clearFaults: () => context.faults.clear(),
    messages: () => [...context.messages.all()].map(listedMessage),
    async deliver({ body, ...headers }) {
      const mailbox = context.mailboxes.get(headers.to);
      if (!mailbox) throw new ConfigurationError(`The sandbox has no mailbox ${headers.to}.`);
      const stored = await context.bodies.write(streamOf(body), Infinity);
      return deliver(context, { ...headers, to: mailbox.mailboxId }, stored).messageId;
    },
    onMessage(listener) {
      const watch = (message: Message): void => listener(arrival(message));
      context.watchers.add(watch);
      return () => context.watchers.delete(watch);
    },
    requests: () => context.log.list(),
    registerWorkflows: (workflowIds) => context.workflows.register(workflowIds),
    addMailbox(mailbox) {
      context.mailboxes.add(mailbox);
      context.services.end(mailbox.mailboxId);
    },
    endService: (mailboxId) => context.services.end(mailboxId),
    setService: (service, settings) => context.services.set(service, settings),
    serviceNotes: () => context.services.notes(),
    setMailboxActive: (mailboxId, active) => context.mailboxes.setActive(mailboxId, active),
    async reset(mailboxId) {
      if (mailboxId === undefined) {
        context.services.forgetAnswers();
        await context.messages.reset();
      } else context.messages.resetMailbox(mailboxId.toUpperCase());
    },
    unref: () => server.unref(),
    close() {
      closed ??= (async () => {
        clearInterval(timer);
        context.services.forgetAnswers();
        closing.abort();
        await server.close();
        await context.bodies.close();
      })();
      return closed;
    },
  };
}

function makeContext(options: SandboxOptions): SandboxContext {
  const mailboxes = new Mailboxes(options.mailboxes ?? DEFAULT_MAILBOXES);
  const sharedKey = options.sharedKey ?? DEFAULT_SHARED_KEY;
  if (sharedKey === '') throw new ConfigurationError('The shared key is empty.');
  const maxRequestBytes = options.maxRequestBytes ?? MAX_REQUEST_BYTES;
  if (!(maxRequestBytes > 0)) throw new ConfigurationError('maxRequestBytes must be above 0.');
  const bodies = new BodyStore(options.spoolDir);
  const clock = new SandboxClock(() => sweep(context));
  const workflows = new Workflows(options.workflows ?? DEFAULT_WORKFLOWS, mailboxes);
  const messages = new Messages(bodies, options.maxFinishedMessages);
  const services = new Services({ clock, mailboxes, workflows, bodies, messages });
  const context: SandboxContext = {
    clock,
    mailboxes,
    workflows,
    bodies,
    messages,
    faults: new Faults(),
    services,
    watchers: new Set(),
    usedTokens: new UsedTokens(),
    log: new RequestLog(),
    sharedKey,
    restrictWorkflows: options.restrictWorkflows ?? false,
    strict: options.strict ?? false,
    trackingLagMs: options.trackingLagMs ?? 0,
    maxRequestBytes,
    admin: options.admin ?? false,
  };
  if (options.nationalServices === true) services.start(() => randomBytes(12).toString('hex'));
  return context;
}

function arrival(message: Message): SandboxArrival {
  const { subject, localId, fileName, contentType, partnerId } = readableDetails(message);
  const payload = expandedBytes(message);
  // Who does not read it need not know that it was deleted.
  payload.catch(() => undefined);
  return { ...listedMessage(message), subject, localId, fileName, contentType, partnerId, payload };
}

async function checkFolder(path: string): Promise<void> {
  const isFolder = await stat(path).then(
    (entry) => entry.isDirectory(),
    () => false,
  );
  if (!isFolder) throw new ConfigurationError(`spoolDir ${path} is not a folder.`);
}

/** Returns a function that makes the CA on first use. */
function lazyAuthority(): () => Promise<CertificateAuthority> {
  let authority: Promise<CertificateAuthority> | undefined;
  return () => (authority ??= makeCertificateAuthority());
}

async function tlsOptions(
  options: SandboxOptions,
  host: string,
  authority: () => Promise<CertificateAuthority>,
): Promise<ServerTls> {
  const pair = options.tls ?? (await (await authority()).serverCertificate(host));
  const { clientCertificate, clientCa = 'own' } = options;
  if (clientCertificate === 'none') return { ...pair, askForCertificate: false };
  if (clientCa === 'any') return { ...pair, askForCertificate: true };
  const ca = clientCa === 'own' ? (await authority()).cert : clientCa.pem;
  return { ...pair, askForCertificate: true, clientCa: ca };
}
