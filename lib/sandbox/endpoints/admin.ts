/**
 * The test endpoints of the NHS's sandbox, so that a test suite written for it runs here. They need no token, and exist
 * only with SandboxOptions.admin. Each has two paths: below /admin and below /messageexchange/admin.
 */
import { z } from 'zod';
import { headerBytes } from '../../protocol/header-text';
import { empty, json } from '../response';
import type { SandboxContext } from '../context';
import { MESSAGE_STATUSES, type Message, type MessageEvent } from '../message';
import { noSuchMessage, Refusal, ValidationRefusal } from '../refusal';
import { addReport } from '../reports';
import { jsonBody, param, upperParam } from '../request';
import type { OpenHandler, Route } from '../router';
import { mailboxDetails, messageDetails } from './admin-views';

const text = z.string().nullish();

const reportBody = z.object({
  mailbox_id: z.string(),
  code: z.string(),
  description: z.string(),
  workflow_id: z.string(),
  subject: text,
  local_id: text,
  status: z.enum(['undeliverable', 'error']).default('undeliverable'),
  file_name: text,
  linked_message_id: text,
});

const eventBody = z.object({
  status: z.enum(MESSAGE_STATUSES),
  code: text,
  event: text,
  description: text,
  linked_message_id: text,
});

const resetAll: OpenHandler = async (_request, context) => {
  context.services.forgetAnswers();
  await context.messages.reset();
  return json(200, { message: 'all mailboxes reset' });
};

const resetMailbox: OpenHandler = (request, context) => {
  const mailbox = context.mailboxes.get(param(request, 'mailboxId'));
  if (!mailbox) throw new Refusal(404, 'mailbox does not exist');
  context.messages.resetMailbox(mailbox.mailboxId);
  return json(200, { message: `mailbox ${mailbox.mailboxId} reset` });
};

const createReport: OpenHandler = async (request, context) => {
  const body = parse(reportBody, await jsonBody(request));
  const mailbox = context.mailboxes.get(body.mailbox_id);
  if (!mailbox) throw new Refusal(404, 'mailbox does not exist');
  const undelivered = body.status === 'undeliverable';
  const subject = undelivered ? ['NDR', body.subject].filter(Boolean).join(': ') : (body.subject ?? '');
  const failure: MessageEvent = {
    status: 'error',
    at: context.clock.ms(),
    ...(undelivered
      ? { event: 'SEND', code: '14', description: 'Message not collected by recipient after 5 days' }
      : { event: 'TRANSFER', code: body.code, description: body.description }),
    ...(body.linked_message_id ? { linkedMessageId: body.linked_message_id } : {}),
  };
  const details = {
    workflowId: headerBytes(body.workflow_id),
    subject: headerBytes(subject),
    localId: headerBytes(body.local_id ?? ''),
    fileName: undelivered ? '' : headerBytes(body.file_name ?? ''),
  };
  const report = addReport(context, { to: mailbox.mailboxId, details, failure });
  return json(200, { message_id: report.messageId });
};

const addEvent: OpenHandler = async (request, context) => {
  const body = parse(eventBody, await jsonBody(request));
  context.messages.record(knownMessage(upperParam(request, 'messageId'), context), {
    status: body.status,
    at: context.clock.ms(),
    ...(body.code ? { code: body.code } : {}),
    ...(body.event ? { event: body.event } : {}),
    ...(body.description ? { description: body.description } : {}),
    ...(body.linked_message_id ? { linkedMessageId: body.linked_message_id } : {}),
  });
  return empty(200);
};

const getMailbox: OpenHandler = (request, context) => {
  const mailbox = context.mailboxes.get(param(request, 'mailboxId'));
  if (!mailbox) throw new Refusal(404, 'mailbox does not exist');
  return json(200, mailboxDetails(mailbox));
};

const getMessage: OpenHandler = (request, context) =>
  json(200, messageDetails(knownMessage(upperParam(request, 'messageId'), context), context));

function knownMessage(messageId: string, context: SandboxContext): Message {
  const message = context.messages.get(messageId);
  if (!message) throw noSuchMessage();
  return message;
}

/**
 * Parses a body.
 * @throws ValidationRefusal (400) when it does not match the schema
 */
export function parse<T>(schema: z.ZodType<T>, body: unknown): T {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  throw new ValidationRefusal(
    ...result.error.issues.map(({ path, message, code }) => ({
      loc: ['body', ...path.map((part) => (typeof part === 'symbol' ? String(part) : part))],
      msg: message,
      type: code,
    })),
  );
}

/** Returns an admin endpoint under both of its paths. */
export function adminRoute(method: string, path: string, handler: OpenHandler): Route[] {
  return ['', '/messageexchange'].map((root) => ({
    method,
    path: `${root}/admin${path}`,
    operation: 'admin',
    access: 'open',
    faults: false,
    handler,
  }));
}

export const adminRoutes: Route[] = [
  ...adminRoute('DELETE', '/reset', resetAll),
  ...adminRoute('DELETE', '/reset/:mailboxId', resetMailbox),
  ...adminRoute('POST', '/report', createReport),
  ...adminRoute('POST', '/message/:messageId/event', addEvent),
  ...adminRoute('GET', '/mailbox/:mailboxId', getMailbox),
  ...adminRoute('GET', '/message/:messageId', getMessage),
  {
    method: 'GET',
    path: '/messageexchange/mailbox/:mailboxId',
    operation: 'admin',
    access: 'open',
    faults: false,
    handler: getMailbox,
  },
];
