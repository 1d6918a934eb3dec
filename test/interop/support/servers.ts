/**
 * The two servers, each with the same ways to it: our client, the official client and raw requests. Each is started
 * once, when a test first needs it; hooks.ts stops them.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openMailbox, type DurableMailbox, type Mailbox, type MailboxOptions, type Storage } from '../../../lib';
import { startSandbox } from '../../../lib/sandbox';
import { makeCertificateAuthority } from '../../../lib/sandbox/certificates';
import { OfficialClient } from './official-client';
import { startOfficialSandbox } from './official-sandbox';
import { rawRequest, type RawResponse, type RawRequest } from './raw-request';

/** Not the default of either sandbox, so that no test passes because of a default. */
export const SHARED_KEY = 'an-interoperation-key';
/** The password of the three mailboxes that both sandboxes have: X26ABC1, X26ABC2 and X26ABC3. */
export const PASSWORD = 'password';

/** Certificates and a key in PEM, and their files. */
interface Certificates {
  ca: string;
  cert: string;
  key: string;
  files: { ca: string; cert: string; key: string };
}

/** A server and the ways to it. */
export interface Server {
  readonly name: 'official sandbox' | 'our sandbox';
  readonly url: string;
  readonly tls: Certificates;
  /** Opens a mailbox with our client. {@link stopServers} closes it. */
  mailbox(mailboxId: string, options?: Partial<MailboxOptions>): Mailbox;
  /** Opens a mailbox with storage. */
  durable(mailboxId: string, storage: Storage): DurableMailbox;
  /** Returns the official client of a mailbox, which is created once. */
  official(mailboxId: string): OfficialClient;
  /** Creates an official client with other credentials, which the caller closes. */
  officialWith(mailboxId: string, credentials: { password?: string; sharedKey?: string }): OfficialClient;
  /** Sends a raw request. */
  raw(request: RawRequest): Promise<RawResponse>;
  /** Removes all messages. */
  reset(): Promise<void>;
}

let folder: Promise<string> | undefined;
let official: Promise<Server> | undefined;
let ours: Promise<Server> | undefined;
const closers: Array<() => Promise<unknown>> = [];

/** Returns a folder for the tests' files, which is removed at the end. */
export function workFolder(): Promise<string> {
  folder ??= mkdtemp(join(tmpdir(), 'mesh-interop-'));
  return folder;
}

export function officialSandbox(): Promise<Server> {
  official ??= startOfficial();
  return official;
}

export function ourSandbox(): Promise<Server> {
  ours ??= startOurs();
  return ours;
}

/** Stops everything that was started here, and removes the work folder. */
export async function stopServers(): Promise<void> {
  for (const close of closers.splice(0).toReversed()) await close();
  if (folder) await rm(await folder, { recursive: true, force: true });
  official = ours = folder = undefined;
}

async function startOfficial(): Promise<Server> {
  const authority = await makeCertificateAuthority('Interoperation CA');
  const server = await authority.serverCertificate('127.0.0.1');
  const at = await workFolder();
  const cert = join(at, 'official-server.pem');
  const key = join(at, 'official-server.key');
  await writeFile(cert, server.cert);
  await writeFile(key, server.key, { mode: 0o600 });
  const tls = await certificates('official', authority.cert, await authority.clientCertificate());
  const running = await startOfficialSandbox({ sharedKey: SHARED_KEY, cert, key, clientCa: tls.files.ca });
  closers.push(() => running.stop());
  return reachable('official sandbox', running.url, tls);
}

async function startOurs(): Promise<Server> {
  const sandbox = await startSandbox({ sharedKey: SHARED_KEY, admin: true, clientCertificate: 'required' });
  closers.push(() => sandbox.close());
  const tls = await certificates('ours', sandbox.ca ?? '', await sandbox.clientCertificate());
  return reachable('our sandbox', sandbox.url, tls);
}

async function certificates(name: string, ca: string, pair: { cert: string; key: string }): Promise<Certificates> {
  const at = await workFolder();
  const files = { ca: join(at, `${name}-ca.pem`), cert: join(at, `${name}.pem`), key: join(at, `${name}.key`) };
  await writeFile(files.ca, ca);
  await writeFile(files.cert, pair.cert);
  await writeFile(files.key, pair.key, { mode: 0o600 });
  return { ca, ...pair, files };
}

function reachable(name: Server['name'], url: string, tls: Certificates): Server {
  const { ca, cert, key } = tls;
  const access = (mailboxId: string): MailboxOptions => ({
    environment: url,
    mailboxId,
    password: PASSWORD,
    sharedKey: SHARED_KEY,
    tls: { ca, cert, key },
  });
  const officialClients = new Map<string, OfficialClient>();
  const officialWith: Server['officialWith'] = (mailboxId, credentials) =>
    new OfficialClient({ url, mailboxId, password: PASSWORD, sharedKey: SHARED_KEY, ...tls.files, ...credentials });
  const raw: Server['raw'] = (request) => rawRequest({ url, tls: { ca, cert, key } }, request);
  return {
    name,
    url,
    tls,
    durable(mailboxId, storage) {
      const mailbox = openMailbox({ ...access(mailboxId), storage });
      closers.push(() => mailbox.close());
      return mailbox;
    },
    mailbox(mailboxId, options) {
      const mailbox = openMailbox({ ...access(mailboxId), ...options });
      closers.push(() => mailbox.close());
      return mailbox;
    },
    official(mailboxId) {
      const known = officialClients.get(mailboxId) ?? officialWith(mailboxId, {});
      if (!officialClients.has(mailboxId)) closers.push(() => known.close());
      officialClients.set(mailboxId, known);
      return known;
    },
    officialWith,
    raw,
    async reset() {
      await raw({ method: 'DELETE', path: '/messageexchange/admin/reset' });
    },
  };
}
