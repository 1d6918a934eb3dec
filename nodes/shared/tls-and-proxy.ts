/** Reads Node-RED's own configuration nodes for TLS and the proxy, as options for openMailbox. */
import type { Node, NodeAPI } from 'node-red';
import { CertificateFiles, ConfigurationError, namedVariable, repairPem, type MailboxOptions } from '../../lib/index';
import { sharedText } from './texts';

type Tls = NonNullable<MailboxOptions['tls']>;
type Proxy = NonNullable<MailboxOptions['proxy']>;

/** Core's tls-config at runtime (@node-red/nodes/core/network/05-tls.js). 4.1 has neither `pfx` nor `certType`. */
interface TlsConfigNode {
  valid?: boolean;
  verifyservercert?: boolean | string;
  ca?: string | Buffer;
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
  // `valid` is false when the node could not read its files; it has logged why.
  if (node.valid === false) throw new ConfigurationError(sharedText(RED, 'error.tls-invalid'));
  if (node.verifyservercert !== true) throw new ConfigurationError(sharedText(RED, 'error.tls-unverified'));
  const options = node.addTLSOptions({}) as Tls;
  // With PFX, addTLSOptions omits the CA that the node has read.
  const ca = options.ca ?? node.ca;
  const files = filesOf(RED, id);
  return {
    ...(Object.keys(files).length > 0 && { files }),
    ...(ca && { ca: Array.isArray(ca) ? ca.map(repaired) : repaired(ca) }),
    ...(options.cert && { cert: repaired(options.cert) }),
    ...(options.key && { key: repaired(options.key) }),
    ...(options.pfx && { pfx: options.pfx }),
    ...(options.passphrase && { passphrase: options.passphrase }),
    ...(options.servername && { servername: options.servername }),
  };
}

/**
 * Returns the paths of the files that a tls-config has read: it keeps their contents only, from when Node-RED started or
 * the tls-config was last deployed.
 */
function filesOf(RED: NodeAPI, id: string): NonNullable<Tls['files']> {
  const node = RED.nodes.getNode(id) as { _alias?: string } | null;
  let def: TlsConfigDef | undefined;
  RED.nodes.eachNode((each) => {
    // One in a subflow is made from the subflow's own, whose id is its alias.
    if (each.id === id || each.id === node?._alias) def = each;
  });
  if (def === undefined || def.certType === 'env') return {};
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

/** Returns the certificates of a node that is no mailbox, read again when their files change, with a log of that. */
export function certificatesOf(RED: NodeAPI, node: Log, tls: Tls): CertificateFiles {
  const certificates = new CertificateFiles(tls);
  certificates.onChange = (problem) => logRenewal(RED, node, problem);
  return certificates;
}

/** Certificates from environment variables often arrive without their line breaks. */
const repaired = (pem: string | Buffer): string | Buffer => (typeof pem === 'string' ? repairPem(pem) : pem);

/**
 * Returns the options of a proxy node; undefined when none is chosen.
 * @throws ConfigurationError when the node is missing or has no URL
 */
export function readProxy(RED: NodeAPI, id: string): Proxy | undefined {
  if (id === '') return undefined;
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
