/** list_messages and count_messages_in_inbox. */
import { json } from '../response';
import type { SandboxContext } from '../context';
import type { Message } from '../message';
import { ValidationRefusal } from '../refusal';
import { integer, queryText, type AuthorisedRequest } from '../request';
import type { MailboxHandler, Route } from '../router';
import { workflowFilter } from '../workflow-filter';

/** The limits of `max_results` (mesh-api.yaml, list_messages). */
const MAX_RESULTS = { min: 10, max: 5000, fallback: 500 };

const listMessages: MailboxHandler = (request, context) => {
  const { mailboxId } = request.mailbox;
  const loc: [string, string] = ['query', 'max_results'];
  const maxResults = integer(request.query.get('max_results'), { loc, ...MAX_RESULTS });
  const filter = queryText(request, 'workflow_filter', 2, 255);
  const continueFrom = queryText(request, 'continue_from', 24, 1000);
  const after = continueFrom === undefined ? 0 : startAfter(request, context, continueFrom);

  const matches = workflowFilter(filter ?? '');
  const page: Message[] = [];
  let more = false;
  for (const message of context.messages.inbox(mailboxId)) {
    if (message.position <= after || !matches(message.details.workflowId)) continue;
    more = page.length === maxResults;
    if (more) break;
    page.push(message);
  }
  const messages = page.map((message) => message.messageId);
  if (request.version === 1) return json(200, { messages });

  const query = {
    max_results: maxResults === MAX_RESULTS.fallback ? undefined : String(maxResults),
    workflow_filter: filter,
  };
  const last = page.at(-1);
  const links = {
    self: link(mailboxId, query),
    next: more && last ? link(mailboxId, { ...query, continue_from: encode(mailboxId, last) }) : undefined,
  };
  return json(200, { messages, links, approx_inbox_count: context.messages.inboxCount(mailboxId) }, 2);
};

const countMessages: MailboxHandler = (request, context) => {
  const count = context.messages.inboxCount(request.mailbox.mailboxId);
  if (request.version === 2) return json(200, { count }, 2);
  return json(200, { count, internalID: context.messages.newId(context.clock.ms()), allResultsIncluded: true });
};

/**
 * Returns the position after which a page starts. Positions are remembered, not messages: those of the previous page
 * are acknowledged while the next is requested. Version 1 names the last message's id; an unknown id starts from the
 * beginning.
 */
function startAfter(request: AuthorisedRequest, context: SandboxContext, text: string): number {
  if (request.version === 1) {
    const message = context.messages.get(text.toUpperCase());
    return message?.to === request.mailbox.mailboxId ? message.position : 0;
  }
  const match = /^MB#([^#]+)#MSG#(\d{1,15})$/.exec(Buffer.from(text, 'base64').toString('latin1'));
  if (match?.[1] === request.mailbox.mailboxId) return Number(match[2]);
  throw new ValidationRefusal({
    loc: ['query', 'continue_from'],
    msg: 'Not a value that links.next gave to this mailbox',
    type: 'value_error',
  });
}

/** Returns an opaque value of at least 24 characters, the minimum of the parameter. */
function encode(mailboxId: string, last: Message): string {
  return Buffer.from(`MB#${mailboxId}#MSG#${String(last.position).padStart(12, '0')}`).toString('base64');
}

function link(mailboxId: string, query: Record<string, string | undefined>): string {
  const given = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const path = `/messageexchange/${encodeURIComponent(mailboxId)}/inbox`;
  return given.length === 0 ? path : `${path}?${new URLSearchParams(given).toString()}`;
}

export const inboxRoutes: Route[] = [
  {
    method: 'GET',
    path: '/messageexchange/:mailboxId/inbox',
    operation: 'list_messages',
    access: 'mailbox',
    handler: listMessages,
  },
  {
    method: 'GET',
    path: '/messageexchange/:mailboxId/count',
    operation: 'count_messages_in_inbox',
    access: 'mailbox',
    handler: countMessages,
  },
];
