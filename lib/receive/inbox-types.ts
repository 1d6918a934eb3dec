/** The interface between the poller of a mailbox and its consumers. */
import type { MeshError } from '../errors';
import type { StoredError } from '../store/store';
import type { MessageHeaders, Progress, ReceivedMessage } from '../types';

/** One delivery of a received message to a consumer. */
export interface Delivery {
  received: ReceivedMessage;
  /** By message type; business acknowledgements by workflow or content, replies among them. */
  kind: 'data' | 'report' | 'business-acknowledgement';
  /** What a business acknowledgement says, if it could be read. */
  acknowledgement?: DeliveredAcknowledgement;
  /** What a reply to a sent message says, and which stage of it it has settled. */
  reply?: DeliveredReply;
  /** 1 for the first delivery, higher for each redelivery after the lease ended without an acknowledgement. */
  deliveryCount: number;
}

/** What an acknowledgement says, and which sent message it settled. Plain JSON. */
export interface SaidAcknowledgement {
  /** The reference that it names: MessageHeader.id, the control reference of UNB, MSH-10. */
  answers?: string;
  level: 'infrastructure' | 'business';
  result: 'positive' | 'partial' | 'negative';
  code: string;
  /** The code's meaning, from the standard's table. */
  meaning: string;
  /** Our id of the sent message that it settled; missing if it settled none. */
  sentId?: string;
  /** MESH's id of that message. */
  sentMessageId?: string;
}

/** A received business acknowledgement; of a batch the one with the worst result. Plain JSON. */
export interface DeliveredAcknowledgement extends SaidAcknowledgement {
  /** The other acknowledgements of a batch. */
  further?: SaidAcknowledgement[];
}

/** The request that a reply belongs to. */
interface RepliedRequest {
  /** Our id of the sent message. */
  sentId?: string;
  /** MESH's id of that message. */
  sentMessageId?: string;
  /** Whether the stage had this answer already: nothing was settled. */
  isDuplicate?: boolean;
}

/** A received reply, as its workflow's profile reads it. Plain JSON. */
export interface DeliveredReply extends RepliedRequest {
  /** The workflow of the request. */
  workflowId: string;
  /** The stage's name in the profile. */
  stage: string;
  kind: 'receipt' | 'result' | 'report';
  outcome: 'positive' | 'partial' | 'negative' | 'unclear';
  /** The profile's word for what it says. */
  code?: string;
  /** Of a reply that was compared with its request: how many rows were sent, and how many of them came back. */
  rows?: { sent: number; returned: number };
  /** The other requests that the rows of a report name. */
  further?: RepliedRequest[];
  /**
   * Why it has not settled all that it names: it names no sent message (`unmatched`), could belong to several
   * (`ambiguous`), has rows that do not agree with the request (`differs`: `code` says in which way), says something that
   * the profile does not know (`unclear`), or has too many rows.
   */
  problem?: 'unmatched' | 'ambiguous' | 'differs' | 'unclear' | 'too-many-rows';
}

/** A consumer of received messages, such as a mesh-poll node. */
export interface InboxConsumer {
  /** Names the consumer in errors of others. */
  readonly name?: string;
  /** Of two that want the same messages, the one with the lower number gets them. Default: the one added first. */
  readonly precedence?: number;
  /**
   * Workflow patterns (`W`, `W*`, `*W`, `*W*`, each also after `!`). Empty: everything that no other consumer names.
   */
  readonly workflows: readonly string[];
  /** Maximum number of messages, reports included, that are delivered and not yet acknowledged. */
  readonly maxLeases: number;
  /** Interval between lists of the inbox (milliseconds); 0: list only when `poll` is called. */
  readonly intervalMs: number;
  /** Folder for payloads, saved under a safe name; without it they are delivered as Buffers. */
  readonly folder?: string;
  /**
   * Delivers a payload of multipart/form-data as its parts; one that is malformed is parked whole. Default false.
   */
  readonly unwrapMultipart?: boolean;
  /** `flow`: the flow calls `acknowledge`. `after-delivery`: the poller does, as soon as `deliver` has resolved. */
  readonly acknowledge: 'flow' | 'after-delivery';
  /**
   * Hands a message to the flow. If it throws, the error's `retry` decides: `never` parks the message; `safe` means
   * that the consumer refused it, which does not count as a delivery, and it is tried again after five minutes, when
   * the consumers change, or at `retryRefused`; with any other value its lease runs.
   */
  deliver(delivery: Delivery): Promise<void>;
  /** The message was parked: delivered too often, or undeliverable. `message` holds the headers that are known. */
  parked(
    message: Partial<MessageHeaders> & { messageId: string },
    error: MeshError | undefined,
    deliveryCount: number,
  ): void;
  /** Reports a failure, or an unclaimed message. Called once for each cause, not for each attempt. */
  failed(error: MeshError, messageId?: string): void;
  /** Called whenever the state changes. */
  changed?(state: PollerState): void;
}

/** The state of the inbox as one consumer sees it. */
export interface PollerState {
  polling: boolean;
  /** Messages delivered to this consumer and not yet acknowledged. */
  leased: number;
  /** Stored messages for this consumer with a pending delivery. */
  pending: number;
  /** Messages of the mailbox that no consumer claims. */
  unclaimed: number;
  /** True if this consumer gets nothing, because an earlier one takes all that it wants. */
  isShadowed?: boolean;
  /** The last successful poll; ISO 8601 UTC. */
  lastPoll?: string;
  /** ISO 8601 UTC. */
  nextPoll?: string;
  /** Progress of the current download, if it is this consumer's. */
  progress?: Progress;
}

/** The state of a mailbox's inbox, over all consumers. */
export interface InboxState {
  /** True while it lists, downloads, delivers or acknowledges. */
  polling: boolean;
  /** Messages delivered and not yet acknowledged by the flow. */
  leased: number;
  /** Stored messages with a pending delivery. */
  pending: number;
  /** Messages that no consumer claims. */
  unclaimed: number;
  /** True while nothing more is received because parked messages take as much space as they may. */
  isFull: boolean;
  /**
   * When the inbox was last listed and everything taken (milliseconds since 1970); undefined: not yet in this process.
   */
  lastPoll: number | undefined;
  /** Milliseconds since 1970; undefined if no poll is planned in this process. */
  nextPoll: number | undefined;
  /** Progress of the current download. */
  progress: Progress | undefined;
}

/** A message that is kept, and delivered again only on request. */
export interface ParkedMessage {
  message: MessageHeaders;
  /** Why it was parked; `MESH_NOT_ACKNOWLEDGED` after the maximum number of deliveries. */
  error: StoredError;
  deliveryCount: number;
}

/** How to poll a mailbox. */
export interface InboxRules {
  /**
   * Minimum interval between lists (milliseconds), full pages excepted: 5 minutes for Integration and Live
   * (docs/mesh.md, Polling and inbox).
   */
  minimumIntervalMs: number;
  /** Patterns of workflows that another system collects from this mailbox: their messages stay in MESH. */
  workflowsHandledElsewhere?: readonly string[];
  /** Default `*_ACK`, MESH's convention. */
  businessAcknowledgementWorkflows?: readonly string[];
  /** A delivered message that is not acknowledged within this time (milliseconds) is redelivered. Default 1 hour. */
  leaseMs?: number;
  /** After this number of deliveries a message is parked. Default 5. */
  maxDeliveries?: number;
  /**
   * The most that the payloads of parked messages may take (bytes). Beyond it, or beyond half of the disk space that
   * would be free without them, nothing more is received: it stays in MESH. Default 20,000,000,000.
   */
  maxParkedBytes?: number;
}

/** The poller of one mailbox. */
export interface InboxPoller {
  add(consumer: InboxConsumer): void;
  remove(consumer: InboxConsumer): void;
  /** Delivers at once what this consumer has refused: what made it refuse may be over. */
  retryRefused(consumer: InboxConsumer): void;
  /** Lists and drains the inbox: now, or at the next time that MESH's minimum interval allows. */
  poll(): { started: true } | { started: false; nextPoll: Date };
  /**
   * Ends a message: the flow has finished it. Repeatable. A message that the store does not know is acknowledged to
   * MESH.
   * @throws MeshError of the store; of MESH only for a message that the store does not know. Where MESH cannot be
   *   reached for a stored message, the poller acknowledges it later by itself.
   */
  acknowledge(messageId: string): Promise<void>;
  /** The parked messages in the store, oldest first. */
  parked(): AsyncGenerator<ParkedMessage>;
  /**
   * Delivers a parked message again, at least once and with a higher `deliveryCount`, to the consumer that now takes
   * its workflow.
   * @throws NotFoundError when there is no such message, InvalidMessageError when it is not parked
   */
  redeliver(messageId: string): Promise<void>;
  /**
   * Delivers a message again now, at a person's request: one that is parked, whose lease still runs, or that the flow
   * has finished with.
   * @throws NotFoundError when there is no such message, InvalidMessageError when its first delivery is still to come,
   *   PayloadError when its payload is not kept any more
   */
  deliverNow(messageId: string): Promise<void>;
  state(): InboxState;
  /** Calls `listener` whenever the state changes, often during work. Returns a function that removes it. */
  onChange(listener: () => void): () => void;
  /** Stops polling and waits for the current step. Leases run on in the store. */
  close(): Promise<void>;
}
