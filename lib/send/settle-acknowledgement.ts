/** An acknowledgement that came back settles what it answers: found by the reference that it names, never by a local id alone. */
import { acknowledgementKey, type ReceivedAck } from '../acks/types';
import type { Settled } from '../acks/classify';
import type { Clock } from '../clock';
import { settleOutcome } from '../store/settle-outcome';
import type { Outcome, Outgoing, OutgoingState, Store } from '../store/store';
import type { MessageHeaders } from '../types';
import type { Outbox } from './outbox';

export interface SettleAcknowledgementParts {
  store: Store;
  outbox: Outbox;
  clock: Clock;
  /** Key of the mailbox in the store. */
  mailbox: string;
}

/** Of so many messages under one reference, the newest are looked at. */
const LOOKED_AT = 100;
const ARRIVED = new Set<OutgoingState>(['accepted', 'acknowledged', 'sending', 'unknown']);
const OPEN = new Set<Outcome>(['not-asked', 'awaited', 'overdue']);
const DUPLICATE_CODES = new Set(['20007', '20008']);

/**
 * Settles the outcome of the message that an acknowledgement answers, and gives which one; undefined where this mailbox's outbox
 * has none that it can be. The same again changes nothing; a negative one is final.
 */
export async function settleAcknowledgement(
  { store, outbox, clock, mailbox }: SettleAcknowledgementParts,
  ack: ReceivedAck,
  by: Pick<MessageHeaders, 'from' | 'messageId'>,
): Promise<Settled | undefined> {
  const { form, answers, sender, level, result, code, meaning } = ack;
  if (answers === undefined) return undefined;
  const key = acknowledgementKey({ form, reference: answers, ...(sender === undefined ? {} : { sender }) });
  const sent = await store.findByAcknowledgementReference(mailbox, key, LOOKED_AT);
  const row = answered(sent, ack, by.from);
  if (!row) return undefined;
  const detail = { code, by: by.messageId };
  const now = clock.now();
  // "Duplicate" about a message that was taken: a copy was not, and nothing is wrong.
  const isOfCopy = DUPLICATE_CODES.has(code) && row[level] === 'positive';
  const settled = isOfCopy
    ? undefined
    : await settleOutcome(store, row.id, { kind: level, outcome: result, detail }, now);
  if (settled) outbox.tell(`${level} ${result}`, settled, { answer: { code, meaning } });
  else
    await store.note({ ...entryOf(row, mailbox), time: now, event: 'answer repeated', detail: { ...detail, level } });
  return { id: row.id, messageId: row.messageId };
}

const entryOf = ({ id, messageId }: Outgoing, mailbox: string) =>
  ({ mailbox, direction: 'out', reference: id, messageId }) as const;

/**
 * Which of several messages of one reference is meant: the one that went to the mailbox that answers; the one that can have
 * arrived rather than the one that it was sent again for; one that waits for it; and the newest. Undefined where two that went to
 * different recipients are left.
 */
function answered(sent: readonly Outgoing[], ack: ReceivedAck, from: string): Outgoing | undefined {
  const toAnswerer = sent.filter((row) => recipientOf(row) === from.toUpperCase());
  // A control id is unique for its sender only, and easily guessed: it counts only from whom it was sent to. An ITK3 id is a
  // UUID, and GPPROVIDER's recipient is not known before it answers.
  const others = sent.filter((row) => ack.form === 'itk3' || isRouted(row));
  const possible = toAnswerer.length > 0 ? toAnswerer : others;
  const arrived = possible.filter(({ state }) => ARRIVED.has(state));
  const candidates = arrived.length > 0 ? arrived : possible;
  if (new Set(candidates.map(({ lane }) => lane)).size > 1) return undefined;
  // Of copies, one that was refused as a copy has had its answers, and one that still waits goes before one that does not.
  const rank = (row: Outgoing): number =>
    (row.infrastructure === 'negative' || row.business === 'negative' ? 2 : 0) + (OPEN.has(row[ack.level]) ? 0 : 1);
  return candidates.toSorted((one, other) => rank(one) - rank(other))[0];
}

const recipientOf = ({ envelope }: Outgoing): string =>
  typeof envelope['to'] === 'string' ? envelope['to'].toUpperCase() : '';

/** MESH finds the recipient itself, by the patient's demographics. */
const isRouted = (row: Outgoing): boolean => recipientOf(row).startsWith('GPPROVIDER');
