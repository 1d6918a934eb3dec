/**
 * REPORT messages and the expiry that causes them: a message that is not acknowledged for five days leaves the inbox,
 * and its sender gets a REPORT with code 14 (mesh-api.yaml, "Message expiration" and "Asynchronous error reporting").
 */
import type { SandboxContext } from './context';
import { lastEventOf, NO_DETAILS, type Message, type MessageDetails, type MessageEvent } from './message';
import { INBOX_EXPIRY_MS } from './messages';

/** The parts of a REPORT. */
interface ReportParts {
  /** The mailbox that gets it. */
  to: string;
  /** `Mex-To`: the intended recipient of the message that failed. */
  toHeader?: string;
  details: Partial<MessageDetails>;
  /** The reported failure; its `at` is the time of the error. */
  failure: MessageEvent;
}

/** Puts a REPORT into a mailbox's inbox. */
export function addReport(context: SandboxContext, parts: ReportParts): Message {
  const now = context.clock.ms();
  const report: Message = {
    messageId: context.messages.newId(now),
    type: 'REPORT',
    from: '',
    to: parts.to,
    ...(parts.toHeader === undefined ? {} : { toHeader: parts.toHeader }),
    details: { ...NO_DETAILS, ...parts.details },
    totalChunks: 0,
    chunks: [],
    events: [parts.failure, { status: 'accepted', at: now }],
    uploadedAt: now,
    inboxExpiry: now + INBOX_EXPIRY_MS,
    position: 0,
    bytes: 0,
  };
  context.messages.add(report);
  return report;
}

/** Does what is due by the sandbox's clock: answers of the services, expiry. Cheap if nothing is. */
export function sweep(context: SandboxContext): void {
  context.services.deliver();
  const now = context.clock.ms();
  if (!context.messages.isSweepDue(now)) return;
  const { uncollected, old } = context.messages.expired(now);
  for (const message of uncollected) expire(context, message, now);
  for (const message of old) context.messages.forget(message);
}

function expire(context: SandboxContext, message: Message, now: number): void {
  const active = context.mailboxes.get(message.to)?.active ?? false;
  const description = active
    ? 'Message not collected by recipient after 5 days'
    : 'Message was not collected as the mailbox is deactivated';
  const failure = { status: 'undeliverable', at: now, event: 'SEND', code: '14', description } as const;
  // An uncollected REPORT is not reported: it has no sender.
  if (context.mailboxes.get(message.from)) {
    const { workflowId, localId, subject } = message.details;
    const report = addReport(context, {
      to: message.from,
      toHeader: message.to,
      details: { workflowId, localId, subject },
      failure: { ...failure, status: 'error', linkedMessageId: message.messageId },
    });
    message.reportId = report.messageId;
  }
  context.messages.record(message, failure);
}

/** Returns the sandbox time (ms) of the acceptance, or the start of an unfinished upload. */
export function acceptedAt(message: Message): number {
  return lastEventOf(message, 'accepted')?.at ?? message.uploadedAt;
}
