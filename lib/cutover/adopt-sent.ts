/**
 * Adopts what a MESH Client has sent: its messages become rows of the outbox, accepted by MESH and sent by another
 * client, so that a report, an acknowledgement or a reply that arrives after the cut-over settles them instead of being
 * an error. What the client has received already settles them here and now. Repeatable: a message is adopted once.
 */
import { parseSource } from '../acks/parse-source';
import type { WorkflowProfiles } from '../acks/profiles';
import { ReplyContent } from '../acks/replies/content';
import { readReply } from '../acks/replies/read';
import type { Clock } from '../clock';
import { InvalidMessageError, PayloadError } from '../errors';
import { payloadSource } from '../payload/source';
import type { Spool } from '../payload/spool';
import type { Outbox } from '../send/outbox';
import { settleAcknowledgements } from '../send/settle-acknowledgement';
import { settleReply } from '../send/settle-reply';
import type { Store } from '../store/store';
import type { MessageHeaders } from '../types';
import { clientMessages, type ClientMessage, type NamedException } from './client-folder';
import type { LoggedMessage } from './client-log';

/** What adopting needs of a mailbox. */
export interface AdoptParts {
  store: Store;
  spool: Spool;
  outbox: Outbox;
  clock: Clock;
  /** Key of the mailbox in the store. */
  mailbox: string;
  mailboxId: string;
  profiles: WorkflowProfiles;
  /** Settles the message that a REPORT names; false if the outbox does not have it. */
  settleReport: (report: MessageHeaders) => Promise<boolean>;
}

/** What came of adopting. */
export interface Adopted {
  /** Messages that are new in the outbox. */
  adopted: number;
  /** Messages that the outbox had already: adopted before, or sent from here. */
  known: number;
  /** Messages that were sent too long ago. */
  older: number;
  /** What the client could not send: it is in its own `failed`, or says so. */
  refused: number;
  /** Reports, acknowledgements and replies of the client's `in` that settled a message. */
  settled: number;
  exceptions: NamedException[];
}

const DAY_MS = 24 * 60 * 60 * 1000;
/** Messages adopted at the same time: their commits share one. */
const AT_ONCE = 64;

/**
 * Adopts what is in the client's `sent`, and settles it by what is in its `in`.
 * @param root the mailbox's folder, which contains `in`, `out` and `sent`
 * @param days how long ago a message may have been sent
 * @param logged what the client's log says that it sent, for messages of which it keeps no files
 * @throws StorageError when a folder or the store fails; what was adopted until then stays
 */
export async function adoptSent(
  parts: AdoptParts,
  root: string,
  { days, logged = [] }: { days: number; logged?: readonly LoggedMessage[] },
): Promise<Adopted> {
  const result: Adopted = { adopted: 0, known: 0, older: 0, refused: 0, settled: 0, exceptions: [] };
  const oldest = parts.clock.now() - days * DAY_MS;
  const sent = await clientMessages(root, 'sent');
  result.exceptions.push(...sent.exceptions);
  await each(sent.messages, (message) => adoptOne(parts, message, oldest, result));
  await each(logged, (line) => adoptLogged(parts, line, oldest, result));
  const received = await clientMessages(root, 'in');
  result.exceptions.push(...received.exceptions);
  // One after the other: which of two copies an acknowledgement settles depends on those before it.
  for (const message of received.messages) await settleBy(parts, message, result);
  return result;
}

async function adoptOne(
  { outbox, mailboxId }: AdoptParts,
  { name, control, status, dat }: ClientMessage,
  oldest: number,
  result: Adopted,
): Promise<void> {
  const except = (why: string): void => void result.exceptions.push({ name, why });
  const { DTSId: messageId = '', WorkflowId: workflowId = '', To_DTS: to = '', From_DTS: from = '' } = control;
  if (status?.success === false) {
    result.refused += 1;
    return;
  }
  if (messageId === '') return except('Its control file has no DTSId: it is not known under which id MESH has it.');
  if (from !== '' && mailboxOf(from) !== mailboxId) return except('It was sent from another mailbox.');
  const sentAt = Date.parse(status?.time ?? '');
  if (Number.isNaN(sentAt)) return except('Its control file does not say when it was sent.');
  if (sentAt < oldest) {
    result.older += 1;
    return;
  }
  try {
    const { LocalId: localId, Subject: subject } = control;
    const message = await outbox.adopt({
      messageId,
      sentAt,
      to,
      workflowId,
      ...(localId && { localId }),
      ...(subject && { subject }),
      fileName: `${name}.dat`,
      ...(dat !== undefined && { payload: { file: dat } }),
    });
    result[message ? 'adopted' : 'known'] += 1;
    if (message && dat === undefined)
      except('It has no .dat: a report settles it, an acknowledgement that names its content cannot.');
  } catch (error) {
    if (!(error instanceof InvalidMessageError || error instanceof PayloadError)) throw error;
    except(error.message);
  }
}

async function adoptLogged(
  { outbox }: AdoptParts,
  { messageId, sentAt, to = '', workflowId = '', localId }: LoggedMessage,
  oldest: number,
  result: Adopted,
): Promise<void> {
  if (sentAt < oldest) {
    result.older += 1;
    return;
  }
  const message = await outbox.adopt({ messageId, sentAt, to, workflowId, ...(localId && { localId }) });
  result[message ? 'adopted' : 'known'] += 1;
}

/** Settles what a message of the client's `in` names, if it names any that the outbox has. */
async function settleBy(parts: AdoptParts, { name, control, dat }: ClientMessage, result: Adopted): Promise<void> {
  const { store, spool, outbox, clock, mailbox, profiles } = parts;
  const isReport = (control['MessageType'] ?? '').toUpperCase() === 'REPORT';
  const messageId = isReport ? name : (control['DTSId'] ?? name);
  const headers: MessageHeaders = {
    mailboxId: parts.mailboxId,
    messageId,
    messageType: isReport ? 'REPORT' : 'DATA',
    from: mailboxOf(control['From_DTS'] ?? ''),
    to: parts.mailboxId,
    workflowId: control['WorkflowId'] ?? '',
    totalChunks: 1,
    ...(control['LocalId'] && { localId: control['LocalId'] }),
    ...(control['Subject'] && { subject: control['Subject'] }),
    // The client puts the id of the message that failed there.
    ...(isReport && control['DTSId'] && { linkedMessageId: control['DTSId'] }),
  };
  if (isReport) {
    if (await parts.settleReport(headers)) result.settled += 1;
    return;
  }
  if (dat === undefined) return;
  try {
    const source = await payloadSource({ file: dat });
    const reply = await readReply(headers, new ReplyContent(source), profiles);
    const by = { store, spool, outbox, clock, mailbox };
    if (reply) {
      if ((await settleReply(by, reply, headers)).settled.length > 0) result.settled += 1;
      return;
    }
    const { acknowledgement, furtherAcknowledgements = [] } = await parseSource(source);
    if (!acknowledgement) return;
    const settled = await settleAcknowledgements(by, [acknowledgement, ...furtherAcknowledgements], headers);
    if (settled.some(Boolean)) result.settled += 1;
  } catch (error) {
    if (!(error instanceof InvalidMessageError || error instanceof PayloadError)) throw error;
    result.exceptions.push({ name, why: error.message });
  }
}

/** Does the work for all items, several at a time, in their order. */
async function each<Item>(items: readonly Item[], work: (item: Item) => Promise<void>): Promise<void> {
  for (let at = 0; at < items.length; at += AT_ONCE) await Promise.all(items.slice(at, at + AT_ONCE).map(work));
}

/** Returns the mailbox id of an address of the client, `X26ABC1` or `x26abc1@dts.nhs.uk`. */
const mailboxOf = (address: string): string => (address.split('@')[0] ?? '').toUpperCase();
