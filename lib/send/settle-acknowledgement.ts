/**
 * Settles sent messages by received business acknowledgements. A message is found by the reference that the
 * acknowledgement names, never by a local id alone.
 */
import { acknowledgementKey, type ReceivedAck, type Settled } from '../acks/types';
import type { Clock } from '../clock';
import { PROBABLY_ARRIVED } from '../message-states';
import { settleOutcome } from '../store/settle-outcome';
import type { LedgerStore, Outcome, Outgoing, OutgoingStore } from '../store/store';
import type { MessageHeaders } from '../types';
import type { Outbox } from './outbox';
import type { StoredEnvelope } from './outbox-types';

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
 * Settles the outcomes of the messages that the acknowledgements of one payload name, the worst of them first. Each
 * settles its own message. A message that was itself a batch is named by several of them, and has the worst result.
 * Returns for each acknowledgement the ids of its message; undefined where this mailbox's outbox has none that can be
 * meant. A repeated acknowledgement changes nothing; a negative one is final.
 * @throws StorageError
 */
export async function settleAcknowledgements(
  parts: SettleAcknowledgementParts,
  acks: readonly ReceivedAck[],
  by: Pick<MessageHeaders, 'from' | 'messageId'>,
): Promise<Array<Settled | undefined>> {
  const named: Array<Outgoing | undefined> = [];
  for (const ack of acks) named.push(await namedMessage(parts, ack, by));
  const rows = acks.map((ack, n) => named[n] ?? named.find((row) => row && isOfBatch(row, ack)));
  const settled = new Set<string>();
  for (const [n, ack] of acks.entries()) {
    const row = rows[n];
    if (!row || settled.has(`${row.id} ${ack.level}`)) continue;
    settled.add(`${row.id} ${ack.level}`);
    await settleOne(parts, row, ack, by.messageId);
  }
  return rows.map((row) => row && { id: row.id, messageId: row.messageId });
}

/** Returns the message that an acknowledgement names by its own reference. */
async function namedMessage(
  { store, mailbox }: SettleAcknowledgementParts,
  ack: ReceivedAck,
  by: Pick<MessageHeaders, 'from' | 'messageId'>,
): Promise<Outgoing | undefined> {
  const key = keyOf(ack);
  if (key === undefined) return undefined;
  const sent = await store.findByAcknowledgementReference(mailbox, key, CONSIDERED);
  // A kill may have come between this commit and the one that records it beside the acknowledgement.
  const before = await settledBefore({ store, mailbox }, sent, ack.level, by.messageId);
  return before ?? acknowledged(sent, ack, by.from);
}

function keyOf({ form, acknowledges, sender }: ReceivedAck): string | undefined {
  if (acknowledges === undefined) return undefined;
  return acknowledgementKey({ form, reference: acknowledges, ...(sender === undefined ? {} : { sender }) });
}

/** Whether the message was sent as a batch, of which the acknowledgement names one that is not the first. */
function isOfBatch({ envelope }: Outgoing, ack: ReceivedAck): boolean {
  const { furtherReferences = [] } = envelope as Partial<StoredEnvelope>;
  return furtherReferences.includes(keyOf(ack) ?? '');
}

async function settleOne(
  { store, outbox, clock, mailbox }: SettleAcknowledgementParts,
  row: Outgoing,
  { level, result, code, meaning }: ReceivedAck,
  by: string,
): Promise<void> {
  const detail = { code, by };
  const now = clock.now();
  // "Duplicate" for a message that was acknowledged positively: a copy of it was refused, and nothing is wrong.
  const isOfCopy = DUPLICATE_CODES.has(code) && row[level] === 'positive';
  const settled = isOfCopy
    ? undefined
    : await settleOutcome(store, row.id, { kind: level, outcome: result, detail }, now);
  if (settled) outbox.emit(`${level} ${result}`, settled, { acknowledgement: { code, meaning } });
  else
    await store.note({ ...entryOf(row, mailbox), time: now, event: 'answer repeated', detail: { ...detail, level } });
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
