/**
 * HL7 v2 messages that wait for a response. msg.mllp has only an id, since a socket cannot be cloned, stored or sent
 * through a subflow. All mesh-mllp-in nodes share one map, so that a mesh-mllp-response may be in any flow.
 */
import type { Hl7Header, Remote, ResponseOutcome } from '../../lib/index';
import type { CharsetSetting } from './payload';

/** `msg.mllp`: the received message's header and origin, as plain JSON. */
export interface MllpProperty {
  /** Id by which mesh-mllp-response finds the request. */
  requestId: string;
  /** MSH-10, e.g. as mesh-send's key for "once per key". */
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
  /** SHA-256 of the message as received, in hexadecimal. */
  sha256: string;
  /** SHA-256 of the message without MSH-7, which some engines set anew when they repeat one, in hexadecimal. */
  sha256WithoutTime: string;
  /** True for a sender whose repeats keep MSH-7, so that another MSH-7 means another message. */
  repeatsKeepTime: boolean;
  remote: Remote;
}

/** A request that waits for a response. */
export interface PendingRequest {
  readonly header: Hl7Header;
  /** The character set of a text. */
  readonly charset: CharsetSetting;
  /**
   * Sends the response and removes the request.
   * @throws MllpMessageError when it has bytes that MLLP reserves: the request stays pending
   */
  respond(message: Uint8Array): ResponseOutcome;
}

const pending = new Map<string, PendingRequest>();

/** Returns the request; undefined once it has a response, has timed out, or its mesh-mllp-in has closed. */
export function pendingRequest(requestId: string): PendingRequest | undefined {
  return pending.get(requestId);
}

/** Adds a request, so that a response to its id can be sent. */
export function addPending(requestId: string, request: PendingRequest): void {
  pending.set(requestId, request);
}

/** Returns true if the request was pending. */
export function removePending(requestId: string): boolean {
  return pending.delete(requestId);
}

/** Returns the number of pending requests of all nodes, for tests: it has to return to 0. */
export function pendingCount(): number {
  return pending.size;
}
