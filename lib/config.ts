/**
 * Options in, typed configuration out. Everything that `openMailbox` is given passes through here once; what is wrong
 * gets a ConfigurationError that names the option and never repeats its value, which may be a secret.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { ConfigurationError } from './errors';
import { DEFAULT_LEVEL } from './payload/gzip';
import type { Chunking, Compression } from './types';

/** NHS England's environments by name. Source: mesh-api.yaml, "Environments and testing". */
export const ENVIRONMENTS = {
  integration: 'https://msg.intspineservices.nhs.uk',
  live: 'https://mesh-sync.spineservices.nhs.uk',
} as const;

/** One request may carry 100 MB (mesh-api.yaml, send_message). */
export const MAX_REQUEST_BYTES = 100_000_000;

/** Certificates and keys, as Node's tls module takes them. Verification cannot be switched off. */
export interface TlsOptions {
  /** PEM of the CA certificates to trust. Default: Node's own and the operating system's. */
  ca?: string | Buffer | Array<string | Buffer>;
  /** PEM of the client certificate, with its chain. */
  cert?: string | Buffer;
  /** PEM of the client certificate's key. */
  key?: string | Buffer;
  /** PKCS#12 file instead of cert and key. */
  pfx?: Buffer;
  /** Of the key or the PKCS#12 file. */
  passphrase?: string;
  /** Host name to verify instead of the URL's (SNI). */
  servername?: string;
}

/** An HTTP proxy between here and MESH. */
export interface ProxyOptions {
  /** `http://host:port` or `https://host:port`. */
  url: string;
  username?: string;
  password?: string;
  /** Hosts that are reached directly: `host`, `.domain`, `*.domain`, `host:port` or `*`. */
  noProxy?: readonly string[];
}

/** Everything that one mailbox needs. */
export interface MailboxOptions {
  /** `integration`, `live`, or the URL of another MESH, e.g. a sandbox. */
  environment: string;
  /** The mailbox id; upper case is made of it. */
  mailboxId: string;
  /** The mailbox's own password. */
  password: string;
  /** The shared key of the environment. */
  sharedKey: string;
  tls?: TlsOptions;
  proxy?: ProxyOptions;
  /** Whether payloads are compressed on the way, unless a message says otherwise. Default `auto`. */
  compression?: Compression;
  /** zlib's, 1 (fastest) to 9 (smallest). Default 3, see lib/payload/gzip.ts. */
  compressionLevel?: number;
  /**
   * What one request may carry, compressed or not (bytes). What fits goes as one request. Default and most 100,000,000, MESH's
   * own; one NHS client notes 19,000,000 where MESH is reached over the internet and not HSCN (DOMAIN.md 1.8).
   */
  maxRequestBytes?: number;
  /**
   * What does not fit one request is sent in chunks of this size (bytes, uncompressed), less where that would not fit one
   * request itself. Default 20,000,000, as the NHS Java client; MESH wants more than 5 MB. Up to three are held in memory.
   */
  chunkBytes?: number;
  /** Whether what does not fit one request may go in chunks, unless a message says otherwise. Default `allowed`. */
  chunks?: Chunking;
  /**
   * Checksum that goes with each message, unless it says otherwise. Default `none`: TLS and MESH's own checks guard the way; a
   * checksum costs one more reading of the payload, and is for receivers who compare it.
   */
  checksum?: 'none' | 'md5' | 'sha256';
  /** The largest payload (bytes, expanded) that `receive` holds in memory; a larger one has to go to a file. Default 256 MiB. */
  maxBufferBytes?: number;
  /**
   * The largest payload (bytes, expanded) that is received at all: a larger one is a TooLargeError, so that a small message
   * cannot fill the disk. One chunk that reaches a twentieth of it may not be more than 200 times its size on the way. Default
   * 200,000,000,000: MESH takes messages up to 100 GB.
   */
  maxExpandedBytes?: number;
  /**
   * Whether a received payload has to fit its `Mex-Content-Checksum`, where the algorithm can be told: MD5, SHA-1 or SHA-2 in
   * hexadecimal. Default true; false where a sender's checksum is of something else than the payload.
   */
  checkChecksum?: boolean;
  timeouts?: {
    /** To connect, TLS included (milliseconds). Default 20,000. */
    connectMs?: number;
    /** From the last byte sent to the answer's headers (milliseconds). Default 120,000. */
    headersMs?: number;
    /**
     * Between two pieces of the answer's body; twice this for all of it, but for a download's, which may not come slower than
     * 100 bytes a second for as long as this (milliseconds). Default 120,000.
     */
    bodyMs?: number;
  };
  retry?: {
    /** Attempts in all for what is safe to repeat. Default 5; 1 switches retries off. */
    attempts?: number;
    /** The first wait is random below this (milliseconds), and doubles. Default 500. */
    baseMs?: number;
    /** No wait is longer (milliseconds). Default 30,000. */
    capMs?: number;
  };
  /**
   * Requests under way at once. Default 1: NHS England's assurance asks for one thread for each mailbox (DOMAIN.md 1.13).
   */
  connections?: number;
  /** Name and version of the application, e.g. `my-app/1.2`; goes into User-Agent and Mex-ClientVersion. */
  application?: string;
}

/** {@link MailboxOptions} with every default filled in. */
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
  checkChecksum: boolean;
  timeouts: { connectMs: number; headersMs: number; bodyMs: number };
  retry: { attempts: number; baseMs: number; capMs: number };
  connections: number;
  clientVersion: string;
  userAgent: string;
}

const milliseconds = z.number().int().min(1).max(86_400_000);
const pem = z.union([z.string().min(1), z.instanceof(Buffer)]);

const schema = z.object({
  environment: z.string().trim().min(1),
  mailboxId: z
    .string()
    .trim()
    .regex(/^[A-Za-z0-9_-]{1,100}$/, 'may only have letters, digits, _ and -'),
  password: z.string().min(1, 'is missing'),
  sharedKey: z.string().min(1, 'is missing'),
  tls: z
    .strictObject({
      ca: z.union([pem, z.array(pem)]),
      cert: pem,
      key: pem,
      pfx: z.instanceof(Buffer),
      passphrase: z.string(),
      servername: z.string().min(1),
    })
    .partial()
    .default({}),
  proxy: z
    .object({
      url: z.url({ protocol: /^https?$/, error: 'has to be an http:// or https:// URL' }),
      username: z.string().optional(),
      password: z.string().optional(),
      noProxy: z.array(z.string()).optional(),
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
    .regex(/^[\x20-\x7e]{0,100}$/, 'may only have printable ASCII')
    .default(''),
});

/** Checks the options and fills in the defaults. Throws ConfigurationError, which names every wrong option at once. */
export function readMailboxOptions(options: MailboxOptions): MailboxConfig {
  const parsed = schema.safeParse(options);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'options'}: ${issue.message}`);
    throw new ConfigurationError(`The mailbox cannot be opened. ${problems.join('; ')}`, {
      advice: 'Correct the options that are named.',
    });
  }
  const { environment, application, proxy, tls, ...rest } = parsed.data;
  const clientVersion = `${application ? `${application};` : ''}node-red-nhs-mesh==${packageVersion()}`;
  return {
    ...rest,
    mailboxId: rest.mailboxId.toUpperCase(),
    url: environmentUrl(environment),
    tls: tls as TlsOptions,
    proxy: proxy as ProxyOptions | undefined,
    clientVersion,
    userAgent: `${clientVersion};N/A;${process.arch};${process.platform};node ${process.version}`,
  };
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
      advice: 'Choose an environment, or give the address of a MESH server, e.g. https://localhost:8700.',
    });
  }
  return url;
}

let version: string | undefined;

/** The version in this package's package.json, found from lib/ as well as from dist/lib/. */
export function packageVersion(): string {
  for (const path of ['../package.json', '../../package.json']) {
    if (version !== undefined) break;
    try {
      version = (JSON.parse(readFileSync(join(__dirname, path), 'utf8')) as { version: string }).version;
    } catch {
      // Not there: one level up, then.
    }
  }
  return version ?? '0';
}
