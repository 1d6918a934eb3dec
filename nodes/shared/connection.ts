/**
 * One mailbox as all nodes of a flow share it: one client, one poller, one queue of what is sent. mesh-config owns it.
 * Node-RED closes a config node and its users at the same time, and waits 15 seconds: so this class counts what is under
 * way for each user, and ends it.
 */
import { AbortedError, type InboxPoller, type Mailbox, type Progress, type SentMessage } from '../../lib/index';
import type { OutgoingMessage } from '../../lib/index';
import { keepHandshaking } from './handshakes';
import { SerialQueue } from './serial-queue';
import { within } from './within';

/** Node-RED gives up after 15 s: what began to be sent may end in the first part of it, the rest is for closing. */
const SENDING_GRACE_MS = 5_000;
const POLLER_GRACE_MS = 1_000;
const USER_CLOSE_MS = 9_000;
const CLOSE_MS = 12_000;

/** Whether the mailbox can be reached, as its last handshake told. */
export type ConnectionState =
  | { kind: 'idle' }
  | { kind: 'connecting' }
  | { kind: 'connected' }
  | { kind: 'disconnected'; error: unknown }
  /** The configuration is wrong: nothing works until somebody deploys another one. */
  | { kind: 'unusable'; error: unknown };

/** A node that uses the mailbox. */
export interface ConnectionUser {
  connectionChanged(state: ConnectionState): void;
}

/** What {@link ConnectionOptions.open} returns. */
export interface OpenedMailbox {
  mailbox: Mailbox;
  poller: InboxPoller;
}

export interface ConnectionOptions {
  /** Called once, when the first user comes. Rejects if the configuration is wrong. */
  open(): Promise<OpenedMailbox>;
  /** Called once after everything is closed, whatever `open` did. */
  closed?(): void;
  /** Told once for each change, not for each attempt. */
  log: { connected(): void; failed(error: unknown): void };
}

/** What one user has under way. */
class Registration {
  readonly pending = new Set<Promise<unknown>>();
  /** Ends what may be repeated: everything but a send that has begun. */
  readonly closing = new AbortController();
  /** Ends a send that has begun. Later, because its outcome would then be unknown. */
  readonly breaking = new AbortController();
  #ended: Promise<void> | undefined;

  async track<Result>(work: Promise<Result>): Promise<Result> {
    this.pending.add(work);
    try {
      return await work;
    } finally {
      this.pending.delete(work);
    }
  }

  end(): Promise<void> {
    this.#ended ??= this.#end();
    return this.#ended;
  }

  async #end(): Promise<void> {
    this.closing.abort();
    const timer = setTimeout(() => this.breaking.abort(), SENDING_GRACE_MS);
    await within(USER_CLOSE_MS, Promise.allSettled(this.pending));
    clearTimeout(timer);
    this.breaking.abort();
  }
}

export class Connection {
  readonly #options: ConnectionOptions;
  readonly #users = new Map<ConnectionUser, Registration>();
  readonly #sends = new SerialQueue();
  readonly #closing = new AbortController();
  #opened: Promise<OpenedMailbox> | undefined;
  #handshaking: Promise<void> = Promise.resolve();
  #state: ConnectionState = { kind: 'idle' };
  #closed: Promise<void> | undefined;
  /** Code of the failure that was logged last. */
  #lastFailure = '';

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** Messages of all mesh-send nodes of this mailbox that have not begun to be sent. */
  get waitingToSend(): number {
    return this.#sends.waiting;
  }

  /** The first user opens the mailbox. */
  register(user: ConnectionUser): void {
    if (this.#closing.signal.aborted || this.#users.has(user)) return;
    this.#users.set(user, new Registration());
    // How it ends is told by the state; each call that needs the mailbox gets the error again.
    this.#open().catch(() => undefined);
    user.connectionChanged(this.#state);
  }

  /** Ends what the user has under way. The mailbox stays open: a redeployed node registers again in a moment. */
  async deregister(user: ConnectionUser): Promise<void> {
    const registration = this.#users.get(user);
    if (registration === undefined) return;
    await registration.end();
    this.#users.delete(user);
  }

  /** Does something with the mailbox on behalf of a user. The signal is aborted when the user is closed. */
  async run<Result>(
    user: ConnectionUser,
    work: (opened: OpenedMailbox, signal: AbortSignal) => Promise<Result>,
  ): Promise<Result> {
    const registration = this.#registration(user);
    const { signal } = registration.closing;
    return registration.track(this.#open().then((opened) => work(opened, signal)));
  }

  /** Sends when all that were given before are sent. `begin` is called when it is this message's turn. */
  async send(
    user: ConnectionUser,
    message: OutgoingMessage,
    on: { begin(): void; progress(progress: Progress): void },
  ): Promise<SentMessage> {
    const { breaking } = this.#registration(user);
    return this.run(user, ({ mailbox }, closing) =>
      this.#sends.add(() => {
        on.begin();
        return mailbox.send(message, { signal: breaking.signal, onProgress: (progress) => on.progress(progress) });
      }, closing),
    );
  }

  /** Ends everything; within 12 seconds, whatever hangs. Repeatable. */
  close(): Promise<void> {
    this.#closed ??= within(CLOSE_MS, this.#close()).then(() => this.#options.closed?.());
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#closing.abort();
    const opened = await this.#opened?.catch(() => undefined);
    // The poller first: while sends end in peace, nothing new may be delivered. What it is downloading is broken off with
    // the mailbox; the acknowledgement after a delivery gets a moment, or the message would come again.
    const pollerClosed = opened?.poller.close().catch(() => undefined);
    await Promise.allSettled([
      pollerClosed && within(POLLER_GRACE_MS, pollerClosed),
      this.#handshaking,
      ...[...this.#users.values()].map((registration) => registration.end()),
    ]);
    await opened?.mailbox.close();
    await pollerClosed;
  }

  #registration(user: ConnectionUser): Registration {
    const registration = this.#users.get(user);
    if (registration === undefined || registration.closing.signal.aborted || this.#closing.signal.aborted) {
      throw new AbortedError('The node is being closed.');
    }
    return registration;
  }

  #open(): Promise<OpenedMailbox> {
    this.#opened ??= this.#start();
    return this.#opened;
  }

  async #start(): Promise<OpenedMailbox> {
    this.#change({ kind: 'connecting' });
    try {
      const opened = await this.#options.open();
      this.#handshaking = keepHandshaking(
        opened.mailbox,
        { succeeded: () => this.#change({ kind: 'connected' }), failed: (error) => this.#handshakeFailed(error) },
        this.#closing.signal,
      );
      return opened;
    } catch (error) {
      this.#change({ kind: 'unusable', error });
      this.#options.log.failed(error);
      throw error;
    }
  }

  #handshakeFailed(error: unknown): void {
    const failure = String((error as { code?: unknown } | undefined)?.code);
    if (failure !== this.#lastFailure) this.#options.log.failed(error);
    this.#lastFailure = failure;
    this.#change({ kind: 'disconnected', error });
  }

  #change(state: ConnectionState): void {
    const before = this.#state.kind;
    this.#state = state;
    if (state.kind === before || this.#closing.signal.aborted) return;
    if (state.kind === 'connected') {
      this.#lastFailure = '';
      this.#options.log.connected();
    }
    for (const user of this.#users.keys()) user.connectionChanged(state);
  }
}
