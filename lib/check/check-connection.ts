/**
 * The test of a connection: every layer by itself, from the settings to the workflow, so that a person sees which one fails.
 * Nothing is sent to MESH but a handshake and, where asked for, one lookup; nothing is kept.
 */
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { MeshClient } from '../client/client';
import { codeOf, failureOfTransport, isIssuerCode } from '../client/failures';
import { missingIssuer, nameOf } from '../client/missing-issuer';
import { bypassesProxy, createTransport, TransportFailure } from '../client/transport';
import { systemClock } from '../clock';
import { readMailboxOptions, type MailboxConfig, type MailboxOptions, type ProxyOptions } from '../config';
import { MeshError } from '../errors';
import { HealthRecorder, type ClockSkew } from '../monitor/health';
import { MAX_CLOCK_SKEW_MS, NOTABLE_CLOCK_SKEW_MS } from '../protocol/authorization';
import { checkOwnCertificate, day } from './own-certificate';
import { openTcp, openTls, openTlsToProxy, openTunnel, peerOf, resolveName } from './reach';
import { Checklist, failed, passed, skipped, warned, type CheckStep, type CheckStepName, type Finding } from './steps';

/** How to test. */
export interface CheckOptions {
  /** Also asks MESH who receives this workflow. */
  workflowId?: string;
  /** Told of each step as soon as it is known. */
  onStep?(step: CheckStep): void;
  signal?: AbortSignal;
  /** No step takes longer (milliseconds). Default 10,000. */
  stepMs?: number;
}

/** Tells every step, whatever fails; never rejects. */
export async function checkConnection(options: MailboxOptions, check: CheckOptions = {}): Promise<CheckStep[]> {
  const list = new Checklist((step) => check.onStep?.(step));
  const { stepMs = 10_000 } = check;
  const limit = (): AbortSignal =>
    check.signal ? AbortSignal.any([check.signal, AbortSignal.timeout(stepMs)]) : AbortSignal.timeout(stepMs);
  try {
    const config = readMailboxOptions({
      ...options,
      timeouts: { connectMs: stepMs, headersMs: stepMs, bodyMs: stepMs },
      retry: { attempts: 1 },
    });
    list.add('settings', passed(`Mailbox ${config.mailboxId} at ${config.url.host}.`));
    if (list.add('certificate', checkOwnCertificate(config)) && (await isReached(config, list, limit))) {
      await talk(config, list, limit, check.workflowId ?? '');
    }
  } catch (error) {
    list.break(error);
  }
  return list.end();
}

/** Name, TCP, proxy, TLS. */
async function isReached(config: MailboxConfig, list: Checklist, limit: () => AbortSignal): Promise<boolean> {
  const proxy = config.proxy && !bypassesProxy(config.url, config.proxy.noProxy ?? []) ? config.proxy : undefined;
  const open: Duplex[] = [];
  try {
    const through = await connection(config, proxy, list, limit, open);
    if (through === undefined) return false;
    if (config.url.protocol === 'http:') {
      for (const step of TLS_STEPS) list.add(step, skipped('Not used: the address begins with http.'));
      return true;
    }
    try {
      const tunnel = proxy && through;
      const socket = await openTls(peerOf(config.url), { tunnel, tls: config.tls, url: config.url }, limit());
      open.push(socket);
      foundTls(socket, config, list);
      return true;
    } catch (error) {
      const again = new Checklist(() => undefined);
      const issuer = isIssuerCode(codeOf(error))
        ? await connection(config, proxy, again, limit, open).then(
            (tunnel) => tunnel && missingIssuer(config.url, tunnel),
          )
        : undefined;
      failedTls(error, issuer, config, list);
      return false;
    }
  } finally {
    // The uppermost first: Node 24 crashes where the socket below a TLS connection goes before it.
    for (const socket of open.toReversed()) socket.destroy();
  }
}

/** A connection to MESH on which TLS can begin; undefined, and told, where there is none. */
async function connection(
  config: MailboxConfig,
  proxy: ProxyOptions | undefined,
  list: Checklist,
  limit: () => AbortSignal,
  open: Duplex[],
): Promise<Duplex | undefined> {
  const target = peerOf(config.url);
  const first = proxy ? peerOf(new URL(proxy.url)) : target;
  const what = proxy ? 'The proxy' : 'The server';
  const tried = async <T>(
    step: CheckStepName,
    work: Promise<T>,
    told: (made: T) => Finding,
  ): Promise<T | undefined> => {
    try {
      const made = await work;
      list.add(step, told(made));
      return made;
    } catch (error) {
      list.add(step, failed(explained(error, config, `${first.host}:${first.port}`)));
      return undefined;
    }
  };
  const found = await tried('name', resolveName(first, limit()), (count) =>
    passed(`${what}’s name ${first.host} has ${count === 1 ? 'an address' : `${count} addresses`}.`),
  );
  if (found === undefined) return undefined;
  const tcp = await tried('tcp', openTcp(first, limit()), () =>
    passed(`${what} takes connections on port ${first.port}.`),
  );
  if (tcp === undefined) return undefined;
  open.push(tcp);
  if (!proxy) {
    list.add('proxy', skipped('Not used: no proxy is configured for this server.'));
    return tcp;
  }
  const tunnel = (async () => {
    const isTls = new URL(proxy.url).protocol === 'https:';
    return openTunnel(proxy, isTls ? await openTlsToProxy(tcp, first, limit()) : tcp, target, limit());
  })();
  const opened = await tried('proxy', tunnel, () => passed(`The proxy opens a tunnel to ${config.url.host}.`));
  if (opened) open.push(opened);
  return opened;
}

const TLS_STEPS = ['tls', 'authority', 'server-certificate', 'host-name'] as const;

function foundTls(socket: TLSSocket, config: MailboxConfig, list: Checklist): void {
  const certificate = socket.getPeerCertificate();
  const signer = nameOf(certificate.issuer) ?? 'a CA without a name';
  list.add('tls', passed(`${socket.getProtocol() ?? 'TLS'} is spoken.`));
  list.add('authority', passed(`The server’s certificate is signed by ${signer}, which is trusted here.`));
  list.add('server-certificate', passed(`The server’s certificate is valid until ${day(certificate.valid_to)}.`));
  list.add('host-name', passed(`The server’s certificate is for ${config.tls.servername ?? config.url.hostname}.`));
}

/** OpenSSL looks first at the signer, then at the dates; Node looks last at the name. */
function failedTls(error: unknown, issuer: string | undefined, config: MailboxConfig, list: Checklist): void {
  const code = codeOf(error);
  const at = isIssuerCode(code) ? 1 : /EXPIRED|NOT_YET_VALID/.test(code) && code.startsWith('CERT_') ? 2 : 0;
  const failing = code === 'ERR_TLS_CERT_ALTNAME_INVALID' || code === 'HOSTNAME_MISMATCH' ? 3 : at;
  for (const step of TLS_STEPS.slice(0, failing)) list.add(step, passed(BEFORE[step]));
  list.add(TLS_STEPS[failing] ?? 'tls', failed(explained(error, config, config.url.host, issuer)));
}

const BEFORE = {
  tls: 'The server speaks TLS.',
  authority: 'The server’s certificate is signed by a CA that is trusted here.',
  'server-certificate': 'The server’s certificate is within its dates.',
  'host-name': '',
} as const;

/** Clock, handshake and workflow, by the client that everything else uses. */
async function talk(
  config: MailboxConfig,
  list: Checklist,
  limit: () => AbortSignal,
  workflowId: string,
): Promise<void> {
  const names = { mailboxId: config.mailboxId, url: config.url.origin };
  const health = new HealthRecorder(names, {}, systemClock);
  const transport = health.watched(createTransport(config));
  const client = new MeshClient(config, transport);
  try {
    const handshake = await client.handshake(limit()).then(
      () => passed('MESH took the handshake: mailbox id, password and shared key fit.'),
      (error: unknown) => failed(isLate(error) ? explained(lateAnswer(), config, config.url.host) : error),
    );
    list.add('clock', clockFinding(health.snapshot(undefined).clockSkew));
    if (!list.add('handshake', handshake)) return;
    list.add(
      'workflow',
      workflowId === '' ? skipped('No workflow id was given.') : await receivers(client, config, workflowId, limit()),
    );
  } finally {
    await transport.close();
  }
}

function clockFinding(skew: ClockSkew | null): Finding {
  if (skew === null) return skipped('Not known: the server gave no time.');
  const ms = Math.abs(skew.ms);
  const minutes = Math.round(ms / 60_000);
  if (ms <= NOTABLE_CLOCK_SKEW_MS) return passed('This machine’s clock and the server’s agree.');
  const text = `This machine’s clock is ${minutes} minutes ${skew.ms > 0 ? 'behind' : 'ahead of'} the server’s.`;
  if (ms > MAX_CLOCK_SKEW_MS - 60_000) {
    return { outcome: 'failed', text, advice: 'Set the clock right (NTP): MESH refuses what is two hours off.' };
  }
  return warned(text, 'Set the clock right (NTP) before it is two hours off: then MESH refuses every request.');
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
    return passed(
      `${found.length} mailboxes receive the workflow; ours is ${isOurs ? 'one of them' : 'not one of them'}.`,
    );
  } catch (error) {
    return failed(error);
  }
}

/** In the words that the client has for it. */
function explained(cause: unknown, config: MailboxConfig, host: string, issuer?: string): MeshError {
  if (cause instanceof MeshError) return cause;
  const context = {
    operation: 'connection test',
    purpose: 'The test ends here',
    mailboxId: config.mailboxId,
    repeatable: true,
    host,
  };
  return failureOfTransport(context, new TransportFailure(cause, false), issuer);
}

function isLate(error: unknown): boolean {
  return error instanceof MeshError && error.code === 'MESH_ABORTED';
}

function lateAnswer(): Error {
  return Object.assign(new Error('no answer in time'), { code: 'UND_ERR_HEADERS_TIMEOUT' });
}
