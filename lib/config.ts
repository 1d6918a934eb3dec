/**
 * Parses the options of `openMailbox`, once, into a typed configuration. An error names the option and never repeats
 * its value, which may be a secret.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { repairPem } from './pem';
import { ConfigurationError } from './errors';
import { DEFAULT_LEVEL } from './payload/gzip';
import { proxyFromVariables, separateCredentials, type ProxyOptions } from './proxy-variables';
import type { Chunking, Compression } from './types';
import { namedVariable } from './variables';

export type { ProxyOptions };

/** NHS England's environments by name. Source: mesh-api.yaml, "Environments and testing". */
export const ENVIRONMENTS = {
  integration: 'https://msg.intspineservices.nhs.uk',
  live: 'https://mesh-sync.spineservices.nhs.uk',
} as const;

/**
 * Returns which MESH an environment is. `sandbox`: the built-in one, or a server on this machine, however its address is
 * written. `other`: any other URL, which may be a proxy in front of Live.
 */
export function environmentKind(environment: string): 'sandbox' | 'integration' | 'live' | 'other' {
  const name = environment.trim().toLowerCase();
  if (name === 'sandbox' || name === 'integration' || name === 'live') return name;
  const url = URL.parse(environment.trim());
  if (url === null) return 'other';
  if (isThisMachine(url.hostname)) return 'sandbox';
  if (url.hostname === new URL(ENVIRONMENTS.integration).hostname) return 'integration';
  return url.hostname === new URL(ENVIRONMENTS.live).hostname ? 'live' : 'other';
}

/** Returns whether an environment is a sandbox: the built-in one, or a server on this machine. */
export function isSandbox(environment: string): boolean {
  return environmentKind(environment) === 'sandbox';
}

/** `hostname` as the URL parser returns it: an IPv4 address in any notation has four parts, an IPv6 one brackets. */
function isThisMachine(hostname: string): boolean {
  const name = hostname.replace(/\.$/, '');
  return /^(?:(?:.*\.)?localhost|127\.\d+\.\d+\.\d+|0\.0\.0\.0|\[::1?\]|\[::ffff:7f[\da-f]{2}:[\da-f]{1,4}\])$/.test(
    name,
  );
}

/** The largest body of one request: 100 MB (mesh-api.yaml, send_message). */
export const MAX_REQUEST_BYTES = 100_000_000;

/** The default of `maxExpansionRatio`. */
export const DEFAULT_EXPANSION_RATIO = 200;

/** Certificates and keys, in the forms that Node's tls module accepts. Verification cannot be switched off. */
export interface TlsOptions {
  /** PEM of the CA certificates to trust. Default: Node's own and the operating system's. */
  ca?: string | Buffer | Array<string | Buffer>;
  /** PEM of the client certificate, with its chain. */
  cert?: string | Buffer;
  /** PEM of the client certificate's key. */
  key?: string | Buffer;
  /** PKCS#12 file instead of cert and key. */
  pfx?: Buffer;
  /** Passphrase of the key or the PKCS#12 file. */
  passphrase?: string;
  /** Host name to send (SNI) and verify instead of the URL's. */
  servername?: string;
  /** The files that the above were read from: they are read again when they change. Default: nothing is read again. */
  files?: TlsFiles;
}

/** Paths of the files of certificates and keys. */
export interface TlsFiles {
  ca?: string;
  cert?: string;
  key?: string;
  pfx?: string;
}

/** The options of one mailbox. */
export interface MailboxOptions {
  /** `integration`, `live`, or the URL of another MESH server, e.g. a sandbox. */
  environment: string;
  /** The mailbox id; converted to upper case. */
  mailboxId: string;
  /** The mailbox's own password. */
  password: string;
  /** The shared key of the environment. */
  sharedKey: string;
  tls?: TlsOptions;
  /**
   * Default: none. `environment`: the one that HTTPS_PROXY and its kin name, if they do, with the exceptions of
   * NO_PROXY; a server on this machine is reached directly.
   */
  proxy?: ProxyOptions | 'environment';
  /** Whether payloads are compressed in transit, unless a message sets its own. Default `auto`. */
  compression?: Compression;
  /** zlib's level, 1 (fastest) to 9 (smallest). Default 3, see lib/payload/gzip.ts. */
  compressionLevel?: number;
  /**
   * The largest body of one request, compressed or not (bytes). A payload that fits is sent as one request. Default and
   * maximum 100,000,000, MESH's own limit; one NHS client notes 19,000,000 when MESH is reached over the internet
   * instead of HSCN (docs/mesh.md, Chunks).
   */
  maxRequestBytes?: number;
  /**
   * The size of chunks (bytes, uncompressed) of a payload that does not fit one request; smaller if a chunk would not
   * fit one request itself. Default 20,000,000, as in the NHS Java client; MESH requires more than 5 MB. At most three
   * chunks are held in memory.
   */
  chunkBytes?: number;
  /**
   * Whether a payload that does not fit one request may be sent in chunks, unless a message sets its own. Default
   * `allowed`.
   */
  chunks?: Chunking;
  /**
   * The checksum sent with each message, unless a message sets its own. Default `none`: TLS and MESH's own checks
   * protect the transfer. A checksum reads the payload once more and helps only receivers that compare it.
   */
  checksum?: 'none' | 'md5' | 'sha256';
  /**
   * The largest payload (bytes, expanded) that `receive` holds in memory; a larger one must go to a file. Default 256
   * MiB.
   */
  maxBufferBytes?: number;
  /**
   * The largest payload (bytes, expanded) that is received at all; a larger one is a TooLargeError, so that a small
   * message cannot fill the disk. Default 200,000,000,000: MESH accepts messages up to 100 GB.
   */
  maxExpandedBytes?: number;
  /**
   * How many times its size on the way a received payload may expand to, beyond 64 MiB or a twentieth of
   * `maxExpandedBytes` if that is less; more is a TooLargeError. Default 200: most real data reaches 20, padded
   * fixed-width files more; a zip bomb reaches 1032, the limit of deflate (zlib's technical details). 0: no limit.
   */
  maxExpansionRatio?: number;
  /**
   * Whether a received payload must match its `Mex-Content-Checksum` when the algorithm is known: MD5, SHA-1 or SHA-2
   * in hexadecimal. Default true; set false if a sender's checksum covers something other than the payload.
   */
  checkChecksum?: boolean;
  timeouts?: {
    /** Time to connect, TLS included (milliseconds). Default 20,000. */
    connectMs?: number;
    /** Time from the last byte sent to the response's headers (milliseconds). Default 120,000. */
    headersMs?: number;
    /**
     * Time between two pieces of the response's body (milliseconds); twice this for the whole body. A download has no
     * such total limit, but is given up if it stays below 100 bytes a second for this long. Default 120,000.
     */
    bodyMs?: number;
  };
  retry?: {
    /** Number of attempts when repeating is safe. Default 5; 1 switches retries off. */
    attempts?: number;
    /** The first wait is random below this (milliseconds); the bound doubles with each attempt. Default 500. */
    baseMs?: number;
    /** The longest wait (milliseconds). Default 30,000. */
    capMs?: number;
  };
  /**
   * Concurrent requests. Default 1: NHS England's assurance asks for one thread for each mailbox (docs/mesh.md,
   * Assurance).
   */
  connections?: number;
  /** Name and version of the application, e.g. `my-app/1.2`; sent in User-Agent and Mex-ClientVersion. */
  application?: string;
}

/** {@link MailboxOptions} with defaults applied. */
export interface MailboxConfig {
  url: URL;
  mailboxId: string;
  password: string;
  sharedKey: string;
  tls: TlsOptions;
  proxy: ProxyOptions | undefined;
  compression: Compression;
  compressionLevel: number;
  maxRequestBytes: number;
  chunkBytes: number;
  chunks: Chunking;
  checksum: 'none' | 'md5' | 'sha256';
  maxBufferBytes: number;
  maxExpandedBytes: number;
  maxExpansionRatio: number;
  checkChecksum: boolean;
  timeouts: { connectMs: number; headersMs: number; bodyMs: number };
  retry: { attempts: number; baseMs: number; capMs: number };
  connections: number;
  clientVersion: string;
  userAgent: string;
}

const milliseconds = z.number().int().min(1).max(86_400_000);
const path = z.string().min(1);
/** An empty one is a problem that usable-certificates.ts names. */
const pem = z.union([z.string(), z.instanceof(Buffer)]).transform((content) => repairPem(content));

/** Untrimmed: a password may begin or end with a space. */
const secret = z.string().refine((text) => text.trim() !== '' && namedVariable(text) === undefined, 'is missing');

const schema = z.object({
  environment: z.string().trim().min(1),
  mailboxId: z
    .string()
    .trim()
    .regex(/^[A-Za-z0-9_-]{1,100}$/, 'may only contain letters, digits, _ and -'),
  password: secret,
  sharedKey: secret,
  tls: z
    .strictObject({
      ca: z.union([pem, z.array(pem)]),
      cert: pem,
      key: pem,
      pfx: z.instanceof(Buffer),
      passphrase: z.string(),
      servername: z.string().min(1),
      files: z.strictObject({ ca: path, cert: path, key: path, pfx: path }).partial(),
    })
    .partial()
    .default({}),
  proxy: z
    .object({
      url: z.url({ protocol: /^https?$/, error: 'must be an http:// or https:// URL' }),
      username: z.string().optional(),
      password: z.string().optional(),
      noProxy: z.array(z.string()).optional(),
      variable: z.string().optional(),
    })
    .optional(),
  compression: z.enum(['auto', 'always', 'never']).default('auto'),
  compressionLevel: z.number().int().min(1).max(9).default(DEFAULT_LEVEL),
  maxRequestBytes: z.number().int().min(1).max(MAX_REQUEST_BYTES).default(MAX_REQUEST_BYTES),
  chunkBytes: z.number().int().min(1).max(MAX_REQUEST_BYTES).default(20_000_000),
  chunks: z.enum(['allowed', 'never']).default('allowed'),
  checksum: z.enum(['none', 'md5', 'sha256']).default('none'),
  maxBufferBytes: z
    .number()
    .int()
    .min(1)
    .default(256 * 1024 * 1024),
  maxExpandedBytes: z.number().int().min(1).default(200_000_000_000),
  maxExpansionRatio: z.number().min(0).default(DEFAULT_EXPANSION_RATIO),
  checkChecksum: z.boolean().default(true),
  timeouts: z
    .object({
      connectMs: milliseconds.default(20_000),
      headersMs: milliseconds.default(120_000),
      bodyMs: milliseconds.default(120_000),
    })
    .prefault({}),
  retry: z
    .object({
      attempts: z.number().int().min(1).max(100).default(5),
      baseMs: milliseconds.default(500),
      capMs: milliseconds.default(30_000),
    })
    .prefault({}),
  connections: z.number().int().min(1).max(100).default(1),
  application: z
    .string()
    .regex(/^[\x20-\x7e]{0,100}$/, 'may only contain printable ASCII')
    .default(''),
});

/**
 * Checks the options and applies the defaults.
 * @throws ConfigurationError that names every invalid option
 */
export function readMailboxOptions(options: MailboxOptions): MailboxConfig {
  const usesVariables = options.proxy === 'environment';
  const parsed = schema.safeParse(usesVariables ? { ...options, proxy: undefined } : options);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'options'}: ${issue.message}`);
    throw new ConfigurationError(`The mailbox cannot be opened. ${problems.join('; ')}`, {
      advice: 'Correct the options named above.',
    });
  }
  const { environment, application, proxy, tls, ...rest } = parsed.data;
  const clientVersion = `${application ? `${application};` : ''}node-red-nhs-mesh==${packageVersion()}`;
  const url = environmentUrl(environment);
  return {
    ...rest,
    mailboxId: rest.mailboxId.toUpperCase(),
    url,
    tls: tls as TlsOptions,
    proxy: proxyTo(url, usesVariables ? 'environment' : (proxy as ProxyOptions | undefined)),
    clientVersion,
    userAgent: `${clientVersion};N/A;${process.arch};${process.platform};node ${process.version}`,
  };
}

function proxyTo(url: URL, proxy: MailboxOptions['proxy']): ProxyOptions | undefined {
  if (proxy === undefined) return undefined;
  if (proxy !== 'environment') return separateCredentials(proxy);
  return isThisMachine(url.hostname) ? undefined : proxyFromVariables(url);
}

function environmentUrl(environment: string): URL {
  const named = ENVIRONMENTS[environment.toLowerCase() as keyof typeof ENVIRONMENTS];
  const url = URL.parse(named ?? environment);
  if (
    !url ||
    !['http:', 'https:'].includes(url.protocol) ||
    url.search !== '' ||
    url.hash !== '' ||
    url.username !== '' ||
    url.password !== ''
  ) {
    throw new ConfigurationError('environment: is neither integration, live nor an http(s) URL without credentials', {
      advice: 'Choose an environment, or enter the address of a MESH server, e.g. https://localhost:8700.',
    });
  }
  return url;
}

let version: string | undefined;

/** Returns the version in this package's package.json, found from lib/ as well as from dist/lib/. */
export function packageVersion(): string {
  for (const path of ['../package.json', '../../package.json']) {
    if (version !== undefined) break;
    try {
      version = (JSON.parse(readFileSync(join(__dirname, path), 'utf8')) as { version: string }).version;
    } catch {
      // Not in this folder: try one level up.
    }
  }
  return version ?? '0';
}
