/**
 * Records the health of one open mailbox, as far as this process has seen it: for the sidebar, mesh-status, health
 * checks and metrics. It makes no requests of its own and guesses nothing: what is not known (yet, or after a restart)
 * is null. No secret, no patient data.
 */
import type { CertificateFiles } from '../client/certificate-files';
import { clientCertificate, type ClientCertificate } from '../client/client-certificate';
import type { Transport, TransportResponse } from '../client/transport';
import { machineNow, momentAfter, steadyTime, wallTimeOf, type Clock, type Moment } from '../clock';
import { ClockSteps } from '../clock-steps';
import { AbortedError } from '../errors';
import { storedError } from '../send/stored-error';
import { OFFERED_AGAIN, STORE_BEHIND } from '../store/rules/condition-events';
import type { LedgerEntry, StoredError } from '../store/store';

/** The outcomes of a task that recurs. Times are ISO 8601 UTC. */
export interface RecurringTask {
  lastSucceeded: string | null;
  lastFailed: string | null;
  /** The first failure since the last success; null after a success. */
  failingSince: string | null;
  /** The error of the last failure; null after a success. */
  error: StoredError | null;
}

/** The difference between our clock and MESH's. MESH refuses a token that is two hours off. */
export interface ClockSkew {
  /** Milliseconds; positive if the server's clock is ahead of ours. */
  ms: number;
  /** Tolerance (milliseconds) of `ms`: a `Date` header has whole seconds, and the response took time. */
  uncertaintyMs: number;
  /** When it was measured; ISO 8601 UTC. */
  at: string;
}

/** Messages that something has happened to. */
interface RecentMessages {
  messages: number;
  /** When it last happened; ISO 8601 UTC. */
  at: string;
}

/** The health of a mailbox at one moment. */
export interface MailboxHealth {
  readonly mailboxId: string;
  readonly url: string;
  handshake: RecurringTask;
  /** Lists of the inbox; `next` is null if none is planned here (no mesh-poll, or another instance polls). */
  poll: RecurringTask & { next: string | null };
  /** The last response of MESH, whatever its status; ISO 8601 UTC. */
  lastAnswer: string | null;
  clockSkew: ClockSkew | null;
  /** How the machine's wall clock was last set, for a day after it. `ms` is negative if it was set back. */
  clockStep: { ms: number; at: string } | null;
  /**
   * The messages that the store had forgotten and its send marks remember (lib/send/forgotten-messages.ts), for a day
   * after that was noticed. Null if there were none.
   */
  storeBehind: RecentMessages | null;
  /**
   * Messages that MESH offered again after our acknowledgement, for a day after the last one; `different` of them are
   * other messages under ids that were used before. Null if there were none.
   */
  offeredAgain: (RecentMessages & { different: number; messageId: string }) | null;
  /** Null if the mailbox has none (sandbox), or it cannot be read. */
  certificate: ClientCertificate | null;
  /** Why certificate files that have changed on disk are not in use, in a sentence; null if they are. */
  certificateProblem: string | null;
}

/** For how long it is shown that something has happened (milliseconds): a working day finds it. */
export const SHOWN_MS = 24 * 60 * 60 * 1000;
/** A slower response (milliseconds) is too inexact to measure the clock. */
const MAX_RESPONSE_FOR_CLOCK_MS = 5000;

/** Records the health of one mailbox. */
export class HealthRecorder {
  readonly #names: { mailboxId: string; url: string };
  readonly #clock: Clock;
  readonly #certificates: CertificateFiles;
  /** The certificate of these options, since parsing it takes a while. */
  #certificate: { of: CertificateFiles['current']; is: ClientCertificate | null } | undefined;
  /** Called with MESH's time (milliseconds since 1970) at each response that is quick enough to compare clocks. */
  onMeshTime: (time: number) => void = () => undefined;
  #handshake = NOTHING_YET;
  #poll = NOTHING_YET;
  #lastResponse: Moment | undefined;
  #storeBehind: (Happened & { messages: number }) | undefined;
  #offeredAgain: (Happened & { messages: number; different: number; messageId: string }) | undefined;
  /** `at` unformatted: formatting it for each response would cost as much as everything else here. */
  #skew: (Omit<ClockSkew, 'at'> & { at: number }) | null = null;

  constructor(names: { mailboxId: string; url: string }, certificates: CertificateFiles, clock: Clock) {
    this.#names = names;
    this.#clock = clock;
    this.#certificates = certificates;
  }

  /** @param nextPoll milliseconds since 1970; undefined if none is planned */
  snapshot(nextPoll: number | undefined): MailboxHealth {
    // For the next snapshot: a mailbox without requests is looked at as well.
    void this.#certificates.check();
    return {
      ...this.#names,
      handshake: this.#shown(this.#handshake),
      poll: { ...this.#shown(this.#poll), next: iso(nextPoll) },
      lastAnswer: this.#isoOf(this.#lastResponse),
      clockSkew: this.#skew && { ...this.#skew, at: new Date(this.#skew.at).toISOString() },
      clockStep: this.#clockStep(),
      storeBehind: this.#recent(this.#storeBehind),
      offeredAgain: this.#recent(this.#offeredAgain),
      certificate: this.#currentCertificate(),
      certificateProblem: this.#certificates.problem,
    };
  }

  #currentCertificate(): ClientCertificate | null {
    const { current } = this.#certificates;
    if (this.#certificate?.of !== current) this.#certificate = { of: current, is: clientCertificate(current) ?? null };
    return this.#certificate.is;
  }

  /** Records the outcome of a handshake, and passes it on. An aborted one is no failure. */
  async recordHandshake<T>(work: Promise<T>): Promise<T> {
    return this.#record(work, (end) => (this.#handshake = end(this.#handshake)));
  }

  /** Records the outcome of a list of the inbox, and passes it on. An aborted one is no failure. */
  async recordPoll<T>(work: Promise<T>): Promise<T> {
    return this.#record(work, (end) => (this.#poll = end(this.#poll)));
  }

  /** Returns the transport with every response of MESH recorded. A login page tells neither MESH's health nor its time. */
  observe(transport: Transport): Transport {
    const times = new WeakMap<TransportResponse, { began: number; ended: number }>();
    return {
      request: async (request) => {
        const began = machineNow();
        const response = await transport.request(request);
        times.set(response, { began, ended: machineNow() });
        return response;
      },
      confirm: (response) => {
        const time = times.get(response);
        if (time) this.#recordResponse(response, time);
      },
      close: () => transport.close(),
    };
  }

  /** Uses the machine's clock even if a test injects another: the test's server runs on the machine's, too. */
  #recordResponse({ headers }: TransportResponse, { began, ended }: { began: number; ended: number }): void {
    this.#lastResponse = momentAfter(this.#clock);
    const { date } = headers;
    const server = typeof date === 'string' ? Date.parse(date) : NaN;
    if (Number.isNaN(server) || ended - began > MAX_RESPONSE_FOR_CLOCK_MS || ended < began) return;
    // The header is the server's time cut to the second: half a second later is the best estimate.
    const ms = Math.round(server + 500 - (began + ended) / 2);
    this.onMeshTime(server + 500);
    this.#skew = { ms, uncertaintyMs: Math.ceil(500 + (ended - began) / 2), at: ended };
  }

  #clockStep(): MailboxHealth['clockStep'] {
    const last = ClockSteps.of(this.#clock).last;
    const recent = this.#recent(last);
    return recent && { ms: Math.round(recent.ms), at: recent.at };
  }

  /** Returns what has happened within the last day, with its time as it is shown; otherwise null. */
  #recent<T extends Happened>(happened: T | undefined): (Omit<T, keyof Happened> & { at: string }) | null {
    if (!happened || steadyTime(this.#clock) - happened.at.steady >= SHOWN_MS) return null;
    const { at, time = wallTimeOf(this.#clock, at), ...what } = happened;
    return { ...what, at: new Date(time).toISOString() };
  }

  /**
   * Records what the ledger says of the time before this process: a deploy or a restart hides nothing that is shown for
   * a day.
   * @param now the trusted time (milliseconds since 1970)
   */
  recordEarlier(events: readonly LedgerEntry[], now: number): void {
    for (const { event, time, detail, messageId } of events) {
      const happened = { time, at: momentAfter(this.#clock, Math.min(0, time - now)) };
      if (event === STORE_BEHIND) this.recordStoreBehind(Number(detail['messages']), happened);
      if (event === OFFERED_AGAIN) this.recordOfferedAgain(messageId ?? '', 'different' in detail, happened);
    }
  }

  /** Records that the store was behind its send marks, which know of this many messages. */
  recordStoreBehind(messages: number, happened: Happened = this.#now()): void {
    this.#storeBehind = later(this.#storeBehind, { messages, ...happened });
  }

  /** Records that MESH has offered a message again, or another one under its id. */
  recordOfferedAgain(messageId: string, isDifferent: boolean, happened: Happened = this.#now()): void {
    const { messages, different } = this.#recent(this.#offeredAgain) ?? { messages: 0, different: 0 };
    const last = later(this.#offeredAgain, { messageId, ...happened });
    this.#offeredAgain = { ...last, messages: messages + 1, different: different + (isDifferent ? 1 : 0) };
  }

  #now(): Happened {
    return { at: momentAfter(this.#clock) };
  }

  /** Times are shown as the wall clock is set now, so that a clock that was set neither hides a failure nor makes one. */
  #shown({ lastSucceeded, lastFailed, failingSince, error }: Recorded): RecurringTask {
    return {
      lastSucceeded: this.#isoOf(lastSucceeded),
      lastFailed: this.#isoOf(lastFailed),
      failingSince: this.#isoOf(failingSince),
      error,
    };
  }

  #isoOf(moment: Moment | undefined): string | null {
    return iso(moment && wallTimeOf(this.#clock, moment));
  }

  async #record<T>(work: Promise<T>, update: (end: (before: Recorded) => Recorded) => void): Promise<T> {
    try {
      const result = await work;
      const lastSucceeded = momentAfter(this.#clock);
      update((before) => ({ ...before, lastSucceeded, failingSince: undefined, error: null }));
      return result;
    } catch (error) {
      if (!(error instanceof AbortedError)) {
        const lastFailed = momentAfter(this.#clock);
        const stored = storedError(error);
        update((before) => ({ ...before, lastFailed, failingSince: before.failingSince ?? lastFailed, error: stored }));
      }
      throw error;
    }
  }
}

/** Something that is shown for a day. */
interface Happened {
  /** When its day began: not before this process, if the clock has not been confirmed since. */
  at: Moment;
  /** When it happened, as the ledger has it (milliseconds since 1970). */
  time?: number;
}

/** Returns the later of two events. */
function later<A extends Happened, B extends Happened>(before: A | undefined, now: B): A | B {
  return before && before.at.steady > now.at.steady ? before : now;
}

/** The outcomes of a recurring task, with their moments. */
interface Recorded {
  lastSucceeded: Moment | undefined;
  lastFailed: Moment | undefined;
  failingSince: Moment | undefined;
  error: StoredError | null;
}

const NOTHING_YET: Recorded = {
  lastSucceeded: undefined,
  lastFailed: undefined,
  failingSince: undefined,
  error: null,
};

function iso(time: number | undefined): string | null {
  return time === undefined ? null : new Date(time).toISOString();
}
