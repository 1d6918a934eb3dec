/** The options and findings of a conformance run. The findings are plain JSON; the pack is written from them alone. */
import type { MailboxOptions } from '../index';

/** One mailbox of the environment, with its password. */
type ConformanceMailbox = Pick<MailboxOptions, 'mailboxId' | 'password'>;

/** Moves the clock of a sandbox, whose messages then expire at once. */
interface TimeTravel {
  /** Moves the clock by so many milliseconds; negative moves it back. */
  advance(ms: number): void;
}

/** Options of {@link runConformance}. */
export interface ConformanceOptions {
  /** The options of openMailbox except the mailbox itself: environment, sharedKey, tls, proxy … */
  connection: Omit<MailboxOptions, 'mailboxId' | 'password'>;
  /** One or two test mailboxes: the first sends, the second receives. A single one sends to itself. */
  mailboxes: readonly ConformanceMailbox[];
  /** A mailbox that MESH has disabled, for 701. */
  disabled?: ConformanceMailbox;
  /** A workflow id that the first may send and the second receive. */
  workflowId: string;
  /** A recipient that does not exist, for 702. Default `X26NOSUCHMBOX`. */
  unregistered?: string;
  /** The items to run, e.g. `201`. Default: all. */
  items?: readonly string[];
  /** Size of the chunked message (bytes). Default 210,000,000: the catalogue requires more than 200 MB. */
  largeBytes?: number;
  /** The number of messages for 601. Default 600, the catalogue's number. */
  drainMessages?: number;
  /**
   * The minimum time between two listings of an inbox (milliseconds). Default 5 minutes, MESH's rule; 0 for a sandbox.
   */
  minimumListMs?: number;
  /** How long to wait for a sent message to arrive in the inbox (milliseconds). Default 30 minutes. */
  deliveryMs?: number;
  /** The message that an earlier run left to expire: the `pending` of its findings. */
  pending?: PendingMessage;
  timeTravel?: TimeTravel;
  /** The environment's name in the pack, e.g. `the built-in sandbox`. */
  environmentName: string;
  /** Called with a line of text as each item begins and ends. */
  onProgress?: (line: string) => void;
  signal?: AbortSignal;
}

/** A message that is left uncollected, so that MESH reports it after five days. */
export interface PendingMessage {
  messageId: string;
  /** The mailbox that gets the REPORT. */
  from: string;
  to: string;
  /** ISO 8601 UTC. */
  acceptedAt: string;
}

/** The result of an item. */
export type Verdict = 'passed' | 'failed' | 'not possible here' | 'needs a person';

/** One check of an item. */
export interface Check {
  what: string;
  ok: boolean;
  /** The observed value. */
  seen?: string;
}

/** A request and its response, without secrets. */
export interface Exchange {
  /** Its position in the run, from 1. */
  number: number;
  /** ISO 8601 UTC. */
  at: string;
  /** Time to the end of the response; missing if there was none. */
  milliseconds?: number;
  method: string;
  path: string;
  requestHeaders: Array<[name: string, value: string]>;
  /** Bytes of the request's body. */
  requestBytes: number;
  /** 0 if there was no response. */
  status: number;
  responseHeaders: Array<[name: string, value: string]>;
  /** Bytes of the response's body. */
  responseBytes: number;
  tls?: string;
}

/** The result of one item of the catalogue, with its evidence. */
export interface ItemResult {
  id: string;
  title: string;
  verdict: Verdict;
  /** Why the verdict is not `passed`, and what a person must do. */
  reason?: string;
  startedAt: string;
  finishedAt: string;
  messageIds: string[];
  checks: Check[];
  exchanges: Exchange[];
  /** The number of exchanges of the item; `exchanges` has only the first and the last of many. */
  exchangeCount: number;
}

/** The findings of a run. */
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
