/** openMailbox(options): the only place where the parts are wired together. */
import { join } from 'node:path';
import type { AcknowledgementRequest } from './acks/compose';
import { ackWorkflows, loadProfiles, type WorkflowProfiles } from './acks/profiles';
import { MeshClient, type InboxQuery } from './client/client';
import { createTransport, type Transport } from './client/transport';
import { readMailboxOptions, type MailboxConfig, type MailboxOptions } from './config';
import { OperatorView } from './operator/mailbox-view';
import { holdOpen } from './monitor/forgotten-mailboxes';
import { HealthRecorder, type MailboxHealth } from './monitor/health';
import { createDurableInbox } from './receive/durable-inbox';
import type { DurableInboxOptions, InboxClient } from './receive/durable-inbox-types';
import { Scratch } from './payload/scratch';
import type { InboxPoller, InboxRules } from './receive/inbox-types';
import { receiveMessage, type ReceiveOptions } from './receive/receive-message';
import { systemClock, type Clock } from './clock';
import { answerMessage, type SentAcknowledgement } from './send/acknowledgement-sender';
import { prepareByProfile, type PreparedMessage } from './send/by-profile';
import { profileDeadlines, type WorkflowDeadlines } from './send/deadlines';
import { Follower } from './send/follower';
import { Outbox } from './send/outbox';
import type { OutboxLimits, OutboxState } from './send/outbox-types';
import { OutboxWorker } from './send/outbox-worker';
import { SendMarks } from './send/send-marks';
import { settleAcknowledgement } from './send/settle-acknowledgement';
import { sendMessage, type SendOptions } from './send/send-message';
import type { Storage } from './storage';
import { TrafficRecorder, type Traffic } from './monitor/traffic';
import { LEASE_MS, MailboxLease } from './store/mailbox-lease';
import type { Answer } from './store/settle-outcome';
import { mailboxKey, type Role } from './store/store';
import type { InboxPage, MailboxAddress, MessageHeaders, OutgoingMessage, ReceivedMessage } from './types';
import type { SentMessage, Tracking } from './types';

/** Every call can be ended; it then throws AbortedError, or UnknownOutcomeError where MESH may already have acted. */
export interface CallOptions {
  signal?: AbortSignal;
}

/** One MESH mailbox. All methods throw the errors of this library only, and may be called side by side. */
export interface Mailbox {
  /** In upper case. */
  readonly mailboxId: string;
  /** Of the environment, without a slash at its end. */
  readonly url: string;
  /** Tells MESH that this mailbox is alive, and whether the credentials fit. Once at start and every 24 hours. */
  handshake(options?: CallOptions): Promise<void>;
  /** One page of message ids, oldest first. List at most every five minutes unless there are more. */
  listInbox(options?: CallOptions & InboxQuery): Promise<InboxPage>;
  /** All message ids in the inbox, page after page. */
  inboxMessageIds(options?: CallOptions & Omit<InboxQuery, 'continueFrom'>): AsyncGenerator<string>;
  /** A message's headers without its payload. */
  head(messageId: string, options?: CallOptions): Promise<MessageHeaders>;
  /** A message with its payload, checked to be whole. Acknowledge it when it is safe where it belongs. */
  receive(messageId: string, options?: CallOptions & ReceiveOptions): Promise<ReceivedMessage>;
  /** Takes the message out of the inbox. MESH then tells the sender that it was collected. */
  acknowledge(messageId: string, options?: CallOptions): Promise<void>;
  /** Sends a message and resolves when MESH has accepted it, which is not yet its delivery: track it. */
  send(message: OutgoingMessage, options?: CallOptions & SendOptions): Promise<SentMessage>;
  /** What became of a sent message. MESH asks not to do this often: hours are normal. */
  track(messageId: string, options?: CallOptions): Promise<Tracking>;
  /** The same by our own reference. Deprecated by MESH; throws LocalIdNotUniqueError where it names several. */
  trackByLocalId(localId: string, options?: CallOptions): Promise<Tracking>;
  /** The mailboxes of an organisation (ODS code) that take a workflow. */
  lookup(odsCode: string, workflowId: string, options?: CallOptions): Promise<MailboxAddress[]>;
  /** All mailboxes that take a workflow. */
  searchWorkflow(workflowId: string, options?: CallOptions): Promise<MailboxAddress[]>;
  /** Ends what is under way and closes all connections. Repeatable. */
  close(): Promise<void>;
}

/** What makes a mailbox durable. */
export interface DurableOptions {
  /** Opened by openStorage; several mailboxes share one. */
  storage: Storage;
  /** Of the sandbox that this is, so that its messages end with it. */
  instance?: string;
  limits?: OutboxLimits;
  /** By when what is sent has to be collected and answered, by workflow. Default: 12 hours, 24 hours, 2 working days. */
  deadlines?: readonly WorkflowDeadlines[];
  /** How messages of each workflow are answered. Default: loadProfiles(). */
  profiles?: WorkflowProfiles;
  /** ODS code of the organisation whose mailbox it is: answers name it. Default: read from the mailbox id, where that has it. */
  odsCode?: string;
  /** For tests. */
  clock?: Clock;
}

/** How to receive durably. */
export type InboxOptions = InboxRules & Pick<DurableInboxOptions, 'meshAcknowledge' | 'minFreeBytes'>;

/** A mailbox whose outbox survives kills, restarts and days without MESH. */
export interface DurableMailbox extends Mailbox {
  readonly outbox: Outbox;
  /** How messages of each workflow are addressed, answered and limited. */
  readonly profiles: WorkflowProfiles;
  /** Its key in the store. */
  readonly storeKey: string;
  /** For operators: what its messages are, and what became of each. */
  readonly operator: OperatorView;
  /** How it is, so far as this process has seen. */
  health(): MailboxHealth;
  /** What went through it since it was opened. */
  traffic(): Traffic;
  /**
   * The message as its workflow's profile prescribes it, for the outbox: recipient, subject, local id, chunks. `property` gives
   * what a flow's message has at a path, for templates. Throws InvalidMessageError, NotFoundError or ConfigurationError where that cannot
   * be told, and what a look-up throws.
   */
  prepare(
    message: OutgoingMessage,
    options?: CallOptions & { property?: (path: string) => string | undefined },
  ): Promise<PreparedMessage>;
  /** Begins to send and to follow what the store holds. Call it once; the one sender of this mailbox is this process. */
  start(): void;
  /** Told whenever the number of waiting or held messages, or a pause, changes; gives a function that ends it. */
  onSending(listener: (state: OutboxState) => void): () => void;
  /** Ends a pause: the mailbox has been mended. */
  resumeSending(): void;
  /**
   * The durable inbox: what it receives is in the store before MESH is told that it was collected. Make one for each
   * mailbox, and close it before the mailbox.
   */
  inbox(options: InboxOptions): InboxPoller;
  /** Settles the message that a REPORT names. False if the outbox does not have it. */
  settleReport(report: MessageHeaders): Promise<boolean>;
  /**
   * Settles an outcome of the message that an acknowledgement answers, however late. False if the outbox does not have it, or
   * has several of that local id. The same answer again changes nothing; a negative one is final.
   */
  settleOutcome(reference: { messageId: string } | { localId: string }, answer: Answer): Promise<boolean>;
  /**
   * Answers a received message: the business acknowledgement, through the outbox, to its sender. Resolves when the answer is
   * durable; mark the message as done after that, or the answer may be lost. An acknowledgement is never answered. Throws
   * NotFoundError for a message that the store does not have, InvalidMessageError for an answer that cannot be given.
   */
  answer(messageId: string, wish: AcknowledgementRequest): Promise<SentAcknowledgement>;
}

/** Beyond lease and time-outs (milliseconds): clocks differ, and an answer has to be stored. */
const SETTLE_MARGIN_MS = 10_000;

/** Opens a mailbox; connects only when something is asked of it. Throws ConfigurationError for options that cannot work. */
export function openMailbox(options: MailboxOptions & DurableOptions): DurableMailbox;
export function openMailbox(options: MailboxOptions): Mailbox;
export function openMailbox(options: MailboxOptions & Partial<DurableOptions>): Mailbox {
  const { storage, instance, limits, deadlines, profiles, odsCode, clock, ...rest } = options;
  const config = readMailboxOptions(rest);
  const names = { mailboxId: config.mailboxId, url: config.url.href.replace(/\/+$/, '') };
  const health = new HealthRecorder(names, config.tls, clock ?? systemClock);
  const transport = health.watched(createTransport(config));
  const client = new MeshClient(config, transport);
  const mailbox = plainMailbox(config, names, client, transport, health);
  if (!storage) return mailbox;
  return durableMailbox(config, client, mailbox, health, {
    storage,
    ...(instance === undefined ? {} : { instance }),
    ...(limits ? { limits } : {}),
    ...(deadlines ? { deadlines } : {}),
    ...(profiles ? { profiles } : {}),
    ...(odsCode ? { odsCode } : {}),
    ...(clock ? { clock } : {}),
  });
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
    handshake: (call) => health.handshaking(client.handshake(signalOf(call))),
    listInbox: (query) => client.listInbox(query, signalOf(query)),
    async *inboxMessageIds(query = {}) {
      const seen = new Set<string | undefined>();
      let from: string | undefined;
      // A server that gives a place again would have us here for ever.
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
  health: HealthRecorder,
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
  // A built-in sandbox has another port at each start; what its predecessor had is closed under the same key.
  const storeKey = mailboxKey(instance === undefined ? mailbox.url : 'sandbox', mailbox.mailboxId);
  const common = { store, spool, clock, mailbox: storeKey, instance: instance ?? null };
  const outbox = new Outbox({
    ...common,
    mailboxId: mailbox.mailboxId,
    ...(limits ? { limits } : {}),
    deadlines: [...deadlines, ...profileDeadlines(profiles)],
    profiles,
  });
  const listeners = new Set<(state: OutboxState) => void>();
  const changed = (sending: OutboxState): void => listeners.forEach((listener) => listener(sending));
  // The store's leases go by the database's clock, whatever a test's own does.
  const leaseFor = (role: Role, told: (held: boolean) => void): MailboxLease =>
    new MailboxLease(store, storeKey, role, told, LEASE_MS / (clock.speed ?? 1));
  const lease = leaseFor('sender', () => worker.leaseChanged());
  const { connectMs, headersMs } = config.timeouts;
  const settleWaitMs = store.isShared ? LEASE_MS + connectMs + headersMs + SETTLE_MARGIN_MS : 0;
  const scratch = new Scratch(storage.scratch);
  const worker: OutboxWorker = new OutboxWorker({
    ...common,
    client,
    config,
    outbox,
    changed,
    scratch,
    lease,
    settleWaitMs,
    // Where others send too, they could not read them.
    ...(store.isShared ? {} : { openMarks: () => SendMarks.open(join(storage.folder, 'sending'), storeKey) }),
  });
  const follower = new Follower({ ...common, client, outbox, lease });
  const inboxClient = watchedInbox(client, health);
  const traffic = new TrafficRecorder();
  outbox.onEvent((event) => traffic.happened(event));
  let release: (() => void) | undefined;
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
      release ??= holdOpen(storage, storeKey);
      lease.start();
      worker.start();
      follower.start();
    },
    onSending(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    resumeSending: () => worker.resume(),
    settleReport: (report) => follower.settleReport(report),
    settleOutcome: (reference, answer) => follower.settleOutcome(reference, answer),
    answer: (messageId, wish) =>
      answerMessage(
        { ...common, outbox, profiles, mailboxId: mailbox.mailboxId, ...(odsCode ? { odsCode } : {}) },
        messageId,
        wish,
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
        checkChecksum: config.checkChecksum,
        settleReport: (report) => follower.settleReport(report),
        stored: (bytes) => traffic.received(bytes),
        settleAcknowledgement: (ack, by) => settleAcknowledgement({ ...common, outbox }, ack, by),
        profiles,
        ...(store.isShared ? { lease: (told: (held: boolean) => void) => leaseFor('poller', told) } : {}),
        clock,
      })),
    async close() {
      await Promise.all([worker.stop(), follower.stop()]);
      await lease.stop();
      outbox.close();
      release?.();
      release = () => undefined;
      await mailbox.close();
    },
  };
}

/** The inbox's endpoints, its lists noted. */
function watchedInbox(client: MeshClient, health: HealthRecorder): InboxClient {
  return {
    listInbox: (query, signal) => health.polling(client.listInbox(query, signal)),
    head: (messageId, signal) => client.head(messageId, signal),
    download: (messageId, chunk, consume, signal) => client.download(messageId, chunk, consume, signal),
    acknowledge: (messageId, signal) => client.acknowledge(messageId, signal),
  };
}

/** Mailboxes whose inbox this process has opened, by state. */
const opened = new WeakMap<Storage, Set<string>>();

/** What an earlier process had in flight died with it; what an earlier inbox of this one had, a flow may still be busy with. */
function isFirstInbox(storage: Storage, storeKey: string): boolean {
  const keys = opened.get(storage) ?? new Set();
  opened.set(storage, keys);
  if (keys.has(storeKey)) return false;
  keys.add(storeKey);
  return true;
}
