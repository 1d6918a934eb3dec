/** The directory of mailboxes: endpointlookup and workflowsearch. */
import { readMailboxes } from '../protocol/responses';
import { endpoints } from '../protocol/endpoints';
import type { MailboxAddress } from '../types';
import type { Exchange } from './exchange';

/** endpointlookup: the mailboxes of an organisation for a workflow. */
export function lookup(
  exchange: Exchange,
  odsCode: string,
  workflowId: string,
  signal?: AbortSignal,
): Promise<MailboxAddress[]> {
  const path = endpoints.endpointLookup(odsCode, workflowId);
  return exchange.get('endpointlookup', 'No mailbox was looked up', path, readMailboxes, signal);
}

/** workflowsearch: the mailboxes that receive a workflow. */
export function searchWorkflow(
  exchange: Exchange,
  workflowId: string,
  signal?: AbortSignal,
): Promise<MailboxAddress[]> {
  const path = endpoints.workflowSearch(workflowId);
  return exchange.get('workflowsearch', 'No mailbox was looked up', path, readMailboxes, signal);
}
