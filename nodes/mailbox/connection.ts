/**
 * One mailbox as all nodes of a flow share it: one client, one poller, one outbox. mesh-config owns it. Node-RED closes a
 * config node and its users at the same time, and waits 15 seconds: so this class counts what is under way for each user,
 * and ends it.
 */
import {
  AbortedError,
  type DurableMailbox,
  type InboxPoller,
  type OutboxEvent,
  type OutboxMessage,
  type OutboxState,
} from '../../lib/index';
import { keepHandshaking } from './handshakes';
import { SendAlarms, type Alarm } from './send-alarms';
import { waitAtMost } from './wait-at-most';

/** Node-RED gives up after 15 s. What is being sent has 5 s to end, which the outbox itself sees to. */
const POLLER_GRACE_MS = 1_000;
const USER_CLOSE_MS = 5_000;
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
  /** True for those that put messages into the outbox: they are the first to tell what becomes of it. */
  readonly sends: boolean;
  connectionChanged(state: ConnectionState): void;
  sendingChanged(state: OutboxState): void;
  /** Tells Catch nodes what concerns the mailbox and no message that is in the flow. */
  raise(alarm: Alarm): void;
}

/** What {@link ConnectionOptions.open} returns. */
export interface OpenedMailbox {
  mailbox: DurableMailbox;
  poller: InboxPoller;
  /** `sandbox`, `integration`, `live` or a URL. */
  environment: string;
}

export interface ConnectionOptions {
  /** Called when the first user comes. Rejects if the configuration is wrong. */
  open(): Promise<OpenedMailbox>;
  /** When `open`, which rejected with this, is worth calling again. Default: never, another configuration is needed. */
  openAgain?(error: unknown): Promise<void> | undefined;
  /** Called once, when the closing begins; `ending` resolves when nothing runs any more, and never rejects. */
  closing?(ending: Promise<void>): void;
  /** Something of the mailbox changed, often while it works: for whoever looks at it. */
  changed?(): void;
  /** Told once for each change, not for each attempt. */
  log: { connected(): void; failed(error: unknown): void };
}

/** What one user has under way. */
class Registration {
  readonly pending = new Set<Promise<unknown>>();
  readonly closing = new AbortController();
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
    this.closing.abort();
    this.#ended ??= waitAtMost(USER_CLOSE_MS, Promise.allSettled(this.pending));
    return this.#ended;
  }
}

export class Connection {
  readonly #options: ConnectionOptions;
  readonly #users = new Map<ConnectionUser, Registration>();
  readonly #closing = new AbortController();
  readonly #watch = new SendAlarms((alarm) => this.#raise(alarm));
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

  /** How the sending stands; undefined before it was told. */
  get sending(): OutboxState | undefined {
    return this.#watch.state;
  }

  /** The open mailbox; undefined where no node uses it, or its configuration is wrong, or it is being closed. */
  async opened(): Promise<OpenedMailbox | undefined> {
    if (this.#closing.signal.aborted) return undefined;
    return this.#opened?.catch(() => undefined);
  }

  /** The first user opens the mailbox. */
  register(user: ConnectionUser): void {
    if (this.#closing.signal.aborted || this.#users.has(user)) return;
    this.#users.set(user, new Registration());
    // How it ends is told by the state; each call that needs the mailbox gets the error again.
    this.#open().catch(() => undefined);
    user.connectionChanged(this.#state);
    if (this.#watch.state) user.sendingChanged(this.#watch.state);
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

  /** Waits until MESH has accepted a message of the outbox. What becomes of it otherwise is the caller's to tell. */
  accepted(user: ConnectionUser, id: string): Promise<OutboxMessage> {
    return this.run(user, ({ mailbox }, signal) => this.#watch.awaited(id, mailbox.outbox.accepted(id, signal)));
  }

  /** The user tells what needs attention from now on; gives a function that ends it. */
  follow(user: ConnectionUser): () => void {
    return this.#watch.follow(user);
  }

  /** Ends everything; within 12 seconds, whatever hangs. Repeatable. */
  close(): Promise<void> {
    if (this.#closed === undefined) {
      const ending = this.#close().catch(() => undefined);
      this.#options.closing?.(ending);
      this.#closed = waitAtMost(CLOSE_MS, ending);
    }
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#closing.abort();
    const opened = await this.#opened?.catch(() => undefined);
    // The poller first: while others end in peace, nothing new may be delivered. What it is downloading is broken off with
    // the mailbox; the acknowledgement after a delivery gets a moment, or the message would come again.
    const pollerClosed = opened?.poller.close().catch(() => undefined);
    await Promise.allSettled([
      pollerClosed && waitAtMost(POLLER_GRACE_MS, pollerClosed),
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
      const { mailbox } = opened;
      mailbox.onSending((state) => this.#sendingChanged(state));
      mailbox.outbox.onEvent((event) => this.#happened(event));
      opened.poller.onChange(() => this.#options.changed?.());
      if (!this.#closing.signal.aborted) mailbox.start();
      this.#handshaking = keepHandshaking(
        mailbox,
        { succeeded: () => this.#handshakeSucceeded(mailbox), failed: (error) => this.#handshakeFailed(error) },
        this.#closing.signal,
      );
      return opened;
    } catch (error) {
      this.#change({ kind: 'unusable', error });
      this.#options.log.failed(error);
      void this.#options.openAgain?.(error)?.then(() => this.#reopen());
      throw error;
    }
  }

  #reopen(): void {
    if (this.#closing.signal.aborted) return;
    this.#opened = undefined;
    if (this.#users.size > 0) this.#open().catch(() => undefined);
  }

  #handshakeSucceeded(mailbox: DurableMailbox): void {
    // Whatever kept the outbox waiting is mended.
    if (this.#state.kind === 'disconnected') mailbox.resumeSending();
    this.#change({ kind: 'connected' });
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
    this.#options.changed?.();
    if (state.kind === before || this.#closing.signal.aborted) return;
    if (state.kind === 'connected') {
      this.#lastFailure = '';
      this.#options.log.connected();
    }
    for (const user of this.#users.keys()) user.connectionChanged(state);
  }

  #happened(happening: OutboxEvent): void {
    // That MESH is there again need not wait for the next handshake.
    if (happening.event === 'accepted' && this.#state.kind === 'disconnected') this.#change({ kind: 'connected' });
    this.#watch.happened(happening);
    this.#options.changed?.();
  }

  #sendingChanged(told: OutboxState): void {
    if (this.#closing.signal.aborted) return;
    const state = this.#watch.changed(told);
    this.#options.changed?.();
    for (const user of this.#users.keys()) user.sendingChanged(state);
  }

  /** By one node only: Catch nodes would else hear the same thing of each. */
  #raise(alarm: Alarm): void {
    if (this.#closing.signal.aborted) return;
    const users = [...this.#users.keys()];
    const first = users.find((user) => user.sends) ?? users[0];
    first?.raise(alarm);
  }
}
