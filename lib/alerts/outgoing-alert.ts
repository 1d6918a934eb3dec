/**
 * What a person is told: an alert made from whatever a flow has, a condition of mesh-status, a change of mesh-track, an
 * error at Catch, or a received message that was parked. It names messages, workflows and mailboxes by their ids only
 * (docs/design.md, rule 12).
 */
import { z } from 'zod';
import { printable } from '../errors';

/** The longest title and text (characters); longer ones are cut. */
const MAX_TITLE = 200;
const MAX_TEXT = 4000;

/** An alert on its way to a person. Plain JSON: it is kept as a file, and is what a webhook gets. */
export const OUTGOING_ALERT = z.object({
  /** The same at every attempt, so that a receiver can drop a repeat. */
  id: z.string().min(1),
  /** When it was raised, ISO 8601. */
  time: z.string().min(1),
  title: z.string().min(1),
  text: z.string(),
  /** The values below are there only if they are known. */
  severity: z.string().optional(),
  event: z.string().optional(),
  code: z.string().optional(),
  mailboxId: z.string().optional(),
  messageId: z.string().optional(),
  workflowId: z.string().optional(),
  /** True if a person has looked at, downloaded or changed a message; `user` is that person, if Node-RED has a login. */
  audit: z.boolean().optional(),
  user: z.string().optional(),
});
export type OutgoingAlert = z.infer<typeof OUTGOING_ALERT>;

/** What an alert says, without its id and time. */
export type AlertContent = Omit<OutgoingAlert, 'id' | 'time'>;

const text = z.string().trim().min(1);
const known = text.optional().catch(undefined);
const failure = z.object({ message: known, advice: known, code: known }).optional().catch(undefined);
/** The properties of a message that an alert is made of. Others, such as a subject or a recipient, are left out. */
const SOURCE = z.object({
  payload: z
    .union([
      text,
      z.object({
        text: known,
        advice: known,
        event: known,
        kind: known,
        state: known,
        overdue: known,
        severity: known,
        mailboxId: known,
        messageId: known,
        workflowId: known,
        serviceDesk: known,
        error: failure,
        answer: z.object({ code: known, meaning: known }).optional().catch(undefined),
      }),
    ])
    .optional()
    .catch(undefined),
  error: failure,
  mesh: z.object({ messageId: known, workflowId: known, to: known }).optional().catch(undefined),
  meshAnswer: z.object({ code: known, meaning: known, sentMessageId: known }).optional().catch(undefined),
});

/**
 * Returns what an alert says about a flow's message; undefined when the message has nothing to say.
 * @param given the title and the text that the node's settings give; empty ones are made from the message
 */
export function describeAlert(msg: unknown, given: { title: string; text: string }): AlertContent | undefined {
  const source = SOURCE.safeParse(msg).data;
  const payload = typeof source?.payload === 'object' ? source.payload : undefined;
  const error = source?.error ?? payload?.error;
  const answer = payload?.answer ?? source?.meshAnswer;
  const event = payload?.overdue ?? payload?.event ?? payload?.state;
  const messageId = payload?.messageId ?? source?.meshAnswer?.sentMessageId ?? source?.mesh?.messageId;
  const workflowId = payload?.workflowId ?? source?.mesh?.workflowId;
  const facts = {
    severity: payload?.severity,
    event: payload?.kind ?? event,
    code: error?.code ?? answer?.code,
    mailboxId: payload?.mailboxId ?? source?.mesh?.to,
    messageId,
    workflowId,
  };

  const isText = typeof source?.payload === 'string' && error === undefined ? source.payload : undefined;
  const happened =
    payload?.text ?? error?.message ?? isText ?? sentenceOf(event, answer, payload?.overdue !== undefined);
  const what = given.text === '' ? happened : given.text;
  const title = given.title === '' ? firstSentence(what) : given.title;
  if (title === undefined) return undefined;
  const said = what ?? title;
  const more = [
    payload?.advice ?? error?.advice,
    payload?.serviceDesk && `For the service desk: ${payload.serviceDesk}`,
  ];
  const whole = [said, ...more.filter((part) => part !== undefined && !said.includes(part))].join(' ');
  const entries = Object.entries(facts).filter(([, value]) => value !== undefined);
  return {
    title: cut(title, MAX_TITLE),
    text: cut(whole, MAX_TEXT),
    ...Object.fromEntries(entries.map(([name, value]) => [name, cut(String(value), MAX_TITLE)])),
  };
}

/** What a person did with a message, beside the flows. */
export interface AuditedUse {
  mailboxId: string;
  direction: 'in' | 'out';
  /** Our id of a sent message, or MESH's of a received one. */
  reference: string;
  /** As the ledger has it, e.g. `looked at`. */
  event: string;
  /** Undefined if Node-RED requires no login. */
  user: string | undefined;
}

/** Returns what an audit says about a use. */
export function describeUse({ mailboxId, direction, reference, event, user }: AuditedUse): AlertContent {
  const message = direction === 'in' ? 'received message' : 'sent message';
  const title = cut(`${user ?? 'Somebody without a login'}: ${event}, ${message} ${reference}.`, MAX_TITLE);
  return {
    title,
    text: title,
    audit: true,
    mailboxId,
    event: cut(event, MAX_TITLE),
    messageId: cut(reference, MAX_TITLE),
    ...(user !== undefined && { user: cut(user, MAX_TITLE) }),
  };
}

function sentenceOf(
  event: string | undefined,
  answer: { code?: string | undefined; meaning?: string | undefined } | undefined,
  isOverdue: boolean,
): string | undefined {
  if (event === undefined && answer === undefined) return undefined;
  const about = isOverdue ? `overdue: ${event}` : (event ?? 'acknowledged');
  const words = [answer?.code, answer?.meaning].filter((word) => word !== undefined).join(' ');
  return `A message is ${about}${words === '' ? '' : ` (${words})`}.`;
}

function firstSentence(whole: string | undefined): string | undefined {
  return whole === undefined ? undefined : (/^.+?[.!?](?=\s|$)/s.exec(whole)?.[0] ?? whole);
}

function cut(value: string, most: number): string {
  const shown = printable(value.replaceAll(/\s+/g, ' '));
  return shown.length <= most ? shown : `${shown.slice(0, most - 1)}…`;
}
