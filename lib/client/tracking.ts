/** Tracking of sent messages: tracking_by_message_id and tracking_by_local_id. */
import { readTracking } from '../protocol/responses';
import { endpoints } from '../protocol/endpoints';
import type { Tracking } from '../types';
import type { Exchange } from './exchange';

/** tracking_by_message_id. MESH asks not to do this often. */
export function track(exchange: Exchange, messageId: string, signal?: AbortSignal): Promise<Tracking> {
  const path = endpoints.tracking(exchange.config.mailboxId, messageId);
  const read = (body: unknown): Tracking => requireRequested(readTracking(body), 'messageId', messageId);
  return exchange.get('tracking_by_message_id', 'It was not tracked', path, read, signal, messageId);
}

/**
 * tracking_by_local_id (deprecated by MESH).
 * @throws LocalIdNotUniqueError when several messages have the id
 */
export function trackByLocalId(exchange: Exchange, localId: string, signal?: AbortSignal): Promise<Tracking> {
  const path = endpoints.trackingByLocalId(exchange.config.mailboxId, localId);
  const read = (body: unknown): Tracking => requireRequested(readTracking(body), 'localId', localId);
  return exchange.get('tracking_by_local_id', 'The message was not tracked', path, read, signal);
}

/**
 * Returns the tracking of the requested message.
 * @throws Error when it is another message's, e.g. from a proxy that caches responses: it would settle the wrong
 * message
 */
function requireRequested(tracking: Tracking, field: 'messageId' | 'localId', requested: string): Tracking {
  if (tracking[field]?.toUpperCase() === requested.toUpperCase()) return tracking;
  throw new Error(`the tracking is of another ${field}`);
}
