/**
 * Decides whether a response is MESH's (docs/design.md, rule 2). A proxy, a firewall, a cache or a captive portal may
 * respond in MESH's place, with any status; what they send has neither the headers nor the form of the operation.
 *
 * | operation                       | success  | it is MESH's if                                                   |
 * | ------------------------------- | -------- | ----------------------------------------------------------------- |
 * | handshake                       | 200      | the body is empty, or a JSON object with our mailbox id or none   |
 * | list_messages                   | 200      | the body has a list of message ids                                |
 * | head, retrieve_message, _chunk  | 200, 206 | `Mex-MessageID` names the requested message                       |
 * | acknowledge_message             | 200      | the body is empty, or a JSON object with the message's id or none |
 * | send_message                    | 200, 202 | the body has a message id, and no error                           |
 * | send_chunk                      | 200, 202 | the body has the message's id, or is JSON's null                  |
 * | tracking                        | 200      | the body names the requested message                              |
 * | endpointlookup, workflowsearch  | 200      | the body has a list of results                                    |
 *
 * A refusal is MESH's if its status is one that MESH uses and its body is MESH's error, of version 1 or 2, about no
 * other message. Sources: mesh-api.yaml, the responses of each operation; NHS England's mesh-sandbox 1.0.137, which
 * responds to send_chunk in version 2 with `null`, and to a missing permission with an empty 403.
 */
import { isMeshError, readError, readMessageId } from '../protocol/responses';
import type { SmallBody } from './body';
import type { TransportResponse } from './transport';

/** Thrown where a response is not MESH's; exchange.ts turns it into a ProtocolError. */
export class NotFromMesh extends Error {}

/** The statuses with which MESH ends a request for good. */
const REFUSALS = new Set([300, 400, 403, 404, 406, 410, 413, 417, 422, 423]);

/**
 * Whoever sends these says that it did not process the request, or asks for another attempt: they end nothing for good,
 * so it does not matter who that is.
 */
const COME_BACK_LATER = new Set([425, 429, 500, 502, 503, 504]);

/** Returns whether the status only asks for another attempt. */
export function asksForAnotherAttempt(status: number): boolean {
  return COME_BACK_LATER.has(status);
}

/**
 * Checks a status other than success, with its body.
 * @throws NotFromMesh when it is not a refusal by MESH
 */
export function requireRefusal(
  { status, headers }: Pick<TransportResponse, 'status' | 'headers'>,
  body: SmallBody,
  { method, messageId }: { method: string; messageId?: string },
): void {
  ensure(REFUSALS.has(status));
  if (method === 'HEAD') {
    // It has no body: its type is all that there is to see.
    ensure(/^application\/([\w.]+\+)?json\b/i.test(String(headers['content-type'] ?? 'application/json')));
    return;
  }
  // mesh-api.yaml defines no body for a 403, and it ends nothing for good: sending only pauses.
  if (status === 403 && (body.isEmpty || isEmptyObject(body.json))) return;
  ensure(isMeshError(body.json));
  const named = readError(body.json).messageId;
  ensure(named === undefined || messageId === undefined || isSame(named, messageId));
}

/**
 * Checks the headers of head_message, retrieve_message and retrieve_chunk.
 * @throws NotFromMesh when they do not name the requested message: another one must never be acknowledged in its place
 */
export function requireMessage({ headers }: Pick<TransportResponse, 'headers'>, messageId: string): void {
  const named = headers['mex-messageid'];
  ensure(typeof named === 'string' && isSame(named, messageId));
}

/**
 * Checks the body of handshake and acknowledge_message: version 2 has none, version 1 names the mailbox or message.
 * @throws NotFromMesh when it is something else
 */
export function requireEmptyOrNaming(body: SmallBody, field: 'mailboxId' | 'messageId', value: string): void {
  if (body.isEmpty) return;
  const { json } = body;
  ensure(typeof json === 'object' && json !== null && !Array.isArray(json));
  const named: unknown = (json as Record<string, unknown>)[field];
  ensure(named === undefined || (typeof named === 'string' && isSame(named, value)));
}

/**
 * Returns the id in the response to send_message.
 * @throws NotFromMesh when it has none, or is an error
 */
export function requireMessageId({ json }: SmallBody): string {
  const messageId = isMeshError(json) ? undefined : readMessageId(json);
  ensure(messageId !== undefined);
  return messageId;
}

/**
 * Checks the response to send_chunk.
 * @throws NotFromMesh when it does not say that this message's chunk was accepted
 */
export function requireChunkAccepted(body: SmallBody, messageId: string): void {
  if (body.json === null) return;
  ensure(isSame(requireMessageId(body), messageId));
}

function isEmptyObject(json: unknown): boolean {
  return typeof json === 'object' && json !== null && !Array.isArray(json) && Object.keys(json).length === 0;
}

function isSame(one: string, other: string): boolean {
  return one.trim().toUpperCase() === other.trim().toUpperCase();
}

function ensure(isFromMesh: boolean): asserts isFromMesh {
  if (!isFromMesh) throw new NotFromMesh('the response is not MESH’s');
}
