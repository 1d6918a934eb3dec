/** `openMailbox(options)`: the only place where the parts of a mailbox are wired together. */
import { join } from 'node:path';
import type { AcknowledgementRequest } from './acks/compose';
import { ackWorkflows, loadProfiles, type WorkflowProfiles } from './acks/profiles';
import { MeshClient, type InboxQuery } from './client/client';
import { CertificateFiles } from './client/certificate-files';
import { createTransport, type Transport } from './client/transport';
import { readMailboxOptions, type MailboxConfig, type MailboxOptions } from './config';
import { OperatorView } from './operator/mailbox-view';
import { markOpen } from './monitor/forgotten-mailboxes';
import { HealthRecorder, SHOWN_MS, type MailboxHealth } from './monitor/health';
import { createDurableInbox } from './receive/durable-inbox';
import type { DurableInboxOptions, InboxClient } from './receive/durable-inbox-types';
import { Scratch } from './payload/scratch';
import type { InboxPoller, InboxRules } from './receive/inbox-types';
import { receiveMessage, type ReceiveOptions } from './receive/download/receive-message';
import { machineMs, systemClock, type Clock } from './clock';
import { ClockSteps } from './clock-steps';
import { sendAcknowledgement, type SentAcknowledgement } from './send/acknowledgement-sender';
import { prepareByProfile, type DraftMessage, type PreparedMessage } from './send/by-profile';
import { profileDeadlines, type WorkflowDeadlines } from './send/deadlines';
import { Follower } from './send/follower';
import { Outbox } from './send/outbox';
import type { OutboxLimits, OutboxMessage, OutboxState } from './send/outbox-types';
import { OutboxWorker } from './send/outbox-worker';
import { SendMarks } from './send/send-marks';
import { settleAcknowledgements } from './send/settle-acknowledgement';
import { settleReply } from './send/settle-reply';
import { sendMessage, type SendOptions } from './send/send-message';
import type { Storage } from './storage';
import { TrafficRecorder, type Traffic } from './monitor/traffic';
import { LEASE_MS, MailboxLease } from './store/mailbox-lease';
import { RecentRows } from './store/recent-rows';
import { mailboxKey, type LeaseRole, type Outgoing } from './store/store';
import type { InboxPage, MailboxAddress, MessageHeaders, OutgoingMessage, ReceivedMessage } from './types';
import type { SentMessage, Tracking } from './types';

/**
 * Options of every call. An aborted call throws AbortedError, or UnknownOutcomeError when MESH may already have acted.
 */
export interface CallOptions {
  signal?: AbortSignal;
}

/** One MESH mailbox. All methods throw only the errors of this library, and may be called concurrently. */
export interface Mailbox {
  /** The mailbox id, in upper case. */
  readonly mailboxId: string;
  /** URL of the environment, without a slash at its end. */
  readonly url: string;
  /**
   * Validates the mailbox at MESH (handshake): once at start, then every 24 hours. Rejects if MESH refuses the
   * credentials.
   */
  handshake(options?: CallOptions): Promise<void>;
  /** Returns one page of message ids, oldest first. List at most every five minutes, unless there are more pages. */
  listInbox(options?: CallOptions & InboxQuery): Promise<InboxPage>;
  /** Yields all message ids in the inbox, page by page. */
  inboxMessageIds(options?: CallOptions & Omit<InboxQuery, 'continueFrom'>): AsyncGenerator<string>;
  /** Returns a message's headers without its payload. */
  head(messageId: string, options?: CallOptions): Promise<MessageHeaders>;
  /** Downloads a message and checks that its payload is complete. Acknowledge it once it is stored safely. */
  receive(messageId: string, options?: CallOptions & ReceiveOptions): Promise<ReceivedMessage>;
  /** Acknowledges a message: MESH removes it from the inbox and marks it as collected for its sender. */
  acknowledge(messageId: string, options?: CallOptions): Promise<void>;
  /** Sends a message. Resolves when MESH has accepted it, which is not yet its delivery: track it. */
  send(message: OutgoingMessage, options?: CallOptions & SendOptions): Promise<SentMessage>;
  /** Returns MESH's tracking of a sent message. MESH asks clients not to track often: intervals of hours are normal. */
  track(messageId: string, options?: CallOptions): Promise<Tracking>;
  /**
   * Returns MESH's tracking by the sender's own reference. Deprecated by MESH.
   * @throws LocalIdNotUniqueError when several messages have it
   */
  trackByLocalId(localId: string, options?: CallOptions): Promise<Tracking>;
  /** Returns the mailboxes of an organisation (ODS code) that accept a workflow. */
  lookup(odsCode: string, workflowId: string, options?: CallOptions): Promise<MailboxAddress[]>;
  /** Returns all mailboxes that accept a workflow. */
  searchWorkflow(workflowId: string, options?: CallOptions): Promise<MailboxAddress[]>;
  /** Aborts all calls and closes all connections. Repeatable. */
  close(): Promise<void>;
}

/** What makes a mailbox durable. */
export interface DurableOptions {
  /** Opened by openStorage; several mailboxes share one. */
  storage: Storage;
  /** Id of the sandbox that the mailbox belongs to: its messages are closed when another instance starts. */
  instance?: string;
  limits?: OutboxLimits;
  /** Deadlines of sent messages, by workflow. Default: 12 hours, 24 hours, 2 working days. */
  deadlines?: readonly WorkflowDeadlines[];
  /** How messages of each workflow are addressed and acknowledged. Default: loadProfiles(). */
  profiles?: WorkflowProfiles;
  /**
   * ODS code of the mailbox's organisation, named in acknowledgements. Default: the one in the mailbox id, if there is
   * one.
   */
  odsCode?: string;
  /** Default: the system clock. */
  clock?: Clock;
}

/** How the durable inbox receives. */
export type InboxOptions = InboxRules & Pick<DurableInboxOptions, 'meshAcknowledge' | 'minFreeBytes'>;

/** A mailbox whose outbox survives kills, restarts and days without MESH. */
export interface DurableMailbox extends Mailbox {
  readonly outbox: Outbox;
  /** How messages of each workflow are addressed, acknowledged and limited. */
  readonly profiles: WorkflowProfiles;
  /** The mailbox's key in the store. */
  readonly storeKey: string;
  /** The operator view: the mailbox's messages, and what happened to each. */
  readonly operator: OperatorView;
  /** Returns the mailbox's health, as this process has seen it. */
  health(): MailboxHealth;
  /** Returns the traffic since the mailbox was opened. */
  traffic(): Traffic;
  /**
   * Returns the message as its workflow's profile prescribes it, for the outbox: recipient, subject, local id, chunks.
   * Templates read the flow's message through `property`, which returns the value at a path.
   * @throws InvalidMessageError, NotFoundError or ConfigurationError when a prescribed value cannot be determined; what
   *   a look-up throws
   */
  prepare(
    message: DraftMessage,
    options?: CallOptions & { property?: (path: string) => string | undefined },
  ): Promise<PreparedMessage>;
  /**
   * Starts sending and following the messages in the store. Call it once: this process must be the mailbox's only
   * sender.
   */
  start(): void;
  /** Calls `listener` when the state of the sending changes. Returns a function that unsubscribes it. */
  onSending(listener: (state: OutboxState) => void): () => void;
  /**
   * Calls `listener` when the files of `tls.files` have changed: with null when they are in use from now on, otherwise
   * with a sentence that says why not. The last listener is the only one.
   */
  onCertificates(listener: (problem: string | null) => void): void;
  /**
   * Asks MESH now about a message of the outbox that is unknown, or accepted and not collected yet, and returns it as it
   * is after that.
   * @throws NotFoundError when MESH does not say that it has the message, or the outbox does not have it;
   *   InvalidMessageError when it is in another state; what the request to MESH throws
   */
  askAbout(id: string): Promise<OutboxMessage | undefined>;
  /** Ends a pause, e.g. once the cause has been fixed. */
  resumeSending(): void;
  /**
   * Creates the durable inbox: a message is in the store before it is acknowledged to MESH. Create one for each
   * mailbox, and close it before the mailbox.
   */
  inbox(options: InboxOptions): InboxPoller;
  /** Settles the message that a REPORT names. Returns false if the outbox does not have it. */
  settleReport(report: MessageHeaders): Promise<boolean>;
  /**
   * Sends the business acknowledgement of a received message to its sender, through the outbox. Resolves when the
   * acknowledgement is durable: mark the message as done only after that, or a kill may lose the acknowledgement.
   * Acknowledgements are never acknowledged.
   * @throws NotFoundError when the store does not have the message; InvalidMessageError when it cannot be acknowledged
   *   as requested
   */
  sendAcknowledgement(messageId: string, request: AcknowledgementRequest): Promise<SentAcknowledgement>;
}

/** Added to the lease and the time-outs (milliseconds), because clocks differ and a response has to be stored. */
const SETTLE_MARGIN_MS = 10_000;

/**
 * Opens a mailbox. It connects at the first call that needs MESH.
 * @throws ConfigurationError when the options cannot work
 */
export function openMailbox(options: MailboxOptions & DurableOptions): DurableMailbox;
export function openMailbox(options: MailboxOptions): Mailbox;
export function openMailbox(options: MailboxOptions & Partial<DurableOptions>): Mailbox {
  const { storage, instance, limits, deadlines, profiles, odsCode, clock, ...rest } = options;
  const config = readMailboxOptions(rest);
  const names = { mailboxId: config.mailboxId, url: config.url.href.replace(/\/+$/, '') };
  const certificates = new CertificateFiles(config.tls);
  const health = new HealthRecorder(names, certificates, clock ?? systemClock);
  const transport = health.observe(createTransport(config, certificates));
  const client = new MeshClient(config, transport);
  const mailbox = plainMailbox(config, names, client, transport, health);
  if (!storage) return mailbox;
  return durableMailbox(
    config,
    client,
    mailbox,
    { health, certificates },
    {
      storage,
      ...(instance === undefined ? {} : { instance }),
      ...(limits ? { limits } : {}),
      ...(deadlines ? { deadlines } : {}),
      ...(profiles ? { profiles } : {}),
      ...(odsCode ? { odsCode } : {}),
      ...(clock ? { clock } : {}),
    },
  );
}

function plainMailbox(
  config: MailboxConfig,
  names: Pick<Mailbox, 'mailboxId' | 'url'>,
  client: MeshClient,
  transport: Transport,
  health: HealthRecorder,
): Mailbox {
  const closing = new AbortController();
  const signalOf = (call?: CallOptions): AbortSignal =>
    call?.signal ? AbortSignal.any([call.signal, closing.signal]) : closing.signal;

  return {
    ...names,
    handshake: (call) => health.recordHandshake(client.handshake(signalOf(call))),
    listInbox: (query) => client.listInbox(query, signalOf(query)),
    async *inboxMessageIds(query = {}) {
      const seen = new Set<string | undefined>();
      let from: string | undefined;
      // A server that repeats a continuation would make this loop for ever.
      while (!seen.has(from)) {
        seen.add(from);
        const page = await client.listInbox({ ...query, ...(from ? { continueFrom: from } : {}) }, signalOf(query));
        yield* page.messageIds;
        if (page.continueFrom === undefined) return;
        from = page.continueFrom;
      }
    },
    head: (messageId, call) => client.head(messageId, signalOf(call)),
    receive: (messageId, call) => receiveMessage(client, config, messageId, { ...call, signal: signalOf(call) }),
    acknowledge: (messageId, call) => client.acknowledge(messageId, signalOf(call)),
    send: (message, call) => sendMessage(client, config, message, { ...call, signal: signalOf(call) }),
    track: (messageId, call) => client.track(messageId, signalOf(call)),
    trackByLocalId: (localId, call) => client.trackByLocalId(localId, signalOf(call)),
    lookup: (odsCode, workflowId, call) => client.lookup(odsCode, workflowId, signalOf(call)),
    searchWorkflow: (workflowId, call) => client.searchWorkflow(workflowId, signalOf(call)),
    async close() {
      closing.abort();
      await transport.close();
    },
  };
}

function durableMailbox(
  config: MailboxConfig,
  client: MeshClient,
  mailbox: Mailbox,
  { health, certificates }: { health: HealthRecorder; certificates: CertificateFiles },
  options: DurableOptions,
): DurableMailbox {
  const {
    storage,
    instance,
    limits,
    deadlines = [],
    profiles = loadProfiles(),
    odsCode,
    clock = systemClock,
  } = options;
  const { store, spool } = storage;
  // A built-in sandbox has another port at each start; the key stays, so that its predecessor's messages are closed.
  const storeKey = mailboxKey(instance === undefined ? mailbox.url : 'sandbox', mailbox.mailboxId);
  const common = { store, spool, clock, mailbox: storeKey, instance: instance ?? null };
  const justQueued = store.isShared ? undefined : new RecentRows<Outgoing>();
  const outbox = new Outbox({
    ...common,
    justQueued,
    mailboxId: mailbox.mailboxId,
    ...(limits ? { limits } : {}),
    deadlines: [...deadlines, ...profileDeadlines(profiles)],
    profiles,
  });
  const listeners = new Set<(state: OutboxState) => void>();
  const changed = (sending: OutboxState): void => listeners.forEach((listener) => listener(sending));
  // Leases are kept by the database's clock, whichever clock the mailbox has.
  const leaseFor = (role: LeaseRole, onChange: (held: boolean) => void): MailboxLease =>
    new MailboxLease(store, storeKey, role, onChange, machineMs(LEASE_MS));
  const lease = leaseFor('sender', () => worker.leaseChanged());
  const { connectMs, headersMs } = config.timeouts;
  const settleWaitMs = store.isShared ? LEASE_MS + connectMs + headersMs + SETTLE_MARGIN_MS : 0;
  const scratch = new Scratch(storage.scratch, storeKey);
  const worker: OutboxWorker = new OutboxWorker({
    ...common,
    client,
    config,
    outbox,
    justQueued,
    changed,
    scratch,
    lease,
    settleWaitMs,
    onStoreBehind: (messages) => {
      health.recordStoreBehind(messages);
      traffic.recordForgotten(messages);
    },
    // Other instances that share the store could not read the marks of this one.
    ...(store.isShared ? {} : { openMarks: () => SendMarks.open(join(storage.folder, 'sending'), storeKey) }),
  });
  const trusted = storage.trusted?.by(clock);
  // A sandbox has this machine's clock, which proves nothing.
  if (trusted && instance === undefined) health.onMeshTime = (time) => trusted.heardFromMesh(time);
  const follower = new Follower({ ...common, client, outbox, lease, ...(trusted ? { trusted } : {}) });
  const inboxClient = recordedInbox(client, health);
  const traffic = new TrafficRecorder();
  outbox.onEvent((event) => traffic.recordEvent(event));
  /**
   * Reads what is to be shown of the time before this start. Its call comes before any that this start makes, so that
   * nothing is counted twice. If the store cannot be read now, only what happens from now on is shown.
   */
  const showEarlier = async (): Promise<void> => {
    const now = trusted?.now() ?? clock.now();
    const events = await store.conditionEvents(storeKey, now - SHOWN_MS).catch(() => []);
    health.recordEarlier(events, now);
  };
  let release: (() => void) | undefined;
  let stopWatching: (() => void) | undefined;
  let inbox: InboxPoller | undefined;
  return {
    ...mailbox,
    outbox,
    profiles,
    storeKey,
    operator: new OperatorView({ ...common, outbox, scratch: storage.scratch }),
    health: () => health.snapshot(inbox?.state().nextPoll),
    traffic: () => traffic.snapshot(),
    prepare: (message, { property = () => undefined, ...call } = {}) =>
      prepareByProfile(message, {
        profile: profiles.find(message.workflowId),
        mailboxId: mailbox.mailboxId,
        ...(odsCode ? { odsCode } : {}),
        property,
        lookup: (organisation, workflowId) => mailbox.lookup(organisation, workflowId, call),
      }),
    start() {
      if (release === undefined) void showEarlier();
      release ??= markOpen(storage, storeKey);
      stopWatching ??= ClockSteps.of(clock).onStep(() => worker.clockSet());
      lease.start();
      worker.start();
      follower.start();
    },
    onSending(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    onCertificates: (listener) => void (certificates.onChange = listener),
    async askAbout(id) {
      await follower.ask(id);
      return outbox.get(id);
    },
    resumeSending: () => worker.resume(),
    settleReport: (report) => follower.settleReport(report),
    sendAcknowledgement: (messageId, request) =>
      sendAcknowledgement(
        { ...common, outbox, profiles, mailboxId: mailbox.mailboxId, ...(odsCode ? { odsCode } : {}) },
        messageId,
        request,
      ),
    inbox: (rules) =>
      (inbox = createDurableInbox({
        businessAcknowledgementWorkflows: ackWorkflows(profiles),
        ...rules,
        freshStart: isFirstInbox(storage, storeKey),
        client: inboxClient,
        mailboxId: mailbox.mailboxId,
        url: mailbox.url,
        store,
        spool,
        storeKey,
        instance: instance ?? null,
        maxBufferBytes: config.maxBufferBytes,
        maxExpandedBytes: config.maxExpandedBytes,
        maxExpansionRatio: config.maxExpansionRatio,
        checkChecksum: config.checkChecksum,
        settleReport: (report) => follower.settleReport(report),
        onStored: (bytes) => traffic.recordReceived(bytes),
        onOfferedAgain: (messageId, isDifferent) => {
          health.recordOfferedAgain(messageId, isDifferent);
          traffic.recordOfferedAgain();
        },
        settleAcknowledgements: (acks, by) => settleAcknowledgements({ ...common, outbox }, acks, by),
        settleReply: (reply, by) => settleReply({ ...common, outbox }, reply, by),
        profiles,
        ...(store.isShared
          ? { pollerLease: (onChanged: (held: boolean) => void) => leaseFor('poller', onChanged) }
          : {}),
        clock,
      })),
    async close() {
      await Promise.all([worker.stop(), follower.stop()]);
      await lease.stop();
      outbox.close();
      release?.();
      stopWatching?.();
      release = () => undefined;
      await mailbox.close();
    },
  };
}

/** Returns the inbox's endpoints, recording each list for the health. */
function recordedInbox(client: MeshClient, health: HealthRecorder): InboxClient {
  return {
    listInbox: (query, signal) => health.recordPoll(client.listInbox(query, signal)),
    head: (messageId, signal) => client.head(messageId, signal),
    download: (messageId, chunk, consume, signal) => client.download(messageId, chunk, consume, signal),
    acknowledge: (messageId, signal) => client.acknowledge(messageId, signal),
  };
}

/** Keys of the mailboxes whose inbox this process has opened, by storage. */
const opened = new WeakMap<Storage, Set<string>>();

/**
 * Whether no inbox of this mailbox was opened in this process before. An earlier process's deliveries ended with it; a
 * flow may still be busy with a delivery of an earlier inbox of this process.
 */
function isFirstInbox(storage: Storage, storeKey: string): boolean {
  const keys = opened.get(storage) ?? new Set();
  opened.set(storage, keys);
  if (keys.has(storeKey)) return false;
  keys.add(storeKey);
  return true;
}
