/** A received message as the store keeps it. Times are milliseconds since 1970, UTC. */
import type { IncomingState } from '../../message-states';
import type { StoredError } from './error';
import type { StoredPayload } from './payload';

/** A message that was received. */
export interface Incoming {
  readonly mailbox: string;
  readonly messageId: string;
  /** The instance of the sandbox that it came from; null for a real MESH. */
  readonly instance: string | null;
  readonly workflowId: string;
  readonly messageType: 'DATA' | 'REPORT';
  /** The message's headers (MessageHeaders). */
  readonly headers: Record<string, unknown>;
  /** Bytes of the payload. */
  readonly size: number;
  readonly sha256: string;
  /** The wall time at which it was stored. Shown, and never an order: a clock may be set back. */
  readonly receivedAt: number;
  /** The order in which messages were stored. */
  readonly sequence: number;
  /** The same for every copy of a request by the same sender; null if the message is no request that can be read. */
  readonly requestKey: string | null;
  /** The classification of its payload (Classification of lib/acks): ids, codes and flags only. */
  classification: Record<string, unknown> | null;
  state: IncomingState;
  payload: StoredPayload | null;
  /** When its download was acknowledged to MESH. */
  acknowledgedAt: number | null;
  deliveryCount: number;
  /** While a delivery's lease runs: delivered again after this time. */
  leaseUntil: number | null;
  settledAt: number | null;
  error: StoredError | null;
}

/** The fields that adding a message needs; the others have their start values (state `spooled`). */
export type NewIncoming = Pick<
  Incoming,
  'mailbox' | 'messageId' | 'instance' | 'workflowId' | 'messageType' | 'headers' | 'size' | 'sha256' | 'receivedAt'
> & { payload: StoredPayload | null } & Partial<Pick<Incoming, 'requestKey' | 'classification'>>;

/** The fields that a transition may change. */
export type IncomingChange = Partial<
  Pick<
    Incoming,
    'state' | 'payload' | 'acknowledgedAt' | 'deliveryCount' | 'leaseUntil' | 'settledAt' | 'error' | 'classification'
  >
>;

/** A received message without headers, digest and payload: all that delivering it needs to know. */
export type IncomingSummary = Pick<
  Incoming,
  | 'messageId'
  | 'workflowId'
  | 'messageType'
  | 'receivedAt'
  | 'sequence'
  | 'state'
  | 'acknowledgedAt'
  | 'deliveryCount'
  | 'leaseUntil'
  | 'error'
  | 'size'
  | 'classification'
>;
