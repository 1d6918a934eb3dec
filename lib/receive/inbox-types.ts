/** What the poller and those who want something from it say to each other. */
import type { MeshError } from '../errors';
import type { StoredError } from '../store/store';
import type { MessageHeaders, Progress, ReceivedMessage } from '../types';

/** A message that is handed over. */
export interface Delivery {
  received: ReceivedMessage;
  /** By message type, and for acknowledgements of the business kind by workflow or content. */
  kind: 'data' | 'report' | 'business-acknowledgement';
  /** What an acknowledgement of the business kind says, where it could be read. */
  answer?: MeshAnswer;
  /** 1 at first; more after the lease ran out without an acknowledgement. */
  deliveryCount: number;
}

/** An acknowledgement of something that was sent. Plain JSON. */
export interface MeshAnswer {
  /** The reference that it names: MessageHeader.id, UNB's control reference, MSH-10. */
  answers?: string;
  level: 'infrastructure' | 'business';
  result: 'positive' | 'partial' | 'negative';
  code: string;
  /** What the code means, from the standard's table. */
  meaning: string;
  /** The message in our outbox that it has settled; missing where there is none. */
  sentId?: string;
  /** MESH's id of that message. */
  sentMessageId?: string;
}

/** One who wants messages of the inbox, e.g. a mesh-poll node. */
export interface InboxConsumer {
  /** Workflow patterns (`W`, `W*`, `*W`, `*W*`, and `!` before them). Empty: everything that no other consumer names. */
  readonly workflows: readonly string[];
  /** Most messages delivered and not yet acknowledged, reports included. */
  readonly maxInFlight: number;
  /** List the inbox this often (milliseconds); 0: only when `poll` is called. */
  readonly intervalMs: number;
  /** Save payloads into this folder under a safe name, instead of into a Buffer. */
  readonly folder?: string;
  /** `flow`: someone calls `acknowledge`. `after-delivery`: the poller does, as soon as `deliver` has resolved. */
  readonly acknowledge: 'flow' | 'after-delivery';
  /**
   * Hands the message over. A throw leaves it unacknowledged: parked if the error's `retry` is `never`; if it is `safe` it
   * was not taken, which does not count, and is tried again in five minutes or when the consumers change; else it is in
   * flight until its lease runs out.
   */
  deliver(delivery: Delivery): Promise<void>;
  /** The message is not delivered any more: too often already, or it cannot be. `message` is what is known of it. */
  parked(
    message: Partial<MessageHeaders> & { messageId: string },
    error: MeshError | undefined,
    deliveryCount: number,
  ): void;
  /** Something failed, or a message is claimed by nobody. Called once for each cause, not for each attempt. */
  failed(error: MeshError, messageId?: string): void;
  /** Something of the state changed. */
  changed?(state: PollerState): void;
}

/** How things stand, for one consumer. */
export interface PollerState {
  polling: boolean;
  /** Delivered and not yet acknowledged. */
  inFlight: number;
  /** Listed and not yet downloaded. */
  waiting: number;
  /** Messages of the mailbox that nobody claims. */
  unclaimed: number;
  /** The last poll that went well; ISO 8601 UTC. */
  lastPoll?: string;
  /** ISO 8601 UTC. */
  nextPoll?: string;
  /** Of the download under way. */
  progress?: Progress;
}

/** How the inbox of a mailbox stands, whoever uses it. */
export interface InboxState {
  /** It lists, downloads, delivers or tells MESH now. */
  polling: boolean;
  /** Delivered, and the flow is not done with it. */
  inFlight: number;
  /** Stored, and not yet delivered. */
  waiting: number;
  /** Messages that no consumer claims. */
  unclaimed: number;
  /** When the inbox was last listed and everything taken (milliseconds since 1970); undefined: not since this process began. */
  lastPoll: number | undefined;
  /** Milliseconds since 1970; undefined where none is planned here. */
  nextPoll: number | undefined;
  /** Of the download under way. */
  progress: Progress | undefined;
}

/** A message that is kept, and not delivered any more unless somebody asks for it. */
export interface ParkedMessage {
  message: MessageHeaders;
  /** Why; `MESH_NOT_ACKNOWLEDGED` where it was delivered as often as it may be. */
  error: StoredError;
  deliveryCount: number;
}

/** How to poll. */
export interface InboxRules {
  /** Never list more often (milliseconds), but for full pages: 5 minutes for Integration and Live (DOMAIN.md 1.4). */
  minimumIntervalMs: number;
  /** Patterns of workflows that another system collects from this mailbox: left alone. */
  leftToOthers?: readonly string[];
  /** Default `*_ACK`, MESH's convention. */
  businessAcknowledgementWorkflows?: readonly string[];
  /** What is not acknowledged within this time after its delivery is delivered again (milliseconds). Default 1 hour. */
  leaseMs?: number;
  /** Then it is parked. Default 5. */
  maxDeliveries?: number;
}

/** The poller of one mailbox. */
export interface InboxPoller {
  add(consumer: InboxConsumer): void;
  remove(consumer: InboxConsumer): void;
  /** Lists and drains now or, where that would be more often than MESH allows, at the next allowed time. */
  poll(): { started: true } | { started: false; nextPoll: Date };
  /**
   * The receiver is done with the message: takes it out of the inbox and out of flight. Repeatable, also for messages that
   * this poller does not know. If MESH cannot be told now, this throws, and the poller tells it later by itself.
   */
  acknowledge(messageId: string): Promise<void>;
  /** What is parked in the store, oldest first. */
  parked(): AsyncGenerator<ParkedMessage>;
  /**
   * Delivers a parked message again, to whoever takes its workflow by now: once at least, with a higher `deliveryCount`. Throws
   * NotFoundError for a message that is not there, InvalidMessageError for one that is not parked.
   */
  redeliver(messageId: string): Promise<void>;
  /** How it stands now. */
  state(): InboxState;
  /** Told whenever that changes, often while it works; gives a function that ends it. */
  onChange(listener: () => void): () => void;
  /** Ends polling; what is in flight stays in the MESH inbox. Waits for the step under way. */
  close(): Promise<void>;
}
