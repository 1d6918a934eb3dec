/** What became of what was sent: tracking_by_message_id and tracking_by_local_id. */
import { readTracking } from '../protocol/answers';
import { endpoints } from '../protocol/endpoints';
import type { Tracking } from '../types';
import type { Exchange } from './exchange';

/** tracking_by_message_id. MESH asks not to do this often. */
export function track(exchange: Exchange, messageId: string, signal?: AbortSignal): Promise<Tracking> {
  const path = endpoints.tracking(exchange.config.mailboxId, messageId);
  return exchange.get('tracking_by_message_id', 'It was not tracked', path, readTracking, signal, messageId);
}

/** tracking_by_local_id (deprecated by MESH). Throws LocalIdNotUniqueError where several messages carry the id. */
export function trackByLocalId(exchange: Exchange, localId: string, signal?: AbortSignal): Promise<Tracking> {
  const path = endpoints.trackingByLocalId(exchange.config.mailboxId, localId);
  return exchange.get('tracking_by_local_id', 'The message was not tracked', path, readTracking, signal);
}
