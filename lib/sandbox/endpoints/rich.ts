/**
 * The rich inbox and outbox and the update of the NHS's sandbox. They are not in mesh-api.yaml, so they exist only with
 * the admin endpoints, for test suites that use them; they still need a token.
 */
import { empty, json, type SandboxResponse } from '../response';
import type { SandboxContext } from '../context';
import { statusOf, type Message } from '../message';
import { MESSAGE_EXPIRY_MS } from '../messages';
import { ValidationRefusal } from '../refusal';
import { integer, queryText, type AuthorisedRequest } from '../request';
import type { MailboxHandler, Route } from '../router';
import { richMessage } from './admin-views';

const DEFAULT_RESULTS = 100;

const richInbox: MailboxHandler = (request, context) => {
  const { mailboxId } = request.mailbox;
  const received = [...context.messages.all()].filter(
    (message) => message.to === mailboxId && message.hiddenFrom !== 'recipient' && statusOf(message) !== 'uploading',
  );
  return page(request, context, 'inbox', received, { min: 1, max: 2000 });
};

const richOutbox: MailboxHandler = (request, context) => {
  const { mailboxId } = request.mailbox;
  const sent = [...context.messages.all()].filter(
    (message) => message.from === mailboxId && message.hiddenFrom !== 'sender',
  );
  return page(request, context, 'outbox', sent, { min: 10, max: 5000 });
};

/** Returns a page, newest first. `continue_from` is the previous page's last message id in Base64. */
function page(
  request: AuthorisedRequest,
  context: SandboxContext,
  box: 'inbox' | 'outbox',
  oldestFirst: Message[],
  limits: { min: number; max: number },
): SandboxResponse {
  const loc: [string, string] = ['query', 'max_results'];
  const requested = integer(request.query.get('max_results'), { loc, ...limits, fallback: DEFAULT_RESULTS });
  const maxResults = box === 'outbox' ? Math.min(requested, DEFAULT_RESULTS) : requested;
  const from = startTime(request, context);
  const newestFirst = oldestFirst.filter((message) => message.uploadedAt > from).toReversed();
  const continueFrom = queryText(request, 'continue_from', 24, 1000);
  const last = continueFrom && Buffer.from(continueFrom, 'base64').toString('latin1');
  const start = newestFirst.findIndex((message) => message.messageId === last) + 1;
  const messages = newestFirst.slice(start, start + maxResults);

  const path = `/messageexchange/${encodeURIComponent(request.mailbox.mailboxId)}/${box}/rich`;
  const query = { start_time: new Date(from).toISOString(), max_results: String(maxResults) };
  const end = messages.at(-1);
  const more = start + maxResults < newestFirst.length && end !== undefined;
  const next = more ? { ...query, continue_from: Buffer.from(end.messageId).toString('base64') } : undefined;
  const links = {
    self: `${path}?${new URLSearchParams(query).toString()}`,
    next: next && `${path}?${new URLSearchParams(next).toString()}`,
  };
  const listed = messages.map((message) => richMessage(message, context));
  return json(200, { valid_at: context.clock.now().toISOString(), messages: listed, links }, 2);
}

/**
 * Returns `start_time` in ms; default 30 days ago.
 * @throws ValidationRefusal (400) for an invalid time
 */
function startTime(request: AuthorisedRequest, context: SandboxContext): number {
  const text = request.query.get('start_time');
  if (text === null) return context.clock.ms() - MESSAGE_EXPIRY_MS;
  const time = Date.parse(text);
  if (!Number.isNaN(time)) return time;
  throw new ValidationRefusal({ loc: ['query', 'start_time'], msg: 'Not an ISO 8601 time', type: 'datetime_parsing' });
}

export const richRoutes: Route[] = [
  {
    method: 'GET',
    path: '/messageexchange/:mailboxId/inbox/rich',
    operation: 'rich_inbox',
    access: 'mailbox',
    handler: richInbox,
  },
  {
    method: 'GET',
    path: '/messageexchange/:mailboxId/outbox/rich',
    operation: 'rich_outbox',
    access: 'mailbox',
    handler: richOutbox,
  },
  {
    method: 'POST',
    path: '/messageexchange/:mailboxId/update',
    operation: 'update',
    access: 'mailbox',
    handler: () => empty(200),
  },
];
