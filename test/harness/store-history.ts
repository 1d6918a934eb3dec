/**
 * A store with years of traffic behind it, filled by SQL because the store's own operations would take hours, and every
 * operation of the store to be timed on it. What is under way is the same in a small and in a large history, so that an
 * operation that takes longer in the large one has read what is over.
 */
import { mailboxKey, type NewOutgoing, type Store } from '../../lib/store/store';

/** How much is over: messages each way, and lines of the ledger for each sent one. */
export interface History {
  messages: number;
  lines: number;
}

const HISTORY_MAILBOX = mailboxKey('https://localhost:8700', 'X26ABC1');
/** The newest messages each way, some of them under way and with their payloads. */
const UNDER_WAY = 1000;
/** When the oldest message was queued; each further one a second later. */
const BEGAN = 1_700_000_000_000;
/** Messages that one statement adds. */
const PIECE = 1_000_000;

/** A number with leading zeros, so that ids sort as the numbers do. */
const padded = (number: string): string => `(1000000000 + ${number})`;
const sentId = (i: number): string => `h-${1_000_000_000 + i}`;
const receivedId = (i: number): string => `R${1_000_000_000 + i}`;

/** What the two back ends write differently. */
export interface Dialect {
  /** Numbers `i` from the first to the last: what goes before INSERT, and behind FROM. */
  numbers: (first: number, last: number) => { before: string; from: string };
  /** Five bytes. */
  bytes: string;
}

export const SQLITE: Dialect = {
  numbers: (first, last) => ({
    before: `WITH RECURSIVE n (i) AS (SELECT ${first} UNION ALL SELECT i + 1 FROM n WHERE i < ${last})`,
    from: 'n',
  }),
  bytes: `x'68656c6c6f'`,
};

export const POSTGRES: Dialect = {
  numbers: (first, last) => ({ before: '', from: `generate_series(${first}::bigint, ${last}::bigint) AS n (i)` }),
  bytes: `'hello'::bytea`,
};

/** Fills a store that is empty and closed; `run` runs one statement on its tables. */
export async function fillHistory(
  { messages, lines }: History,
  { numbers, bytes }: Dialect,
  run: (sql: string) => unknown,
): Promise<void> {
  await run(`INSERT INTO mailbox (key) VALUES ('${HISTORY_MAILBOX}')`);
  const recent = `i > ${messages - UNDER_WAY}`;
  /** The value while a message is under way and its number ends like this; else that of one that is over. */
  const byEnd = (ends: Record<number, string>, over: string): string => {
    const cases = Object.entries(ends).map(([end, value]) => `WHEN i % 10 = ${end} THEN ${value}`);
    return `CASE WHEN ${recent} THEN CASE ${cases.join(' ')} ELSE ${over} END ELSE ${over} END`;
  };
  const at = `${BEGAN} + i * 1000`;
  const isOver = `(NOT (${recent}) OR i % 10 > 3)`;
  const failed = `i % 100 = 0 AND ${isOver}`;
  const payload = `CASE WHEN ${recent} THEN CASE WHEN i % 20 = 0 THEN 'spool' ELSE 'inline' END END,
        CASE WHEN ${recent} AND i % 20 = 0 THEN 'name-' || i END`;
  const events = Array.from({ length: lines }, (_, k) => `SELECT ${k} AS k`).join(' UNION ALL ');
  for (let first = 1; first <= messages; first += PIECE) {
    const { before, from } = numbers(first, Math.min(messages, first + PIECE - 1));
    await run(`${before}
      INSERT INTO outgoing (id, mailbox, once_key, lane, strict_order, local_id, local_id_is_unique, workflow_id, envelope,
          size, queued_at, acknowledgement_reference, state, payload_kind, payload_name, message_id, accepted_at,
          settled_at, next_track_at, infrastructure, business, collect_by)
        SELECT 'h-' || ${padded('i')}, 1, 'key-' || i, 'lane ' || (i % 50), 0, 'local-' || i, 1, 'W',
          '{"to":"X26ABC9","subject":"A letter","fileName":"letter.xml"}', 5, ${at}, 'ref-' || i,
          CASE WHEN ${failed} THEN 'undelivered'
            ELSE ${byEnd({ 0: `'queued'`, 1: `'accepted'`, 2: `'parked'`, 3: `'unknown'` }, `'acknowledged'`)} END,
          ${payload}, CASE WHEN ${isOver} OR i % 10 = 1 THEN 'M' || i END, CASE WHEN ${isOver} THEN ${at} END,
          CASE WHEN ${isOver} THEN ${at} END, CASE WHEN ${recent} AND i % 10 IN (1, 3) THEN ${at} END, 'not-asked',
          CASE WHEN i % 100 = 5 THEN 'overdue' WHEN i % 2 = 0 THEN 'positive' ELSE 'not-asked' END,
          CASE WHEN ${recent} AND i % 10 = 1 THEN ${at} END
          FROM ${from} ORDER BY i`);
    await run(`${before}
      INSERT INTO incoming (mailbox, message_id, workflow_id, message_type, headers, size, sha256, received_at,
          request_key, state, payload_kind, payload_name, acknowledged_at, settled_at)
        SELECT 1, 'R' || ${padded('i')}, 'W', 'DATA', '{"from":"X26ABC9","subject":"A letter"}', 5,
          '${'ab'.repeat(32)}', ${at}, 'request-' || i,
          ${byEnd({ 0: `'spooled'`, 1: `'acknowledged'`, 2: `'delivered'`, 3: `'parked'` }, `'done'`)},
          ${payload}, CASE WHEN ${isOver} OR i % 10 > 0 THEN ${at} END, CASE WHEN ${isOver} THEN ${at} END
          FROM ${from} ORDER BY i`);
    await run(`${before}
      INSERT INTO ledger (time, mailbox, direction, reference, message_id, event, detail)
        SELECT ${at} + k, 1, 'out', 'h-' || ${padded('i')}, CASE WHEN k > 1 THEN 'M' || i END,
          CASE k WHEN 2 THEN 'accepted' WHEN 3 THEN 'acknowledged' ELSE 'attempt' END, '{"status":202}'
          FROM ${from} CROSS JOIN (${events}) AS each_line ORDER BY i, k`);
  }
  for (const table of ['outgoing', 'incoming']) {
    await run(`INSERT INTO ${table}_payload (seq, bytes)
      SELECT seq, ${bytes} FROM ${table} WHERE payload_kind = 'inline' AND seq > ${messages - UNDER_WAY}`);
  }
}

/** The history that an operation runs on. */
interface Run {
  messages: number;
  /** The time of the newest message. */
  now: number;
  /** How often operations were run before: each changes another message. */
  nth: number;
}

type Operation = (store: Store, run: Run) => Promise<unknown>;

/** Every method of the store that asks or changes its tables. */
type Method = Exclude<keyof Store, 'isShared' | 'slices' | 'id' | 'onRemoteChange' | 'close'>;

const note = { event: 'timed', time: BEGAN };
const middle = ({ messages, nth }: Run): number => Math.round(messages / 2) + nth;
/** A message under way whose number ends like this. */
const underWay = (end: number, { messages, nth }: Run): number => messages - UNDER_WAY + 10 * (1 + (nth % 90)) + end;

function newMessage({ messages, nth, now }: Run, what: string): NewOutgoing {
  const id = `z-${what}-${messages}-${String(nth).padStart(9, '0')}`;
  return {
    id,
    mailbox: HISTORY_MAILBOX,
    instance: null,
    onceKey: `once ${id}`,
    onceDigest: null,
    lane: 'lane 1',
    strictOrder: false,
    localId: id,
    localIdIsUnique: true,
    workflowId: 'W',
    envelope: { to: 'X26ABC9' },
    size: 5,
    queuedAt: now,
    resendOf: null,
    acknowledgementReference: null,
    payload: { kind: 'inline', bytes: Buffer.from('hello') },
  };
}

/** Every operation, with arguments as the lines out and in, the operator view, monitoring and the retention use them. */
const OPERATIONS: Record<Method, readonly Operation[]> = {
  enqueue: [
    (store, run) => store.enqueue(newMessage(run, 'new'), note),
    // A repeat of a key.
    (store, run) => store.enqueue({ ...newMessage(run, 'repeat'), onceKey: `key-${middle(run)}` }, note),
  ],
  replaceOutgoing: [
    (store, run) =>
      store.replaceOutgoing(
        { id: sentId(100 * (20 + run.nth)), from: ['undelivered'], change: { state: 'closed' }, note },
        newMessage(run, 'resend'),
        note,
      ),
  ],
  changeOutgoing: [
    (store, run) => store.changeOutgoing(sentId(underWay(1, run)), ['accepted'], { tracked: run.nth }, note),
    (store, run) => store.changeOutgoing(sentId(underWay(0, run)), ['queued'], { state: 'sending' }, note),
  ],
  changeBatch: [
    (store, run) =>
      store.changeBatch([{ id: sentId(underWay(1, run)), from: ['accepted'], change: { tracked: run.nth }, note }], {
        mailbox: HISTORY_MAILBOX,
        commits: run.nth,
        begun: 1,
      }),
  ],
  sendingProgress: [(store) => store.sendingProgress(HISTORY_MAILBOX)],
  addWithoutPayload: [
    (store, run) => {
      const { payload: _, ...message } = newMessage(run, 'forgotten');
      return store.addWithoutPayload(message, { state: 'accepted', messageId: `F${run.nth}` }, note);
    },
  ],
  getOutgoing: [(store, run) => store.getOutgoing(sentId(middle(run)))],
  listOutgoing: [
    (store) => store.listOutgoing({}, { limit: 100 }),
    (store, run) => store.listOutgoing({ mailbox: HISTORY_MAILBOX }, { limit: 100, after: sentId(middle(run)) }),
    (store) => store.listOutgoing({ mailbox: HISTORY_MAILBOX, states: ['unknown', 'parked'] }, { limit: 100 }),
    (store, run) => store.listOutgoing({ messageId: `M${middle(run)}` }, { limit: 10 }),
    (store, run) => store.listOutgoing({ localId: `local-${middle(run)}` }, { limit: 10 }),
    (store, run) => store.listOutgoing({ onceKey: `key-${middle(run)}` }, { limit: 10 }),
    (store, run) => store.listOutgoing({ resendOf: sentId(middle(run)) }, { limit: 10 }),
  ],
  findByReplyKeys: [(store, run) => store.findByReplyKeys(HISTORY_MAILBOX, [`key-${middle(run)}`], 10)],
  findByAcknowledgementReference: [
    (store, run) => store.findByAcknowledgementReference(HISTORY_MAILBOX, `ref-${middle(run)}`, 10),
  ],
  countOutgoing: [(store) => store.countOutgoing(HISTORY_MAILBOX)],
  nextToSend: [(store, { now }) => store.nextToSend(HISTORY_MAILBOX, now, 50)],
  idsToSend: [(store, { now }) => store.idsToSend(HISTORY_MAILBOX, now, 50)],
  nextSendTime: [(store, { now }) => store.nextSendTime(HISTORY_MAILBOX, now)],
  dueTracking: [(store, { now }) => store.dueTracking(HISTORY_MAILBOX, now, 50)],
  dueOverdue: [(store, { now }) => store.dueOverdue(HISTORY_MAILBOX, now, 50)],
  addIncoming: [
    (store, { messages, nth, now }) =>
      store.addIncoming(
        {
          mailbox: HISTORY_MAILBOX,
          messageId: `S${messages}-${nth}`,
          instance: null,
          workflowId: 'W',
          messageType: 'DATA',
          headers: { from: 'X26ABC9' },
          size: 5,
          sha256: 'ab'.repeat(32),
          receivedAt: now,
          payload: { kind: 'inline', bytes: Buffer.from('hello') },
        },
        note,
      ),
  ],
  changeIncoming: [
    (store, run) =>
      store.changeIncoming(
        HISTORY_MAILBOX,
        receivedId(underWay(1, run)),
        ['acknowledged', 'delivered'],
        { state: 'delivered', deliveryCount: run.nth, leaseUntil: run.now },
        note,
      ),
  ],
  endLostDeliveries: [(store, { now }) => store.endLostDeliveries(HISTORY_MAILBOX, now)],
  getIncoming: [(store, run) => store.getIncoming(HISTORY_MAILBOX, receivedId(middle(run)))],
  firstIncomingRequest: [(store, run) => store.firstIncomingRequest(HISTORY_MAILBOX, `request-${middle(run)}`)],
  knownIncoming: [
    (store, run) =>
      store.knownIncoming(
        HISTORY_MAILBOX,
        Array.from({ length: 500 }, (_, i) => receivedId(middle(run) + i)),
      ),
  ],
  incomingSummaries: [(store) => store.incomingSummaries(HISTORY_MAILBOX, ['acknowledged'], { limit: 100 })],
  listIncoming: [
    (store) => store.listIncoming(HISTORY_MAILBOX, ['parked'], { limit: 50 }),
    (store, run) => store.listIncoming(HISTORY_MAILBOX, ['done'], { limit: 50, after: receivedId(middle(run)) }),
  ],
  unacknowledgedIncoming: [(store) => store.unacknowledgedIncoming(HISTORY_MAILBOX, { limit: 50 })],
  note: [
    (store, { now }) =>
      store.note({
        mailbox: HISTORY_MAILBOX,
        direction: 'in',
        reference: 'R1',
        messageId: 'R1',
        event: 'timed',
        time: now,
        detail: {},
      }),
  ],
  history: [
    (store, run) => store.history(HISTORY_MAILBOX, sentId(middle(run))),
    (store, run) => store.history(HISTORY_MAILBOX, `M${middle(run)}`),
  ],
  ledger: [
    (store, run) => {
      const from = BEGAN + 1000 * middle(run);
      return store.ledger(HISTORY_MAILBOX, { from, to: from + 3_600_000 }, { limit: 500 });
    },
    (store, run) =>
      store.ledger(HISTORY_MAILBOX, { from: 0, to: run.now }, { limit: 500, after: String(2 * middle(run)) }),
  ],
  recentOutgoing: [
    (store) => store.recentOutgoing(HISTORY_MAILBOX, ['acknowledged', 'closed', 'undelivered'], { limit: 50 }),
    (store, run) => store.recentOutgoing(HISTORY_MAILBOX, ['acknowledged'], { limit: 50, before: sentId(middle(run)) }),
    (store) => store.recentOutgoing(HISTORY_MAILBOX, ['queued', 'sending', 'rejected'], { limit: 50 }),
  ],
  recentIncoming: [
    (store) => store.recentIncoming(HISTORY_MAILBOX, ['done', 'parked'], { limit: 50 }),
    (store, run) => store.recentIncoming(HISTORY_MAILBOX, ['done'], { limit: 50, before: receivedId(middle(run)) }),
  ],
  overdueOutgoing: [
    (store) => store.overdueOutgoing(HISTORY_MAILBOX, { limit: 50 }),
    (store, run) => store.overdueOutgoing(HISTORY_MAILBOX, { limit: 50, before: sentId(middle(run)) }),
  ],
  attention: [(store) => store.attention(HISTORY_MAILBOX, 50)],
  parkedBytes: [(store) => store.parkedBytes(HISTORY_MAILBOX)],
  activity: [(store, { now }) => store.activity(HISTORY_MAILBOX, { from: now - 3_600_000, to: now })],
  otherInstances: [(store) => store.otherInstances()],
  lease: [(store) => store.lease(HISTORY_MAILBOX, 'sender', 1000)],
  mailboxes: [(store) => store.mailboxes()],
  purge: [
    // What ten messages have left behind is removed each time.
    (store, { now, nth }) => {
      const keptMs = now - BEGAN - 10_000 * nth;
      const unsettledPayloadMs = now - BEGAN;
      return store.purge(now, { settledPayloadMs: keptMs, unsettledPayloadMs, rowsMs: keptMs, ledgerMs: keptMs });
    },
  ],
  spoolNames: [(store) => store.spoolNames()],
  identity: [(store) => store.identity()],
  trustedTime: [(store) => store.trustedTime()],
  trustTime: [(store, { now, nth }) => store.trustTime(now + nth, false)],
  addSpoolFolder: [(store) => store.addSpoolFolder({ path: '/var/lib/spool', hasPayloads: true })],
  spoolFolders: [(store) => store.spoolFolders()],
  spoolKey: [(store) => store.spoolKey()],
  conditionEvents: [(store) => store.conditionEvents(HISTORY_MAILBOX, 0)],
  closeOtherInstances: [(store) => store.closeOtherInstances(HISTORY_MAILBOX, 'instance', note)],
  generation: [(store) => store.generation()],
};

/** One operation's time in a small and in a large history (milliseconds): the best of the runs. */
export interface Timed {
  operation: string;
  smallMs: number;
  largeMs: number;
}

/** A store whose history has so many messages. */
export interface Filled {
  store: Store;
  messages: number;
}

/**
 * Times every operation on both stores in turn. The best of the runs counts: other work of the machine can only add to
 * a time.
 * @param isWanted which operations, by their names in the result
 */
export async function timeOperations(
  small: Filled,
  large: Filled,
  runs: number,
  isWanted: (operation: string) => boolean = () => true,
): Promise<Timed[]> {
  const timed: Timed[] = [];
  let nth = 0;
  const once = async (operation: Operation, { store, messages }: Filled): Promise<number> => {
    const started = performance.now();
    await operation(store, { messages, now: BEGAN + 1000 * messages, nth });
    return performance.now() - started;
  };
  for (const [method, operations] of Object.entries(OPERATIONS)) {
    for (const [index, operation] of operations.entries()) {
      const name = index === 0 ? method : `${method} (${index + 1})`;
      if (!isWanted(name)) continue;
      const best = { smallMs: Number.POSITIVE_INFINITY, largeMs: Number.POSITIVE_INFINITY };
      for (let run = 0; run <= runs; run += 1) {
        nth += 1;
        const [smallMs, largeMs] = [await once(operation, small), await once(operation, large)];
        // The first run of a statement prepares it.
        if (run === 0) continue;
        best.smallMs = Math.min(best.smallMs, smallMs);
        best.largeMs = Math.min(best.largeMs, largeMs);
      }
      timed.push({ operation: name, ...best });
    }
  }
  return timed;
}
