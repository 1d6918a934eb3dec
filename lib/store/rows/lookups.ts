/** The values in a filter that have an index, in either back end. */
import type { OutgoingFilter } from '../store';

interface Lookup {
  /** The name of the index. */
  name: string;
  column: string;
  value: string;
}

/** Returns the values in a filter, the most selective first. */
export function lookups(filter: OutgoingFilter): Lookup[] {
  const all = [
    { name: 'outgoing_once', column: 'once_key', value: filter.onceKey },
    { name: 'outgoing_message', column: 'message_id', value: filter.messageId },
    { name: 'outgoing_resend', column: 'resend_of', value: filter.resendOf },
    { name: 'outgoing_local', column: 'local_id', value: filter.localId },
  ];
  return all.filter((each): each is Lookup => each.value !== undefined);
}
