/**
 * Settles the stages of sent messages by received replies. A request is found by what the reply has of it, and only if
 * nothing that both have differs. If several could be meant, none is settled: a person decides.
 */
import {
  isNamed,
  nameOf,
  replyKey,
  type KeptReply,
  type ReplyProblem,
  type ReplyReading,
  type SettledRequest,
} from '../acks/replies/read';
import type { Clock } from '../clock';
import { PROBABLY_ARRIVED } from '../message-states';
import { REPLACES } from '../store/settle-outcome';
import type {
  IncomingStore,
  LedgerStore,
  Outcome,
  Outgoing,
  OutgoingStore,
  SettledReply,
  StageState,
} from '../store/store';
import type { MessageHeaders } from '../types';
import type { Spool } from '../payload/spool';
import { comparedReading } from './compare-reply';
import type { Outbox } from './outbox';
import type { StoredEnvelope } from './outbox-types';
import { earlierStages, stagesChange } from './reply-stages';

export interface SettleReplyParts {
  store: OutgoingStore & LedgerStore & IncomingStore;
  spool: Spool;
  outbox: Outbox;
  clock: Clock;
  /** Key of the mailbox in the store. */
  mailbox: string;
}

/** What a reply has settled, and why not all; and its readings as they are after a comparison with the request. */
export type SettledByReply = Required<Pick<KeptReply, 'settled' | 'readings'>> & Pick<KeptReply, 'problem'>;

type By = Pick<MessageHeaders, 'from' | 'messageId'>;

/** Requests of one name that are considered at most, newest first. */
const CONSIDERED = 100;
/** Replies that a stage remembers. */
const REMEMBERED = 50;

/**
 * Settles what a reply names. Repeatable: a kill may have come before what it settled was recorded in its row.
 * @throws StorageError
 */
export async function settleReply(parts: SettleReplyParts, reply: KeptReply, by: By): Promise<SettledByReply> {
  const found: Array<{ reading: ReplyReading; row: Outgoing }> = [];
  const readings: ReplyReading[] = [];
  let isAmbiguous = false;
  let differs = false;
  let unmatched = 0;
  for (const said of reply.readings) {
    // Rows that were compared with nothing are believed by nobody.
    let reading: ReplyReading = said.compare && saysGood(said) ? { ...said, ...NOT_COMPARED } : said;
    for (const values of requestsNamed(said)) {
      const rows = await requestsOf(parts, said, values, by);
      const [row] = rows;
      isAmbiguous ||= rows.length > 1;
      if (!row) unmatched += 1;
      else if (rows.length === 1) {
        reading = await afterComparison(parts, said, row, by);
        differs ||= saysGood(said) && !saysGood(reading);
        found.push({ reading, row });
      }
    }
    readings.push(reading);
  }
  const workflows = new Set(found.map(({ reading }) => reading.requestWorkflowId));
  if (workflows.size > 1) return { settled: [], readings, problem: 'ambiguous' };
  const settled: SettledRequest[] = [];
  for (const [index, { reading, row }] of found.entries()) {
    // Two rows of a report may name one request.
    if (found.findIndex((each) => each.row.id === row.id) !== index) continue;
    if (reading.outcome === 'unclear') continue;
    settled.push(await settleStage(parts, row.id, reading, reading.outcome, by));
  }
  const problem = problemOf({
    ambiguous: isAmbiguous,
    differs,
    unclear: found.some(({ reading }) => reading.outcome === 'unclear'),
    'too-many-rows': reply.readings.some(({ hasMoreRows }) => hasMoreRows),
    // Of several profiles, those that are not meant match nothing.
    unmatched: found.length === 0 || (unmatched > 0 && reply.readings.length === 1),
  });
  return { settled, readings, ...(problem === undefined ? {} : { problem }) };
}

/**
 * Returns a reading after the comparison that its stage asks for. What is negative or unclear has nothing to compare, and
 * a copy of a reply that has settled was compared before.
 */
async function afterComparison(
  parts: SettleReplyParts,
  reading: ReplyReading,
  row: Outgoing,
  { messageId }: By,
): Promise<ReplyReading> {
  if (reading.compare === undefined || !saysGood(reading)) return reading;
  if (await isKnownTo(parts.store, parts.mailbox, row, reading, messageId)) return reading;
  return comparedReading(parts, reading, row.id, messageId);
}

const NOT_COMPARED = { outcome: 'unclear', code: 'not compared' } as const;
const saysGood = ({ outcome }: ReplyReading): boolean => outcome === 'positive' || outcome === 'partial';

/** Returns the first problem that there is. */
const problemOf = (problems: Record<ReplyProblem, boolean>): ReplyProblem | undefined =>
  (Object.keys(problems) as ReplyProblem[]).find((each) => problems[each]);

/** Returns the values that name each request: those of the whole reply, or one set for each row. */
function requestsNamed({ values, rows }: ReplyReading): Array<ReplyReading['values']> {
  return rows === undefined ? [values] : rows.map((row) => [...values, row]);
}

/** Returns the requests that can be meant; none, or several, settle nothing. */
async function requestsOf(
  { store, mailbox }: SettleReplyParts,
  reading: ReplyReading,
  values: ReplyReading['values'],
  by: By,
): Promise<Outgoing[]> {
  const messageIds = values.filter(({ request }) => request === 'messageId').map(({ value }) => value);
  const keys = values.map(({ request, value }) => replyKey(request, value));
  const lists = await Promise.all([
    store.findByReplyKeys(mailbox, keys, CONSIDERED),
    ...messageIds.map((messageId) => store.listOutgoing({ mailbox, messageId }, { limit: CONSIDERED })),
  ]);
  const named = [...new Map(lists.flat().map((row) => [row.id, row])).values()].filter(
    (row) =>
      row.attempts > 0 &&
      row.workflowId.toUpperCase() === reading.requestWorkflowId.toUpperCase() &&
      stageIn(row, reading) !== undefined &&
      isFromItsRecipient(row, reading, by.from) &&
      values.every(({ request, value }) => agrees(row, request, value)),
  );
  if (named.length < 2) return named;
  // This very reply, or a copy of it, has settled one of them before.
  for (const row of named) if (await isKnownTo(store, mailbox, row, reading, by.messageId)) return [row];
  const arrived = named.filter(({ state }) => PROBABLY_ARRIVED.includes(state));
  const possible = arrived.length > 0 ? arrived : named;
  // A message that was sent again is answered as the one that took its place.
  const replaced = new Set(possible.flatMap(({ resendOf }) => resendOf ?? []));
  return possible.filter(({ id }) => !replaced.has(id));
}

const stageIn = (row: Outgoing, { stage }: Pick<ReplyReading, 'stage'>): StageState | undefined =>
  row.stages?.find(({ name }) => name === stage);

/** A local id is easily guessed: a reply counts from the mailbox that the request was sent to, unless its profile says more. */
function isFromItsRecipient(row: Outgoing, { from }: ReplyReading, sender: string): boolean {
  if (from !== 'recipient') return true;
  const { to } = row.envelope as Partial<StoredEnvelope>;
  // MESH finds the practice of a routing address, which is not known before it replies.
  return to?.toUpperCase() === sender.toUpperCase() || to?.toUpperCase().startsWith('GPPROVIDER') === true;
}

/** Whether a request has this value, or has nothing that it could be compared with. */
function agrees(row: Outgoing, request: ReplyReading['values'][number]['request'], value: string): boolean {
  const { fileName, subject, replyKey: key } = row.envelope as Partial<StoredEnvelope>;
  const names = { localId: row.localId, fileName, subject, key };
  const own = request === 'messageId' ? (row.messageId ?? undefined) : nameOf(request, names);
  return own === undefined || isNamed(value, own);
}

/** Whether a stage of a request has this reply already, or one with the same content. */
async function isKnownTo(
  store: IncomingStore,
  mailbox: string,
  row: Outgoing,
  reading: Pick<ReplyReading, 'stage'>,
  messageId: string,
): Promise<boolean> {
  const replies = stageIn(row, reading)?.replies ?? [];
  if (replies.some((each) => each.messageId === messageId)) return true;
  const own = await store.getIncoming(mailbox, messageId);
  if (!own || own.sha256 === '') return false;
  for (const each of replies) {
    if ((await store.getIncoming(mailbox, each.messageId))?.sha256 === own.sha256) return true;
  }
  return false;
}

/** Settles a stage, as often as it takes until nothing else has changed the row meanwhile. */
async function settleStage(
  parts: SettleReplyParts,
  id: string,
  reading: ReplyReading,
  outcome: SettledReply['outcome'],
  { messageId }: By,
): Promise<SettledRequest> {
  const { store, outbox, clock, mailbox } = parts;
  for (;;) {
    const row = await store.getOutgoing(id);
    const stage = row && stageIn(row, reading);
    // Erased, or past its retention, while it was looked for.
    if (!row || !stage) return { id, messageId: row?.messageId ?? null };
    const settled = { id, messageId: row.messageId };
    if (stage.replies.some((each) => each.messageId === messageId)) return settled;
    const isCopy = await isKnownTo(store, mailbox, row, reading, messageId);
    const isDuplicate = isCopy || (stage.occurs !== 'any' && !REPLACES[outcome].includes(stage.outcome));
    const at = clock.now();
    const { code } = reading;
    const own: SettledReply = { messageId, at, outcome, ...(code === undefined ? {} : { code }) };
    const stages = isDuplicate ? withReply(row, stage, own) : settledStages(row, stage, own);
    const event = isDuplicate ? 'reply repeated' : `reply ${outcome}`;
    const detail = { stage: stage.name, outcome, by: messageId, ...(code === undefined ? {} : { code }) };
    const change = stagesChange(row, stages);
    const required = { repliesRevision: row.repliesRevision };
    // The state too: an acceptance that comes between has set the times.
    const changed = await store.changeOutgoing(id, [row.state], change, { event, time: at, detail }, required);
    if (!changed) continue;
    outbox.emit(event, changed, { reply: { stage: stage.name, kind: stage.kind, outcome, ...(code && { code }) } });
    return isDuplicate ? { ...settled, isDuplicate } : settled;
  }
}

const withOutcome = (stage: StageState, outcome: Outcome): StageState => ({ ...stage, outcome });

/** Returns the stages after a reply that settles nothing. */
function withReply(row: Outgoing, stage: StageState, own: SettledReply): StageState[] {
  const replied = { ...stage, replies: [...stage.replies, own].slice(-REMEMBERED) };
  return (row.stages ?? []).map((each) => (each.name === stage.name ? replied : each));
}

/**
 * Returns the stages after a reply. A negative one ends the exchange: what comes after it is no longer awaited. Of any
 * number of replies the worst counts.
 */
function settledStages(row: Outgoing, stage: StageState, own: SettledReply): StageState[] {
  const isNew = REPLACES[own.outcome].includes(stage.outcome);
  const stages = withReply(row, stage, own).map((each) =>
    each.name === stage.name && isNew ? withOutcome(each, own.outcome) : each,
  );
  if (own.outcome !== 'negative') return stages;
  const at = stages.findIndex(({ name }) => name === stage.name);
  return stages.map((each, n) =>
    n > at && (each.outcome === 'awaited' || each.outcome === 'overdue') ? withOutcome(each, 'not-asked') : each,
  );
}

/** Reports every stage of a message that is overdue at `alarmTime`, once, and plans the next time. */
export async function reportOverdueStages(
  { store, outbox, clock }: Pick<SettleReplyParts, 'outbox' | 'clock'> & { store: OutgoingStore },
  found: Outgoing,
  due: (stage: StageState, row: Outgoing) => boolean,
): Promise<void> {
  let row: Outgoing | undefined = found;
  while (row?.stages) {
    const late: StageState | undefined = row.stages.find(
      (stage) => stage.outcome === 'awaited' && due(stage, row as Outgoing),
    );
    const stages = row.stages.map((each) => (each === late ? withOutcome(each, 'overdue') : each));
    const detail = { what: 'reply', ...(late && { stage: late.name }) };
    const note = late && { event: 'overdue', time: clock.now(), detail };
    const changed = await store.changeOutgoing(row.id, [row.state], stagesChange(row, stages), note, {
      repliesRevision: row.repliesRevision,
    });
    if (changed && late) {
      outbox.emit('overdue', changed, { overdue: 'reply', reply: { stage: late.name, kind: late.kind } });
    }
    if (changed && !late) return;
    // Another stage may be late too; or a reply has come meanwhile.
    row = await store.getOutgoing(row.id);
  }
}

/** Sets the times of a message's stages earlier that were counted from a clock that was ahead. */
export async function planStagesAgain(
  { store, clock }: { store: OutgoingStore; clock: Clock },
  found: Outgoing,
): Promise<void> {
  for (let row: Outgoing | undefined = found; row; row = await store.getOutgoing(row.id)) {
    const stages = earlierStages(row, clock.now());
    if (!stages) return;
    const required = { repliesRevision: row.repliesRevision };
    if (await store.changeOutgoing(row.id, [row.state], stagesChange(row, stages), undefined, required)) return;
  }
}
