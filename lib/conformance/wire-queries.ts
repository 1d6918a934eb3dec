/** Queries on the recorded exchanges. */
import type { WireExchange } from './wire-log';

/** Returns the value of a request header; undefined if it is missing. */
export function requestHeader(exchange: WireExchange | undefined, name: string): string | undefined {
  return exchange?.requestHeaders.find(([each]) => each.toLowerCase() === name)?.[1];
}

export function responseHeader(exchange: WireExchange | undefined, name: string): string | undefined {
  return exchange?.responseHeaders.find(([each]) => each.toLowerCase() === name)?.[1];
}

/**
 * Returns send_message and send_chunk of one message, in order: the first is found by its local id, the others by path.
 */
export function uploadOf(all: readonly WireExchange[], localId: string, messageId: string): WireExchange[] {
  return all.filter(
    (exchange) =>
      exchange.method === 'POST' &&
      (exchange.path.includes(`/outbox/${messageId}/`) || requestHeader(exchange, 'mex-localid') === localId),
  );
}

/** Returns retrieve_message and retrieve_chunk of one message, in order. */
export function downloadOf(all: readonly WireExchange[], messageId: string): WireExchange[] {
  return all.filter(
    ({ method, path }) =>
      method === 'GET' && (path.endsWith(`/inbox/${messageId}`) || path.includes(`/inbox/${messageId}/`)),
  );
}

export function acknowledgementsOf(all: readonly WireExchange[], messageId: string): WireExchange[] {
  return all.filter(({ method, path }) => method === 'PUT' && path.includes(`/inbox/${messageId}/`));
}

/** Returns the maximum number of exchanges of one mailbox that were in progress at the same time. */
export function maxConcurrent(all: readonly WireExchange[]): number {
  let maximum = 0;
  for (const mailboxId of new Set(all.map((exchange) => exchange.mailboxId))) {
    const own = all.filter((exchange) => exchange.mailboxId === mailboxId);
    for (const [index, exchange] of own.entries()) {
      const open = own.slice(0, index).filter(({ endedMs }) => endedMs === undefined || endedMs > exchange.startedMs);
      maximum = Math.max(maximum, open.length + 1);
    }
  }
  return maximum;
}
