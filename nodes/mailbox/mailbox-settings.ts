/** Reads and checks the properties of a mesh-config node, except for what openMailbox checks itself. */
import type { NodeAPI, NodeDef } from 'node-red';
import { ConfigurationError, DEFAULT_EXPANSION_RATIO, type MailboxOptions } from '../../lib/index';
import { choiceSetting, listSetting, numberSetting, textSetting } from '../shared/settings';
import { readProxy, readTls } from '../shared/tls-and-proxy';
import { withCause } from '../shared/status';
import { sharedText } from '../shared/texts';

/** The properties as the flow file has them. Numbers may be strings, since they may come from the environment. */
export interface MeshConfigDef extends NodeDef {
  version?: number;
  environment?: string;
  mailboxId?: string;
  tls?: string;
  proxy?: string;
  leftToOthers?: string;
  sandboxWorkflows?: string;
  leaseMinutes?: number | string;
  maxDeliveries?: number | string;
  maxParkedGb?: number | string;
  maxRequestMb?: number | string;
  chunkMb?: number | string;
  compression?: string;
  compressionLevel?: number | string;
  checksum?: string;
  checkChecksum?: string;
  maxExpandedGb?: number | string;
  maxExpansionRatio?: number | string;
  meshAcknowledge?: string;
  odsCode?: string;
  profilesFile?: string;
  profiles?: string;
}

/** The credentials, which Node-RED stores encrypted and apart from the flow file. */
export interface MeshConfigCredentials {
  password?: string;
  sharedKey?: string;
}

export interface MailboxSettings {
  /** `sandbox`, `integration`, `live` or a URL. */
  environment: string;
  mailboxId: string;
  password: string;
  sharedKey: string;
  tls?: MailboxOptions['tls'];
  proxy?: MailboxOptions['proxy'];
  /** Compression, chunks and checksums of outgoing messages. The library's default holds for a blank one. */
  sending: Pick<MailboxOptions, 'compression' | 'compressionLevel' | 'maxRequestBytes' | 'chunkBytes' | 'checksum'>;
  /** Limits and checks for received messages. The library's default holds for a blank one. */
  receiving: Pick<MailboxOptions, 'maxExpandedBytes' | 'maxExpansionRatio' | 'checkChecksum'>;
  minimumIntervalMs: number;
  leftToOthers: string[];
  /** Workflows that the built-in sandbox takes besides the national ones; `*`: any. */
  sandboxWorkflows: string[];
  leaseMs: number;
  maxDeliveries: number;
  /** The most that the payloads of parked received messages may take. */
  maxParkedBytes: number;
  /** When a received message is acknowledged to MESH. */
  meshAcknowledge: 'when-spooled' | 'when-done';
  /** ODS code of this organisation; empty: from the mailbox id, if it contains one. */
  odsCode: string;
  /** Path of the user's workflow profiles; empty: only the shipped ones. */
  profilesFile: string;
  /** Workflow profiles from the editor, as a JSON array; empty: none. They take precedence over the file's. */
  profiles: string;
}

/** The way to a mailbox: everything that decides to whom its credentials are sent. */
export type MailboxRoute = Pick<MailboxSettings, 'environment' | 'mailboxId' | 'tls' | 'proxy'>;

const NHS_INTERVAL_MS = 5 * 60 * 1000;
const MB = 1_000_000;
const GB = 1_000_000_000;

/** @throws ConfigurationError when a property or credential is missing or wrong */
export function readMailboxSettings(
  RED: NodeAPI,
  def: MeshConfigDef,
  credentials: MeshConfigCredentials,
): MailboxSettings {
  const { environment, mailboxId, tls, proxy } = readMailboxRoute(RED, def);
  const isSandbox = environment === 'sandbox';
  if (tls === undefined && isNhs(environment)) {
    throw new ConfigurationError(sharedText(RED, 'error.no-certificate'));
  }
  return {
    environment,
    mailboxId,
    password: isSandbox ? '' : secretSetting(RED, 'password', credentials.password),
    sharedKey: isSandbox ? '' : secretSetting(RED, 'sharedKey', credentials.sharedKey),
    ...(tls && { tls }),
    ...(proxy && { proxy }),
    sending: readSending(RED, def),
    receiving: readReceiving(RED, def),
    minimumIntervalMs: isNhs(environment) ? NHS_INTERVAL_MS : 0,
    leftToOthers: listSetting(RED, def.leftToOthers),
    sandboxWorkflows: isSandbox ? listSetting(RED, def.sandboxWorkflows) : [],
    leaseMs: numberSetting(RED, 'leaseMinutes', def.leaseMinutes, { fallback: 60, min: 0.001, max: 7200 }) * 60_000,
    maxDeliveries: numberSetting(RED, 'maxDeliveries', def.maxDeliveries, { fallback: 5, min: 1, max: 1000 }),
    maxParkedBytes:
      numberSetting(RED, 'maxParkedGb', def.maxParkedGb, { fallback: 20, min: 0.001, max: 1_000_000 }) * GB,
    meshAcknowledge: choiceSetting(RED, 'meshAcknowledge', def.meshAcknowledge, ['when-spooled', 'when-done']),
    odsCode: textSetting(RED, def.odsCode).toUpperCase(),
    profilesFile: textSetting(RED, def.profilesFile),
    profiles: textSetting(RED, def.profiles),
  };
}

/**
 * Reads the way to the mailbox. The built-in sandbox needs neither TLS settings nor a proxy.
 * @throws ConfigurationError when a part of it is missing or wrong
 */
export function readMailboxRoute(RED: NodeAPI, def: MeshConfigDef): MailboxRoute {
  const environment = readEnvironment(RED, def.environment);
  const mailboxId = mailboxAddress(RED, def.mailboxId);
  if (environment === 'sandbox') {
    if (!/^[A-Z0-9]+$/.test(mailboxId)) throw new ConfigurationError(sharedText(RED, 'error.mailbox-id'));
    return { environment, mailboxId };
  }
  const tls = readTls(RED, textSetting(RED, def.tls));
  return { environment, mailboxId, ...(tls && { tls }), proxy: readProxy(RED, textSetting(RED, def.proxy)) };
}

/**
 * Reads whose mailbox it is; the ODS code is empty if it is not set.
 * @throws ConfigurationError when one is wrong
 */
export function readMailboxIdentity(RED: NodeAPI, def: MeshConfigDef): { mailboxId: string; odsCode: string } {
  return { mailboxId: mailboxAddress(RED, def.mailboxId), odsCode: textSetting(RED, def.odsCode).toUpperCase() };
}

function readSending(RED: NodeAPI, def: MeshConfigDef): MailboxSettings['sending'] {
  const maxRequestMb = numberSetting(RED, 'maxRequestMb', def.maxRequestMb, { fallback: 0, min: 0, max: 100 });
  const chunkMb = numberSetting(RED, 'chunkMb', def.chunkMb, { fallback: 0, min: 0, max: 100 });
  const level = numberSetting(RED, 'compressionLevel', def.compressionLevel, { fallback: 0, min: 0, max: 9 });
  return {
    compression: choiceSetting(RED, 'compression', def.compression, ['auto', 'always', 'never']),
    ...(level >= 1 && { compressionLevel: Math.round(level) }),
    ...(maxRequestMb > 0 && { maxRequestBytes: Math.round(maxRequestMb * MB) }),
    ...(chunkMb > 0 && { chunkBytes: Math.round(chunkMb * MB) }),
    checksum: choiceSetting(RED, 'checksum', def.checksum, ['none', 'md5', 'sha256']),
  };
}

function readReceiving(RED: NodeAPI, def: MeshConfigDef): MailboxSettings['receiving'] {
  const maxExpandedGb = numberSetting(RED, 'maxExpandedGb', def.maxExpandedGb, { fallback: 0, min: 0, max: 1000 });
  return {
    checkChecksum: choiceSetting(RED, 'checkChecksum', def.checkChecksum, ['check', 'ignore']) === 'check',
    ...(maxExpandedGb > 0 && { maxExpandedBytes: Math.max(1, Math.round(maxExpandedGb * GB)) }),
    maxExpansionRatio: numberSetting(RED, 'maxExpansionRatio', def.maxExpansionRatio, {
      fallback: DEFAULT_EXPANSION_RATIO,
      min: 0,
      max: 1_000_000,
    }),
  };
}

/**
 * Returns the mailbox id in upper case.
 * @throws ConfigurationError when it is blank
 */
export function mailboxAddress(RED: NodeAPI, value: unknown): string {
  const mailboxId = textSetting(RED, value).toUpperCase();
  if (mailboxId === '') throw blank(RED, 'no-mailbox-id');
  return mailboxId;
}

/**
 * Returns the environment: `sandbox`, `integration` or `live`, from any case, or a URL without a slash at its end.
 * @throws ConfigurationError for a blank one, which is no sandbox; for anything else; and for plain http to another
 * machine: tokens and letters would be readable
 */
export function readEnvironment(RED: NodeAPI, value: unknown): string {
  const text = textSetting(RED, value);
  if (text === '') throw blank(RED, 'no-environment');
  if (/^(sandbox|integration|live)$/i.test(text)) return text.toLowerCase();
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isLocal = url !== undefined && /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname);
  if (url?.protocol === 'https:' || (url?.protocol === 'http:' && isLocal)) return text.replace(/\/+$/, '');
  throw new ConfigurationError(sharedText(RED, 'error.environment'));
}

/** True for an environment of the NHS, where polls are 5 minutes apart and a client certificate is required. */
function isNhs(environment: string): boolean {
  if (environment === 'integration' || environment === 'live') return true;
  return URL.canParse(environment) && /(spineservices|(^|\.)ncrs)\.nhs\.uk$/.test(new URL(environment).hostname);
}

/**
 * Returns a credential untrimmed: a password may begin or end with a space.
 * @throws ConfigurationError when it is blank, or a variable that is not set or empty
 */
export function secretSetting(RED: NodeAPI, field: 'password' | 'sharedKey', value: string | undefined): string {
  if (textSetting(RED, value) === '') throw blank(RED, `no-${field}`);
  return String(value);
}

/** Returns the error for a setting that is blank, with a status that names it. */
function blank(RED: NodeAPI, what: string): ConfigurationError {
  return withCause(new ConfigurationError(sharedText(RED, `error.${what}`)), what);
}
