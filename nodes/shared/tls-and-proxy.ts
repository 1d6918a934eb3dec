/** Reads Node-RED's own configuration nodes for TLS and the proxy, as options for openMailbox. */
import { accessSync, constants } from 'node:fs';
import type { Node, NodeAPI } from 'node-red';
import {
  CertificateFiles,
  ConfigurationError,
  namedVariable,
  repairPem,
  requireUsableCertificates,
  type MailboxOptions,
} from '../../lib/index';
import { sharedText } from './texts';

type Tls = NonNullable<MailboxOptions['tls']>;
type Proxy = NonNullable<MailboxOptions['proxy']>;

/** Core's tls-config at runtime (@node-red/nodes/core/network/05-tls.js). 4.1 has neither `pfx` nor `certType`. */
interface TlsConfigNode {
  valid?: boolean;
  verifyservercert?: boolean | string;
  ca?: string | Buffer;
  credentials?: { certdata?: string; keydata?: string };
  addTLSOptions(options: Record<string, unknown>): Record<string, unknown>;
}

/** Its definition, as the flow file has it. */
interface TlsConfigDef {
  id: string;
  certType?: string;
  ca?: unknown;
  cert?: unknown;
  key?: unknown;
  p12?: unknown;
  certEnv?: unknown;
  keyEnv?: unknown;
  caEnv?: unknown;
}

/** Core's http proxy (06-httpproxy.js). */
interface ProxyNode {
  url?: string;
  noproxy?: string[];
  credentials?: { username?: string; password?: string };
}

/**
 * Returns the TLS options of a tls-config; undefined when none is chosen.
 * @throws ConfigurationError when it is missing or invalid, or does not verify the server's certificate
 */
export function readTls(RED: NodeAPI, id: string): Tls | undefined {
  if (id === '') return undefined;
  const node = RED.nodes.getNode(id) as unknown as TlsConfigNode | null;
  if (node === null || typeof node.addTLSOptions !== 'function') {
    throw new ConfigurationError(sharedText(RED, 'error.tls-missing'));
  }
  const def = definitionOf(RED, id);
  // `valid` is false when the node could not read its files, or has a certificate without its key.
  if (node.valid === false) throw new ConfigurationError(invalidText(RED, id, node, def));
  if (node.verifyservercert !== true) throw new ConfigurationError(sharedText(RED, 'error.tls-unverified'));
  const options = node.addTLSOptions({}) as Tls;
  // With PFX, addTLSOptions omits the CA that the node has read.
  const ca = options.ca ?? node.ca;
  if (def?.certType === 'env') requireVariables(RED, def, options);
  const files = def === undefined || def.certType === 'env' ? {} : filesOf(RED, id, def);
  return {
    ...(Object.keys(files).length > 0 && { files }),
    ...(ca && { ca: Array.isArray(ca) ? ca.map((each) => repairPem(each)) : repairPem(ca) }),
    ...(options.cert && { cert: repairPem(options.cert) }),
    ...(options.key && { key: repairPem(options.key) }),
    ...(options.pfx && { pfx: options.pfx }),
    ...(options.passphrase && { passphrase: options.passphrase }),
    ...(options.servername && { servername: options.servername }),
  };
}

/** Returns the definition of a tls-config, which names what its node has read only the contents of. */
function definitionOf(RED: NodeAPI, id: string): TlsConfigDef | undefined {
  const node = RED.nodes.getNode(id) as { _alias?: string } | null;
  let def: TlsConfigDef | undefined;
  RED.nodes.eachNode((each) => {
    // One in a subflow is made from the subflow's own, whose id is its alias.
    if (each.id === id || each.id === node?._alias) def = each;
  });
  return def;
}

/** Says which part of a tls-config is missing or cannot be read: Node-RED's own log has it, with the path. */
function invalidText(RED: NodeAPI, id: string, node: TlsConfigNode, def: TlsConfigDef | undefined): string {
  const files = def === undefined ? {} : filesOf(RED, id, def);
  for (const [part, path] of Object.entries(files)) {
    try {
      accessSync(path, constants.R_OK);
    } catch (error) {
      const { code = 'unknown error' } = error as NodeJS.ErrnoException;
      return sharedText(RED, 'error.tls-unreadable', { part: sharedText(RED, `error.tls-part.${part}`), code });
    }
  }
  const { certdata, keydata } = node.credentials ?? {};
  const [cert, key] = Object.keys(files).length > 0 ? [files.cert, files.key] : [certdata, keydata];
  if (Boolean(cert) === Boolean(key)) return sharedText(RED, 'error.tls-invalid');
  return sharedText(RED, 'error.tls-incomplete', { part: sharedText(RED, `error.tls-part.${cert ? 'key' : 'cert'}`) });
}

/** @throws ConfigurationError that names an environment variable which a tls-config reads, and which is empty or not set */
function requireVariables(RED: NodeAPI, def: TlsConfigDef, options: Tls): void {
  for (const part of ['cert', 'key', 'ca'] as const) {
    const variable = def[`${part}Env`];
    if (typeof variable !== 'string' || variable.trim() === '') continue;
    if (String(options[part] ?? '').trim() !== '') continue;
    const name = sharedText(RED, `error.tls-part.${part}`);
    throw new ConfigurationError(sharedText(RED, 'error.tls-variable', { part: name, variable }));
  }
}

/**
 * Returns the paths of the files that a tls-config has read: it keeps their contents only, from when Node-RED started or
 * the tls-config was last deployed.
 */
function filesOf(RED: NodeAPI, id: string, def: TlsConfigDef): NonNullable<Tls['files']> {
  const node = RED.nodes.getNode(id);
  const [ca, cert, key, pfx] = [def.ca, def.cert, def.key, def.p12].map((path) => pathOf(RED, node, path));
  if (def.certType === 'pfx') return pfx ? { pfx } : ca ? { ca } : {};
  return { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) };
}

/** As Node-RED itself, which replaces a property that is `${VAR}` as a whole by the variable. */
function pathOf(RED: NodeAPI, node: unknown, value: unknown): string {
  if (typeof value !== 'string') return '';
  const variable = namedVariable(value);
  if (variable === undefined) return value.trim();
  const found: unknown = RED.util.evaluateNodeProperty(variable, 'env', node as never, {});
  return typeof found === 'string' ? found.trim() : '';
}

/** The log of a node. */
type Log = Pick<Node, 'log' | 'warn'>;

/** Logs once for each change of certificate files whether they are in use, or why not. */
export function logRenewal(RED: NodeAPI, node: Log, problem: string | null): void {
  if (problem === null) node.log(sharedText(RED, 'log.certificates-renewed'));
  else node.warn(problem);
}

/**
 * Returns the certificates of a node that is no mailbox, read again when their files change, with a log of that.
 * @throws ConfigurationError that says which of them cannot be used, and why
 */
export function certificatesOf(RED: NodeAPI, node: Log, tls: Tls): CertificateFiles {
  requireUsableCertificates(tls, { ca: 'CA', cert: 'certificate', key: 'private key', pfx: 'PFX' });
  const certificates = new CertificateFiles(tls);
  certificates.onChange = (problem) => logRenewal(RED, node, problem);
  return certificates;
}

/**
 * Returns the options of a proxy node; when none is chosen, what environment variables name holds.
 * @throws ConfigurationError when the node is missing or has no URL
 */
export function readProxy(RED: NodeAPI, id: string): Proxy {
  if (id === '') return 'environment';
  const node = RED.nodes.getNode(id) as unknown as ProxyNode | null;
  if (node?.url === undefined || node.url === '') throw new ConfigurationError(sharedText(RED, 'error.proxy-missing'));
  const { username, password } = node.credentials ?? {};
  return {
    url: node.url,
    ...(username && { username }),
    ...(password && { password }),
    ...(node.noproxy && { noProxy: node.noproxy }),
  };
}
