/**
 * The connection test: checks each layer separately, from the settings to the workflow, to show which one fails. It
 * sends MESH only a handshake and, if requested, one lookup, and keeps nothing.
 */
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { MeshClient } from '../client/client';
import { codeOf, failureOfTransport, isIssuerCode } from '../client/failures';
import { nameOfProxy } from '../client/proxy-refusal';
import { missingIssuer, nameOf } from '../client/missing-issuer';
import { CertificateFiles, readCertificatesAgain } from '../client/certificate-files';
import { createTransport, TransportFailure, usedProxy } from '../client/transport';
import { machineMs, systemClock } from '../clock';
import { isSandbox, readMailboxOptions, type MailboxConfig, type MailboxOptions, type ProxyOptions } from '../config';
import { MeshError } from '../errors';
import { HealthRecorder, type ClockSkew } from '../monitor/health';
import { MAX_CLOCK_SKEW_MS, NOTABLE_CLOCK_SKEW_MS } from '../protocol/authorization';
import { checkOwnCertificate, day } from './own-certificate';
import { openTcp, openTls, openTlsToProxy, openTunnel, peerOf, resolveName } from './reach';
import { Checklist, failed, passed, skipped, warned, type CheckStep, type CheckStepName, type Finding } from './steps';

/** Options of {@link checkConnection}. */
export interface CheckOptions {
  /** Also looks up which mailboxes receive this workflow. */
  workflowId?: string;
  /** Called with each step as soon as its outcome is known. */
  onStep?(step: CheckStep): void;
  signal?: AbortSignal;
  /** Time limit of a step (milliseconds). Default 10,000. */
  stepMs?: number;
}

/** Runs the test and returns every step, whatever fails; never rejects. */
export async function checkConnection(options: MailboxOptions, check: CheckOptions = {}): Promise<CheckStep[]> {
  const list = new Checklist((step) => check.onStep?.(step));
  const { stepMs = machineMs(10_000) } = check;
  const limit = (): AbortSignal =>
    check.signal ? AbortSignal.any([check.signal, AbortSignal.timeout(stepMs)]) : AbortSignal.timeout(stepMs);
  try {
    const config = readMailboxOptions({
      ...options,
      ...(options.tls && { tls: await readCertificatesAgain(options.tls) }),
      timeouts: { connectMs: stepMs, headersMs: stepMs, bodyMs: stepMs },
      retry: { attempts: 1 },
    });
    const what = isSandbox(config.url.href) ? ', a sandbox on this machine' : '';
    list.add('settings', passed(`Mailbox ${config.mailboxId} at ${config.url.host}${what}.`));
    if (list.add('certificate', checkOwnCertificate(config)) && (await checkConnections(config, list, limit))) {
      await checkRequests(config, list, limit, check.workflowId ?? '');
    }
  } catch (error) {
    list.addFailure(error);
  }
  return list.finish();
}

/** Checks name, TCP, proxy and TLS; returns whether MESH can be reached. */
async function checkConnections(config: MailboxConfig, list: Checklist, limit: () => AbortSignal): Promise<boolean> {
  const proxy = usedProxy(config);
  const open: Duplex[] = [];
  try {
    const connection = await connect(config, proxy, list, limit, open);
    if (connection === undefined) return false;
    if (config.url.protocol === 'http:') {
      for (const step of TLS_STEPS) list.add(step, skipped('Not needed: the address begins with http.'));
      return true;
    }
    try {
      const tunnel = proxy && connection;
      const socket = await openTls(peerOf(config.url), { tunnel, tls: config.tls, url: config.url }, limit());
      open.push(socket);
      addTlsSteps(socket, config, list);
      return true;
    } catch (error) {
      const again = new Checklist(() => undefined);
      const issuer = isIssuerCode(codeOf(error))
        ? await connect(config, proxy, again, limit, open).then((tunnel) => tunnel && missingIssuer(config.url, tunnel))
        : undefined;
      addFailedTls(error, issuer, config, list);
      return false;
    }
  } finally {
    // TLS connections first: Node 24 crashes if the socket below one is destroyed before it.
    for (const socket of open.toReversed()) socket.destroy();
  }
}

/** Opens a connection to MESH on which TLS can begin; undefined if a step failed. */
async function connect(
  config: MailboxConfig,
  proxy: ProxyOptions | undefined,
  list: Checklist,
  limit: () => AbortSignal,
  open: Duplex[],
): Promise<Duplex | undefined> {
  const target = peerOf(config.url);
  const first = proxy ? peerOf(new URL(proxy.url)) : target;
  const what = proxy ? nameOfProxy(proxy) : 'server';
  const attempt = async <T>(
    step: CheckStepName,
    work: Promise<T>,
    finding: (result: T) => Finding,
  ): Promise<T | undefined> => {
    try {
      const result = await work;
      list.add(step, finding(result));
      return result;
    } catch (error) {
      // Until there is a tunnel, the proxy itself is what cannot be reached.
      const reached = step === 'proxy' ? { host: config.url.host, proxy } : { host: `${first.host}:${first.port}` };
      list.add(step, failed(explained(error, config, reached)));
      return undefined;
    }
  };
  const addresses = await attempt('name', resolveName(first, limit()), (count) =>
    passed(`The name ${first.host} of the ${what} has ${count === 1 ? 'an address' : `${count} addresses`}.`),
  );
  if (addresses === undefined) return undefined;
  const tcp = await attempt('tcp', openTcp(first, limit()), () =>
    passed(`The ${what} accepts connections on port ${first.port}.`),
  );
  if (tcp === undefined) return undefined;
  open.push(tcp);
  if (!proxy) {
    const variable = config.proxy?.variable;
    const why =
      variable === undefined ? 'no proxy is configured for this server' : `NO_PROXY excepts it from ${variable}`;
    list.add('proxy', skipped(`Not needed: ${why}.`));
    return tcp;
  }
  const tunnel = (async () => {
    const isTls = new URL(proxy.url).protocol === 'https:';
    return openTunnel(proxy, isTls ? await openTlsToProxy(tcp, first, limit()) : tcp, target, limit());
  })();
  const opened = await attempt('proxy', tunnel, () =>
    passed(`The ${nameOfProxy(proxy)} opens a tunnel to ${config.url.host}.`),
  );
  if (opened) open.push(opened);
  return opened;
}

const TLS_STEPS = ['tls', 'authority', 'server-certificate', 'host-name'] as const;

function addTlsSteps(socket: TLSSocket, config: MailboxConfig, list: Checklist): void {
  const certificate = socket.getPeerCertificate();
  const signer = nameOf(certificate.issuer) ?? 'a CA without a name';
  list.add('tls', passed(`The server speaks ${socket.getProtocol() ?? 'TLS'}.`));
  list.add('authority', passed(`The server’s certificate is signed by ${signer}, which is trusted here.`));
  list.add('server-certificate', passed(`The server’s certificate is valid until ${day(certificate.valid_to)}.`));
  list.add('host-name', passed(`The server’s certificate is for ${config.tls.servername ?? config.url.hostname}.`));
}

/** Adds the steps up to the failed one: OpenSSL checks the signer, then the dates; Node checks the name last. */
function addFailedTls(error: unknown, issuer: string | undefined, config: MailboxConfig, list: Checklist): void {
  const code = codeOf(error);
  const at = isIssuerCode(code) ? 1 : /EXPIRED|NOT_YET_VALID/.test(code) && code.startsWith('CERT_') ? 2 : 0;
  const failing = code === 'ERR_TLS_CERT_ALTNAME_INVALID' || code === 'HOSTNAME_MISMATCH' ? 3 : at;
  for (const step of TLS_STEPS.slice(0, failing)) list.add(step, passed(PASSED_BEFORE[step]));
  list.add(
    TLS_STEPS[failing] ?? 'tls',
    failed(explained(error, config, { host: config.url.host, proxy: usedProxy(config), issuer })),
  );
}

const PASSED_BEFORE = {
  tls: 'The server speaks TLS.',
  authority: 'The server’s certificate is signed by a CA that is trusted here.',
  'server-certificate': 'The server’s certificate is within its dates.',
  'host-name': '',
} as const;

/** Checks clock, handshake and workflow through the client that the nodes use. */
async function checkRequests(
  config: MailboxConfig,
  list: Checklist,
  limit: () => AbortSignal,
  workflowId: string,
): Promise<void> {
  const names = { mailboxId: config.mailboxId, url: config.url.origin };
  const health = new HealthRecorder(names, new CertificateFiles({}), systemClock);
  const transport = health.observe(createTransport(config));
  const client = new MeshClient(config, transport);
  try {
    const handshake = await client.handshake(limit()).then(
      () => passed('MESH accepted the handshake: mailbox id, password and shared key are right.'),
      (error: unknown) =>
        failed(
          isTimeout(error)
            ? explained(noResponse(), config, { host: config.url.host, proxy: usedProxy(config) })
            : error,
        ),
    );
    list.add('clock', clockFinding(health.snapshot(undefined).clockSkew));
    if (!list.add('handshake', handshake)) return;
    list.add(
      'workflow',
      workflowId === ''
        ? skipped('Not needed: no workflow id was entered.')
        : await receivers(client, config, workflowId, limit()),
    );
  } finally {
    await transport.close();
  }
}

function clockFinding(skew: ClockSkew | null): Finding {
  if (skew === null) return skipped('Unknown: the server sent no time.');
  const ms = Math.abs(skew.ms);
  const minutes = Math.round(ms / 60_000);
  if (ms <= NOTABLE_CLOCK_SKEW_MS) return passed('This machine’s clock and the server’s agree.');
  const text = `This machine’s clock is ${minutes} minutes ${skew.ms > 0 ? 'behind' : 'ahead of'} the server’s.`;
  if (ms > MAX_CLOCK_SKEW_MS - 60_000) {
    return {
      outcome: 'failed',
      text,
      advice: 'Set the clock right (NTP): MESH refuses a clock that is two hours off.',
    };
  }
  return warned(text, 'Set the clock right (NTP): once it is two hours off, MESH refuses every request.');
}

async function receivers(
  client: MeshClient,
  { mailboxId }: MailboxConfig,
  workflowId: string,
  signal: AbortSignal,
): Promise<Finding> {
  try {
    const found = await client.searchWorkflow(workflowId, signal);
    if (found.length === 0) {
      return warned('No mailbox of this environment receives the workflow.', 'Check the workflow id’s spelling.');
    }
    const isOurs = found.some((each) => each.mailboxId.toUpperCase() === mailboxId);
    const count = found.length === 1 ? '1 mailbox receives' : `${found.length} mailboxes receive`;
    return passed(`${count} the workflow; this mailbox is ${isOurs ? 'one of them' : 'not one of them'}.`);
  } catch (error) {
    return failed(error);
  }
}

/** Returns the client's own error for a connection to `host` that failed. */
function explained(
  cause: unknown,
  config: MailboxConfig,
  { host, proxy, issuer }: { host: string; proxy?: ProxyOptions | undefined; issuer?: string | undefined },
): MeshError {
  if (cause instanceof MeshError) return cause;
  const context = {
    operation: 'connection test',
    purpose: 'The test stopped here',
    mailboxId: config.mailboxId,
    repeatable: true,
    host,
  };
  return failureOfTransport(context, new TransportFailure(cause, false, { tls: config.tls, proxy }), issuer);
}

function isTimeout(error: unknown): boolean {
  return error instanceof MeshError && error.code === 'MESH_ABORTED';
}

function noResponse(): Error {
  return Object.assign(new Error('no response in time'), { code: 'UND_ERR_HEADERS_TIMEOUT' });
}
