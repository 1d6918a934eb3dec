/**
 * The mailbox that all nodes of a mesh-config share: one client, one poller, one outbox. Node-RED closes a config node
 * and its users at the same time and waits 15 seconds, so this class tracks the pending work of each user, and ends it.
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

// Node-RED gives up after 15 s. The outbox itself limits a request that it is sending to 5 s.
const POLLER_GRACE_MS = 1_000;
const USER_CLOSE_MS = 5_000;
const CLOSE_MS = 12_000;

/** The result of the mailbox's last handshake. */
export type ConnectionState =
  | { kind: 'idle' }
  | { kind: 'connecting' }
  | { kind: 'connected' }
  | { kind: 'disconnected'; error: unknown }
  /** The storage cannot be opened for now; it is tried again. */
  | { kind: 'waiting'; error: unknown }
  /** The configuration is wrong: the mailbox works only after another one is deployed. */
  | { kind: 'unusable'; error: unknown };

/** A user of the mailbox: a node, or for a moment the editor. */
export interface ConnectionUser {
  /** True for a node that fills the outbox: it is the first choice to raise an alarm. */
  readonly sends: boolean;
  connectionChanged(state: ConnectionState): void;
  sendingChanged(state: OutboxState): void;
  /** Raises an error for Catch nodes that belongs to no message in the flow. */
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
  /** Opens the mailbox, when the first user registers. Rejects when the configuration is wrong. */
  open(): Promise<OpenedMailbox>;
  /** Resolves when `open`, which rejected with this error, may be called again. Default: never. */
  openAgain?(error: unknown): Promise<void> | undefined;
  /** Whether that error passes by itself: then the mailbox is waiting, not unusable. Default: no. */
  passes?(error: unknown): boolean;
  /** Called once, when closing begins. `ending` resolves when all work has ended, and never rejects. */
  closing?(ending: Promise<void>): void;
  /** Called for every change that a viewer may want to see: often, while the mailbox works. */
  changed?(): void;
  /** Called once for each change, not for each attempt. */
  log: { connected(): void; failed(error: unknown): void };
}

/** The pending work of one user. */
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
  readonly #alarms = new SendAlarms((alarm) => this.#raise(alarm));
  #opened: Promise<OpenedMailbox> | undefined;
  /** Resolves when the opening that failed last may be tried again. */
  #again: Promise<void> | undefined;
  #handshaking: Promise<void> = Promise.resolve();
  #state: ConnectionState = { kind: 'idle' };
  #closed: Promise<void> | undefined;
  /** Code of the last failure that was logged. */
  #lastFailure = '';

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** The last state of the outbox; undefined before the first. */
  get sending(): OutboxState | undefined {
    return this.#alarms.state;
  }

  /** Returns the open mailbox; undefined when no node uses it, its configuration is wrong, or it is closing. */
  async opened(): Promise<OpenedMailbox | undefined> {
    if (this.#closing.signal.aborted) return undefined;
    return this.#opened?.catch(() => undefined);
  }

  /** Adds a user; the first one opens the mailbox. */
  register(user: ConnectionUser): void {
    if (this.#closing.signal.aborted || this.#users.has(user)) return;
    this.#users.set(user, new Registration());
    // The state reports a failure, and every call that needs the mailbox rejects with it again.
    this.#open().catch(() => undefined);
    user.connectionChanged(this.#state);
    if (this.#alarms.state) user.sendingChanged(this.#alarms.state);
  }

  /** Ends the user's pending work. The mailbox stays open: a redeployed node registers again at once. */
  async deregister(user: ConnectionUser): Promise<void> {
    const registration = this.#users.get(user);
    if (registration === undefined) return;
    await registration.end();
    this.#users.delete(user);
  }

  /**
   * Runs `work` with the open mailbox on behalf of a user. The signal aborts when the user closes.
   * @throws AbortedError when the user or the mailbox is closing
   */
  async run<Result>(
    user: ConnectionUser,
    work: (opened: OpenedMailbox, signal: AbortSignal) => Promise<Result>,
  ): Promise<Result> {
    const registration = this.#registration(user);
    const { signal } = registration.closing;
    return registration.track(this.#open().then((opened) => work(opened, signal)));
  }

  /**
   * Runs `work` once, as soon as the mailbox is open: waits while its opening is tried again. Unlike with `run`, nothing
   * waits for a result meanwhile. Calls `onWaiting` when it begins to wait.
   * @throws AbortedError when the user or the mailbox is closing; what prevents the opening for good
   */
  async onceOpen<Result>(
    user: ConnectionUser,
    work: (opened: OpenedMailbox, signal: AbortSignal) => Promise<Result>,
    onWaiting?: (error: unknown) => void,
  ): Promise<Result> {
    const { signal } = this.#registration(user).closing;
    const closing = aborted(signal);
    let isWaiting = false;
    for (;;) {
      try {
        return await this.run(user, work);
      } catch (error) {
        if (this.#again === undefined || signal.aborted) throw error;
        if (!isWaiting) onWaiting?.(error);
        isWaiting = true;
        await Promise.race([this.#again, closing]);
      }
    }
  }

  /** Waits until MESH has accepted a message of the outbox. Rejects when that fails, which the caller reports. */
  accepted(user: ConnectionUser, id: string): Promise<OutboxMessage> {
    return this.run(user, ({ mailbox }, signal) => this.#alarms.awaited(id, mailbox.outbox.accepted(id, signal)));
  }

  /** Leaves alarms about messages to whoever takes them at that moment. Returns a function that ends that. */
  follow(takesAlarm: () => boolean): () => void {
    return this.#alarms.follow(takesAlarm);
  }

  /** Closes the mailbox within 12 seconds, whatever hangs. Repeatable. */
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
    // The poller closes first, so that it delivers nothing new while the users end. Closing the mailbox aborts a
    // download; an acknowledgement after a delivery gets a moment, or the message would be delivered again.
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
    // Not between the attempts to open a storage that is not there yet: the status would flicker.
    if (this.#state.kind !== 'waiting') this.#change({ kind: 'connecting' });
    try {
      const opened = await this.#options.open();
      const { mailbox } = opened;
      mailbox.onSending((state) => this.#sendingChanged(state));
      mailbox.outbox.onEvent((event) => this.#happened(event));
      opened.poller.onChange(() => this.#options.changed?.());
      if (this.#state.kind === 'waiting') this.#change({ kind: 'connecting' });
      if (!this.#closing.signal.aborted) mailbox.start();
      this.#handshaking = keepHandshaking(
        mailbox,
        { succeeded: () => this.#handshakeSucceeded(mailbox), failed: (error) => this.#handshakeFailed(error) },
        this.#closing.signal,
      );
      return opened;
    } catch (error) {
      this.#again = this.#options.openAgain?.(error);
      this.#change({ kind: this.#options.passes?.(error) === true ? 'waiting' : 'unusable', error });
      this.#logFailed(error);
      void this.#again?.then(() => this.#reopen());
      throw error;
    }
  }

  /** Tries again, once for each failure. */
  #reopen(): void {
    if (this.#closing.signal.aborted || this.#again === undefined) return;
    this.#again = undefined;
    this.#opened = undefined;
    if (this.#users.size > 0) this.#open().catch(() => undefined);
  }

  #handshakeSucceeded(mailbox: DurableMailbox): void {
    // The cause of the outbox's pause is gone.
    if (this.#state.kind === 'disconnected') mailbox.resumeSending();
    this.#change({ kind: 'connected' });
  }

  #handshakeFailed(error: unknown): void {
    this.#logFailed(error);
    this.#change({ kind: 'disconnected', error });
  }

  #logFailed(error: unknown): void {
    const failure = String((error as { code?: unknown } | undefined)?.code);
    if (failure !== this.#lastFailure) this.#options.log.failed(error);
    this.#lastFailure = failure;
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

  #happened(event: OutboxEvent): void {
    // An accepted message proves the connection before the next handshake does.
    if (event.event === 'accepted' && this.#state.kind === 'disconnected') this.#change({ kind: 'connected' });
    this.#alarms.happened(event);
    this.#options.changed?.();
  }

  #sendingChanged(latest: OutboxState): void {
    if (this.#closing.signal.aborted) return;
    const state = this.#alarms.changed(latest);
    this.#options.changed?.();
    for (const user of this.#users.keys()) user.sendingChanged(state);
  }

  /** Raises the alarm by one node only, so that Catch nodes get it once. */
  #raise(alarm: Alarm): void {
    if (this.#closing.signal.aborted) return;
    const users = [...this.#users.keys()];
    const first = users.find((user) => user.sends) ?? users[0];
    first?.raise(alarm);
  }
}

/** Waits for a promise at most `ms` milliseconds. Never rejects. */
async function waitAtMost(ms: number, promise: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([promise.catch(() => undefined), timeout]);
  clearTimeout(timer);
}

/** Resolves when the signal aborts. */
function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
