/** What the conformance run is given and what it finds. The findings are plain JSON: the pack is written from them alone. */
import type { MailboxOptions } from '../index';

/** Credentials of one mailbox of the environment. */
export type ConformanceMailbox = Pick<MailboxOptions, 'mailboxId' | 'password'>;

/** Moves the clock of a sandbox, whose messages expire at once then; absent where MESH's own time has to pass. */
export interface TimeTravel {
  /** Milliseconds, also negative ones. */
  advance(ms: number): void;
}

/** Where and with what to run. */
export interface ConformanceOptions {
  /** Everything of openMailbox but the mailbox itself: environment, sharedKey, tls, proxy … */
  connection: Omit<MailboxOptions, 'mailboxId' | 'password'>;
  /** Test mailboxes, up to two: the first sends, the second receives. One alone sends to itself. */
  mailboxes: readonly ConformanceMailbox[];
  /** One that MESH has disabled, for 701. */
  disabled?: ConformanceMailbox;
  /** A workflow id that the first may send and the second receive. */
  workflowId: string;
  /** A recipient that there is not, for 702. Default `X26NOSUCHMBOX`. */
  unregistered?: string;
  /** Items to run, e.g. `201`. Default: all. */
  items?: readonly string[];
  /** Size of the chunked message (bytes). Default 210,000,000: the catalogue asks for more than 200 MB. */
  largeBytes?: number;
  /** How many messages 601 drains. Default 600: the catalogue's number. */
  drainMessages?: number;
  /** Never list an inbox more often (milliseconds). Default 5 minutes, MESH's rule; a sandbox has none. */
  minimumListMs?: number;
  /** Wait so long (milliseconds) for what was sent to be in the inbox. Default 30 minutes. */
  deliveryMs?: number;
  /** What an earlier run left for MESH's five days: its findings' `pending`. */
  pending?: PendingMessage;
  timeTravel?: TimeTravel;
  /** In the pack, e.g. `built-in sandbox`. */
  environmentName: string;
  /** Told as each item begins and ends. */
  say?: (line: string) => void;
  signal?: AbortSignal;
}

/** A message that nobody collects, so that MESH reports it after five days. */
export interface PendingMessage {
  messageId: string;
  /** The mailbox that gets the REPORT. */
  from: string;
  to: string;
  /** ISO 8601 UTC. */
  acceptedAt: string;
}

/** How an item ended. */
export type Verdict = 'passed' | 'failed' | 'not possible here' | 'needs a person';

/** One thing that an item has looked at. */
export interface Check {
  what: string;
  ok: boolean;
  /** What was seen; for a check that failed, beside what was expected. */
  seen?: string;
}

/** A request and its answer, without secrets. */
export interface Exchange {
  /** In the order of the run. */
  number: number;
  /** ISO 8601 UTC. */
  at: string;
  /** Until the end of the answer; missing where none came. */
  milliseconds?: number;
  method: string;
  path: string;
  requestHeaders: Array<[name: string, value: string]>;
  /** Body bytes that were sent. */
  requestBytes: number;
  /** 0 where no answer came. */
  status: number;
  responseHeaders: Array<[name: string, value: string]>;
  /** Body bytes that came. */
  responseBytes: number;
  tls?: string;
}

/** What an item of the catalogue came to. */
export interface ItemResult {
  id: string;
  title: string;
  verdict: Verdict;
  /** Why, where it is not `passed`; what is left to a person. */
  reason?: string;
  startedAt: string;
  finishedAt: string;
  messageIds: string[];
  checks: Check[];
  exchanges: Exchange[];
  /** Exchanges of the item in all: of many alike only the first and last are in `exchanges`. */
  exchangeCount: number;
}

/** All of a run. */
export interface Findings {
  product: string;
  version: string;
  node: string;
  system: string;
  environment: string;
  url: string;
  mailboxIds: string[];
  workflowId: string;
  startedAt: string;
  finishedAt: string;
  items: ItemResult[];
  pending?: PendingMessage;
}
