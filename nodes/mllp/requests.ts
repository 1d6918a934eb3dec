/**
 * HL7 v2 messages that wait for their answer. msg.mllp carries only an id: a socket cannot be cloned, stored or sent
 * through a subflow. One map for all mesh-mllp-in nodes, so that a mesh-mllp-response may be anywhere.
 */
import type { AnswerOutcome, DefaultCharset, MessageHeader, Remote } from '../../lib/index';

/** `msg.mllp`: the received message, as plain JSON. */
export interface MllpProperty {
  /** For mesh-mllp-response. */
  requestId: string;
  /** MSH-10: of use as mesh-send's key for "once per key". */
  controlId: string;
  /** MSH-7. */
  messageTime: string;
  /** MSH-9, e.g. `ADT^A01^ADT_A01`. */
  messageType: string;
  sendingApplication: string;
  sendingFacility: string;
  receivingApplication: string;
  receivingFacility: string;
  /** MSH-12. */
  version: string;
  /** MSH-18. */
  charset: string;
  bytes: number;
  remote: Remote;
}

/** One that waits. */
export interface PendingRequest {
  readonly header: MessageHeader;
  /** Where MSH-18 says nothing. */
  readonly charset: DefaultCharset;
  /** Sends the answer and forgets the request. @throws MllpMessageError: then it waits on. */
  answer(message: Uint8Array): AnswerOutcome;
}

const pending = new Map<string, PendingRequest>();

/** Undefined where it was answered, its time was up, or the node that received it was stopped. */
export function pendingRequest(requestId: string): PendingRequest | undefined {
  return pending.get(requestId);
}

/** From now on it can be answered by its id. */
export function addPending(requestId: string, request: PendingRequest): void {
  pending.set(requestId, request);
}

/** True if it was there. */
export function removePending(requestId: string): boolean {
  return pending.delete(requestId);
}

/** How many wait, in all nodes. For tests: it has to come back to 0. */
export function pendingCount(): number {
  return pending.size;
}
