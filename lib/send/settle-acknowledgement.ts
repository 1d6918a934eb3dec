/**
 * Settles a sent message by a received business acknowledgement. The message is found by the reference that the
 * acknowledgement names, never by a local id alone.
 */
import { acknowledgementKey, type ReceivedAck } from '../acks/types';
import type { Settled } from '../acks/classify';
import type { Clock } from '../clock';
import { PROBABLY_ARRIVED } from '../message-states';
import { settleOutcome } from '../store/settle-outcome';
import type { LedgerStore, Outcome, Outgoing, OutgoingStore } from '../store/store';
import type { MessageHeaders } from '../types';
import type { Outbox } from './outbox';

export interface SettleAcknowledgementParts {
  store: OutgoingStore & LedgerStore;
  outbox: Outbox;
  clock: Clock;
  /** Key of the mailbox in the store. */
  mailbox: string;
}

/** Messages of one reference that are considered at most, newest first. */
const CONSIDERED = 100;
const OPEN = new Set<Outcome>(['not-asked', 'awaited', 'overdue']);
const DUPLICATE_CODES = new Set(['20007', '20008']);

/**
 * Settles the outcome of the message that is acknowledged. Returns that message's ids; undefined if this mailbox's
 * outbox has no message that can be meant. A repeated acknowledgement changes nothing; a negative one is final.
 */
export async function settleAcknowledgement(
  { store, outbox, clock, mailbox }: SettleAcknowledgementParts,
  ack: ReceivedAck,
  by: Pick<MessageHeaders, 'from' | 'messageId'>,
): Promise<Settled | undefined> {
  const { form, acknowledges, sender, level, result, code, meaning } = ack;
  if (acknowledges === undefined) return undefined;
  const key = acknowledgementKey({ form, reference: acknowledges, ...(sender === undefined ? {} : { sender }) });
  const sent = await store.findByAcknowledgementReference(mailbox, key, CONSIDERED);
  // A kill may have come between this commit and the one that records it beside the acknowledgement.
  const before = await settledBefore({ store, mailbox }, sent, level, by.messageId);
  if (before) return { id: before.id, messageId: before.messageId };
  const row = acknowledged(sent, ack, by.from);
  if (!row) return undefined;
  const detail = { code, by: by.messageId };
  const now = clock.now();
  // "Duplicate" for a message that was acknowledged positively: a copy of it was refused, and nothing is wrong.
  const isOfCopy = DUPLICATE_CODES.has(code) && row[level] === 'positive';
  const settled = isOfCopy
    ? undefined
    : await settleOutcome(store, row.id, { kind: level, outcome: result, detail }, now);
  if (settled) outbox.emit(`${level} ${result}`, settled, { acknowledgement: { code, meaning } });
  else
    await store.note({ ...entryOf(row, mailbox), time: now, event: 'answer repeated', detail: { ...detail, level } });
  return { id: row.id, messageId: row.messageId };
}

const entryOf = ({ id, messageId }: Outgoing, mailbox: string) =>
  ({ mailbox, direction: 'out', reference: id, messageId }) as const;

/**
 * Returns the message that this very acknowledgement has settled already, by the ledger's line in the same commit.
 * Without it the acknowledgement, read again, would settle the next one of several copies as well.
 */
async function settledBefore(
  { store, mailbox }: Pick<SettleAcknowledgementParts, 'store' | 'mailbox'>,
  sent: readonly Outgoing[],
  level: ReceivedAck['level'],
  messageId: string,
): Promise<Outgoing | undefined> {
  if (sent.length < 2) return undefined;
  for (const row of sent) {
    const lines = await store.history(mailbox, row.id);
    if (lines.some(({ event, detail }) => event.startsWith(`${level} `) && detail['by'] === messageId)) return row;
  }
  return undefined;
}

/**
 * Returns which of several messages with one reference is meant: one that was sent to the acknowledging mailbox, over
 * others; one that can have arrived, over the failed one that it repeats; one that awaits the acknowledgement; the
 * newest. Undefined if messages to different recipients are left.
 */
function acknowledged(sent: readonly Outgoing[], ack: ReceivedAck, from: string): Outgoing | undefined {
  const toSender = sent.filter((row) => recipientOf(row) === from.toUpperCase());
  // A control id is unique for its sender only, and easily guessed: it counts only from the mailbox that the message
  // was sent to. An ITK3 id is a UUID, and GPPROVIDER's recipient is not known before it replies.
  const anySender = sent.filter((row) => ack.form === 'itk3' || isRouted(row));
  const possible = toSender.length > 0 ? toSender : anySender;
  const arrived = possible.filter(({ state }) => PROBABLY_ARRIVED.includes(state));
  const candidates = arrived.length > 0 ? arrived : possible;
  if (new Set(candidates.map(({ lane }) => lane)).size > 1) return undefined;
  // Among copies, one that was refused as a copy has had its acknowledgements, and one that still waits for some comes
  // first.
  const rank = (row: Outgoing): number =>
    (row.infrastructure === 'negative' || row.business === 'negative' ? 2 : 0) + (OPEN.has(row[ack.level]) ? 0 : 1);
  return candidates.toSorted((one, other) => rank(one) - rank(other))[0];
}

const recipientOf = ({ envelope }: Outgoing): string =>
  typeof envelope['to'] === 'string' ? envelope['to'].toUpperCase() : '';

/** Whether MESH finds the recipient itself, by the patient's demographics. */
const isRouted = (row: Outgoing): boolean => recipientOf(row).startsWith('GPPROVIDER');
