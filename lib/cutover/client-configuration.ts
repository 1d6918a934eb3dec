/**
 * The configuration of a MESH Client (`meshclient.cfg`), as mailboxes of this pack: mesh-config nodes for Node-RED's
 * import, and the secrets as environment variables in a file of their own. What cannot be taken is named.
 */
import { dirname, isAbsolute, join, win32 } from 'node:path';
import { clientCertificate } from '../client/client-certificate';
import { ENVIRONMENTS } from '../config';
import { ConfigurationError, printable } from '../errors';
import { readFile } from '../files';
import { readTextXml } from '../folders/text-xml';

/** A mailbox of the client. */
interface ClientMailbox {
  mailboxId: string;
  /** Its password; empty if the file has none. */
  password: string;
  /** Its folder, which contains `in`, `out` and `sent`; empty if the file names none. */
  folder: string;
  /** Whether the client keeps what it has sent, so that it can be adopted from there. */
  keepsSent: boolean;
}

/** What the file says. */
export interface ClientConfiguration {
  /** `integration`, `live`, or an address; empty if the file has none. */
  environment: string;
  sharedKey: string;
  /** Absolute path of the keystore; empty if the file names none. */
  keystore: string;
  keystorePassword: string;
  mailboxes: ClientMailbox[];
  /** What was not taken, each with what to do. */
  notTaken: string[];
}

/** Settings that have no meaning here, or another one, with why. Any other is named too. */
const NOT_TAKEN: Record<string, string> = {
  LogPath: 'Node-RED has a log of its own; what happened to a message is in the ledger.',
  WorkPath: 'Unfinished work is in the storage folder.',
  ProxyPath: 'Enter the proxy in an http proxy node: its address is in proxy.ini.',
  SignalPath: 'Node-RED is stopped by its service.',
  PollPeriod: 'Enter the interval in mesh poll.',
  ProcessingDelay: 'It is not needed.',
  MailboxType: '',
  CollectReport: 'Reports always come out of mesh poll.',
  TransferReport: 'Whether a message was collected is in msg.meshSent and in the sidebar.',
  PollReport: 'The state of the polls is in the sidebar.',
};

/** The client's own servers, which are others than the API's, and which environment each is of. */
const HOSTS: Record<string, string> = {
  'mesh-sync.national.ncrs.nhs.uk': 'live',
  ...Object.fromEntries(Object.entries(ENVIRONMENTS).map(([name, url]) => [new URL(url).hostname, name])),
};

/**
 * Reads the file.
 * @throws ConfigurationError when it cannot be read, or is no configuration of a MESH Client
 */
export async function readClientConfiguration(path: string): Promise<ClientConfiguration> {
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    throw new ConfigurationError(`The configuration cannot be read: ${path} (${error.code ?? error.name}).`);
  });
  const general = new Map<string, string>();
  const clients: Array<Map<string, string>> = [];
  const fail = (reason: string): never => {
    throw new ConfigurationError(`${path} is no configuration of a MESH Client: ${reason}.`);
  };
  readTextXml(bytes, {
    fail,
    open: (at) => {
      if (at[0] !== 'MESHConfig') fail('it does not begin with MESHConfig');
      if (at.length === 2 && at[1] === 'Client') clients.push(new Map());
    },
    close: ([, name = '', inClient], text) => {
      if (inClient === undefined) general.set(name, text);
      else if (name === 'Client') clients.at(-1)?.set(inClient, text);
    },
  });
  return configurationOf(path, general, clients);
}

function configurationOf(
  path: string,
  general: Map<string, string>,
  clients: ReadonlyArray<Map<string, string>>,
): ClientConfiguration {
  const notTaken: string[] = [];
  const take = (from: Map<string, string>, name: string): string => {
    const value = from.get(name) ?? '';
    from.delete(name);
    return value;
  };
  const address = take(general, 'PrimaryURL');
  const keystore = take(general, 'KeyStorePath');
  const mailboxes = clients.map((client): ClientMailbox => {
    const mailbox = {
      mailboxId: take(client, 'ClientIdentity').toUpperCase(),
      password: take(client, 'ClientAuthentication'),
      folder: take(client, 'InterfaceRoot'),
      keepsSent: take(client, 'SaveSent').toUpperCase() === 'Y',
    };
    notTaken.push(...rest(client, mailbox.mailboxId));
    if (!mailbox.keepsSent) {
      notTaken.push(`${mailbox.mailboxId}: SaveSent is not Y, so only the log says what was sent (adopt sent --log).`);
    }
    return mailbox;
  });
  const result = {
    environment: environmentOf(address, notTaken),
    sharedKey: take(general, 'AuthenticationKey'),
    keystore:
      keystore === '' || isAbsolute(keystore) || win32.isAbsolute(keystore) ? keystore : join(dirname(path), keystore),
    keystorePassword: take(general, 'KeyStorePassword'),
    mailboxes,
  };
  general.delete('Client');
  general.delete('');
  if (result.sharedKey === '') {
    notTaken.push(
      'AuthenticationKey: the file has none, the client has it built in. Ask NHS England for the shared key.',
    );
  }
  return { ...result, notTaken: [...rest(general), ...notTaken] };
}

/** Names the settings that were not taken. */
function rest(settings: ReadonlyMap<string, string>, of?: string): string[] {
  return [...settings].flatMap(([name, value]) => {
    const why = NOT_TAKEN[name] ?? 'It has no counterpart that is known here: look it up in the client’s manual.';
    return value === '' || why === '' ? [] : `${of === undefined ? '' : `${of}: `}${printable(name)}: ${why}`;
  });
}

/** Returns the environment that the client's address is of. */
function environmentOf(address: string, notTaken: string[]): string {
  const url = URL.parse(address.includes('://') ? address : `https://${address}`);
  const known = url === null ? undefined : HOSTS[url.hostname.toLowerCase()];
  if (known !== undefined) return known;
  if (url === null || address === '') {
    notTaken.push('PrimaryURL: the file has none. Choose the environment in mesh config.');
    return '';
  }
  if (url.hostname.endsWith('.nhs.uk')) {
    notTaken.push(`PrimaryURL: ${url.host} is not known here. Choose the environment in mesh config.`);
    return '';
  }
  return url.origin;
}

/** A keystore of the client, and whether it can be used. */
export interface Keystore {
  kind: 'pkcs12' | 'pem' | 'jks' | 'jceks' | 'unknown';
  /** Lines for a person: what it is, and what to do. */
  findings: string[];
}

/** `local_id.ods_code.api.mesh-client.nhs.uk`: a certificate for the API (mesh-api.yaml, "Get a TLS certificate"). */
const API_NAME = /^[^.]+\.[^.]+\.api\.mesh-client\.nhs\.uk$/i;

/**
 * Looks at the keystore, and says how it becomes the PEM files that a tls-config takes. Java's own kinds cannot be read
 * here: the command that converts one is named. Nothing of its content is printed but the certificate's name.
 * @throws ConfigurationError when the file cannot be read
 */
export async function readKeystore(path: string, password: string): Promise<Keystore> {
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    throw new ConfigurationError(`The keystore cannot be read: ${path} (${error.code ?? error.name}).`);
  });
  const kind = kindOf(bytes);
  if (kind === 'jks' || kind === 'jceks') {
    return { kind, findings: [`The keystore is ${kind.toUpperCase()}, which only Java can read. ${convert(path)}`] };
  }
  if (kind === 'unknown') {
    return { kind, findings: ['The keystore is neither JKS, PKCS#12 nor PEM. Request a certificate for the API.'] };
  }
  const tls = kind === 'pem' ? { cert: bytes } : { pfx: bytes, passphrase: password };
  const certificate = clientCertificate(tls);
  if (!certificate) {
    const why = 'its password is another one, or it is encrypted in a way that OpenSSL 3 has given up';
    return { kind, findings: [`The keystore cannot be opened: ${why}. ${toPem(path, ' -legacy')}`] };
  }
  const { commonName, validTo } = certificate;
  const findings = [`The certificate ${printable(commonName)} is valid until ${validTo.slice(0, 10)}.`];
  if (!API_NAME.test(commonName)) {
    findings.push(
      'It is no certificate for the API, whose names end with .api.mesh-client.nhs.uk: request one with nhs-mesh csr.',
    );
  }
  if (kind === 'pkcs12') findings.push(toPem(path));
  return { kind, findings };
}

function kindOf(bytes: Buffer): Keystore['kind'] {
  const magic = bytes.length < 4 ? 0 : bytes.readUInt32BE(0);
  if (magic === 0xfeedfeed) return 'jks';
  if (magic === 0xcececece) return 'jceks';
  if (bytes[0] === 0x30) return 'pkcs12';
  return bytes.includes('-----BEGIN ') ? 'pem' : 'unknown';
}

const convert = (path: string): string =>
  'Convert it, with the Java that the client has: keytool -importkeystore ' +
  `-srckeystore "${path}" -destkeystore mesh.p12 -deststoretype PKCS12. Then: ${toPem('mesh.p12')}`;

const toPem = (path: string, more = ''): string =>
  `Make PEM files for the tls-config: openssl pkcs12${more} -in "${path}" -clcerts -nokeys -out mesh-client.crt ` +
  `and openssl pkcs12${more} -in "${path}" -nocerts -nodes -out mesh-client.key.`;

/** Returns the environment variable that has the password of a mailbox, as the command line reads it. */
const passwordVariable = (mailboxId: string): string =>
  `MESH_PASSWORD_${mailboxId.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_')}`;

/**
 * Returns the nodes to import into Node-RED: a tls-config, and a mesh-config for each mailbox. Secrets are in it by the
 * names of their variables only.
 * @param certificates absolute path of the folder with `mesh-client.crt` and `mesh-client.key`
 */
export function mailboxNodes({ environment, mailboxes }: ClientConfiguration, certificates: string): object[] {
  const tls = {
    id: 'mesh-client-tls',
    type: 'tls-config',
    name: 'MESH client certificate',
    cert: join(certificates, 'mesh-client.crt'),
    key: join(certificates, 'mesh-client.key'),
    ca: '',
    servername: '',
    verifyservercert: true,
  };
  const nodes = mailboxes.map(({ mailboxId }) => ({
    id: `mesh-client-${mailboxId.toLowerCase()}`,
    type: 'mesh-config',
    name: mailboxId,
    version: 1,
    environment,
    mailboxId,
    tls: tls.id,
    proxy: '',
    leftToOthers: '',
    leaseMinutes: 60,
    maxDeliveries: 5,
    maxRequestMb: '',
    chunkMb: '',
    compression: 'auto',
    credentials: { password: `\${${passwordVariable(mailboxId)}}`, sharedKey: '${MESH_SHARED_KEY}' },
  }));
  return [tls, ...nodes];
}

/** Returns the secrets as lines for a service's environment file: `NAME="value"`. */
export function secretLines({ sharedKey, keystorePassword, mailboxes }: ClientConfiguration): string {
  const secrets = [
    ['MESH_SHARED_KEY', sharedKey],
    ['MESH_KEY_PASSPHRASE', keystorePassword],
    ...mailboxes.map(({ mailboxId, password }) => [passwordVariable(mailboxId), password]),
  ].filter(([, value]) => value !== '');
  return secrets
    .map(([name = '', value = '']) => `${name}="${value.replaceAll(/["\\$`]/g, String.raw`\$&`)}"\n`)
    .join('');
}
