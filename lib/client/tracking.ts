/** What became of what was sent: tracking_by_message_id and tracking_by_local_id. */
import { readTracking } from '../protocol/responses';
import { endpoints } from '../protocol/endpoints';
import type { Tracking } from '../types';
import type { Exchange } from './exchange';

/** tracking_by_message_id. MESH asks not to do this often. */
export function track(exchange: Exchange, messageId: string, signal?: AbortSignal): Promise<Tracking> {
  const path = endpoints.tracking(exchange.config.mailboxId, messageId);
  const read = (body: unknown): Tracking => ofThat(readTracking(body), 'messageId', messageId);
  return exchange.get('tracking_by_message_id', 'It was not tracked', path, read, signal, messageId);
}

/** tracking_by_local_id (deprecated by MESH). Throws LocalIdNotUniqueError where several messages carry the id. */
export function trackByLocalId(exchange: Exchange, localId: string, signal?: AbortSignal): Promise<Tracking> {
  const path = endpoints.trackingByLocalId(exchange.config.mailboxId, localId);
  const read = (body: unknown): Tracking => ofThat(readTracking(body), 'localId', localId);
  return exchange.get('tracking_by_local_id', 'The message was not tracked', path, read, signal);
}

/** Throws for the answer to another question, e.g. of a proxy that keeps answers: it would settle the wrong message. */
function ofThat(tracking: Tracking, field: 'messageId' | 'localId', asked: string): Tracking {
  const told = tracking[field];
  if (told === undefined || told.toUpperCase() === asked.toUpperCase()) return tracking;
  throw new Error(`another ${field} was tracked`);
}
