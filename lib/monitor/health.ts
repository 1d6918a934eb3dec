/**
 * How one open mailbox is, so far as this process has seen it: for the sidebar, mesh-status, health and metrics. Nothing is
 * asked for it and nothing guessed: what is not known yet (or not any more, after a restart) is null. No secret, no patient
 * data.
 */
import { clientCertificate, type ClientCertificate } from '../client/client-certificate';
import type { Transport, TransportResponse } from '../client/transport';
import type { Clock } from '../clock';
import type { TlsOptions } from '../config';
import { AbortedError } from '../errors';
import { storedError } from '../send/stored-error';
import type { StoredError } from '../store/store';

/** What is done again and again. Times are ISO 8601 UTC. */
export interface RecurringTask {
  lastSucceeded: string | null;
  lastFailed: string | null;
  /** The first failure since it last went well; null after a success. */
  failingSince: string | null;
  /** Why, of the last failure; null again after a success. */
  error: StoredError | null;
}

/** By how much our clock and MESH's differ. MESH refuses a token that is two hours off. */
export interface ClockSkew {
  /** Milliseconds; positive where the server's clock is ahead of ours. */
  ms: number;
  /** It may be so much more or less (milliseconds): a `Date` header has whole seconds, and the answer took its time. */
  uncertaintyMs: number;
  /** When it was seen; ISO 8601 UTC. */
  at: string;
}

/** A snapshot. */
export interface MailboxHealth {
  readonly mailboxId: string;
  readonly url: string;
  handshake: RecurringTask;
  /** Of the inbox's lists; `next` is null where none is planned here (no mesh-poll, or another instance polls). */
  poll: RecurringTask & { next: string | null };
  /** When MESH answered last, whatever it was; ISO 8601 UTC. */
  lastAnswer: string | null;
  clockSkew: ClockSkew | null;
  /** Null where the mailbox has none (sandbox), or it cannot be read. */
  certificate: ClientCertificate | null;
}

/** An answer that took longer (milliseconds) says too little of the clock. */
const SLOWEST_FOR_CLOCK_MS = 5000;

/** Notes what happens on one mailbox, and gives the snapshot. */
export class HealthRecorder {
  readonly #names: { mailboxId: string; url: string };
  readonly #clock: Clock;
  readonly #certificate: ClientCertificate | null;
  #handshake = NOTHING_YET;
  #poll = NOTHING_YET;
  #lastAnswer: number | undefined;
  /** Its time in milliseconds: written out for each answer it would cost as much as all else here. */
  #skew: (Omit<ClockSkew, 'at'> & { at: number }) | null = null;

  constructor(names: { mailboxId: string; url: string }, tls: TlsOptions, clock: Clock) {
    this.#names = names;
    this.#clock = clock;
    this.#certificate = clientCertificate(tls) ?? null;
  }

  /** @param nextPoll milliseconds since 1970; undefined where none is planned */
  snapshot(nextPoll: number | undefined): MailboxHealth {
    return {
      ...this.#names,
      handshake: { ...this.#handshake },
      poll: { ...this.#poll, next: iso(nextPoll) },
      lastAnswer: iso(this.#lastAnswer),
      clockSkew: this.#skew && { ...this.#skew, at: new Date(this.#skew.at).toISOString() },
      certificate: this.#certificate,
    };
  }

  /** The same call, its end noted. What was broken off here is no failure. */
  async handshaking<T>(work: Promise<T>): Promise<T> {
    return this.#noted(work, (end) => (this.#handshake = end(this.#handshake)));
  }

  /** The same for a list of the inbox. */
  async polling<T>(work: Promise<T>): Promise<T> {
    return this.#noted(work, (end) => (this.#poll = end(this.#poll)));
  }

  /** The same transport, its answers looked at. */
  watched(transport: Transport): Transport {
    return {
      request: async (request) => {
        const began = Date.now();
        const response = await transport.request(request);
        this.#answered(response, began);
        return response;
      },
      close: () => transport.close(),
    };
  }

  /** By the machine's clock even where a test has another one: the server's is the machine's too. */
  #answered({ headers }: TransportResponse, began: number): void {
    const ended = Date.now();
    this.#lastAnswer = this.#clock.now();
    const { date } = headers;
    const server = typeof date === 'string' ? Date.parse(date) : NaN;
    if (Number.isNaN(server) || ended - began > SLOWEST_FOR_CLOCK_MS || ended < began) return;
    // The header is the server's second, cut off: half a second more is the middle of it.
    const ms = Math.round(server + 500 - (began + ended) / 2);
    this.#skew = { ms, uncertaintyMs: Math.ceil(500 + (ended - began) / 2), at: ended };
  }

  async #noted<T>(work: Promise<T>, note: (end: (before: RecurringTask) => RecurringTask) => void): Promise<T> {
    try {
      const result = await work;
      note((before) => ({ ...before, lastSucceeded: iso(this.#clock.now()), failingSince: null, error: null }));
      return result;
    } catch (error) {
      if (!(error instanceof AbortedError)) {
        const lastFailed = iso(this.#clock.now());
        const told = storedError(error);
        note((before) => ({ ...before, lastFailed, failingSince: before.failingSince ?? lastFailed, error: told }));
      }
      throw error;
    }
  }
}

const NOTHING_YET: RecurringTask = { lastSucceeded: null, lastFailed: null, failingSince: null, error: null };

function iso(time: number | undefined): string | null {
  return time === undefined ? null : new Date(time).toISOString();
}
