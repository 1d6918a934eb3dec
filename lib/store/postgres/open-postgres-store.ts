/** The PostgreSQL back end: for several Node-REDs that share their mailboxes. */
import { randomUUID } from 'node:crypto';
import type { Retention, Store } from '../store';
import { type Operation, SharedCommits, type Statistics } from './commits';
import { type ConnectionOptions, Connections } from './connections';
import { asMeshError, closedError } from './failures';
import * as incoming from './incoming';
import { gone, others, removeInstance } from './instances';
import { giveLeasesBack, takeLease } from './leases';
import * as ledger from './ledger';
import { mailboxKeys, makeMailboxes } from './mailboxes';
import { migrate } from './migrations';
import { Notices } from './notices';
import * as outgoing from './outgoing';
import * as overview from './overview';
import type { Queries } from './queries';
import { purgeSlice, spoolNames } from './retention';
import { removeUnnamed, slicesIn } from './slices';

export type PostgresStoreOptions = Omit<ConnectionOptions, 'schema'> & Partial<Pick<ConnectionOptions, 'schema'>>;

/** The store, and what tests and the bench ask of it. */
export interface PostgresStore extends Store {
  statistics(): Promise<Statistics>;
}

/**
 * Opens the store of a database (PostgreSQL 13 or newer) and brings it to the newest version. Any number of processes may
 * have it open.
 * @throws ConfigurationError if the URL cannot work, the database does not let us in, or a newer release has written the
 *   store; StorageError if it cannot be reached.
 */
export async function openPostgresStore(options: PostgresStoreOptions): Promise<PostgresStore> {
  const connections = await Connections.make({ schema: 'mesh', ...options });
  const own = randomUUID();
  const notices = new Notices(connections, own);
  try {
    const client = await connections.single();
    try {
      await migrate(client, connections.schema);
    } finally {
      await client.end();
    }
    await notices.open();
  } catch (error) {
    await connections.close();
    throw asMeshError(error);
  }
  return storeOn(connections, notices, own);
}

function storeOn(connections: Connections, notices: Notices, own: string): PostgresStore {
  const commits = new SharedCommits(connections, own);
  const tell: outgoing.Tell = { channel: connections.schema, from: own };
  const read = <T>(run: Operation<T>['run']): Promise<T> => commits.ask({ run });
  const write = <T>(written: NonNullable<Operation<T>['written']>, run: Operation<T>['run']): Promise<T> =>
    commits.ask({ run, written });
  /** Of a mailbox that may be new. */
  const add = <T>(mailbox: string, run: Operation<T>['run']): Promise<T> =>
    commits.ask({ run, written: { mailboxes: [mailbox] }, makes: mailbox });
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    await commits.close();
    // Were it to fail, they end by themselves.
    const leave = async (q: Queries): Promise<void> => {
      await giveLeasesBack(q, own, tell);
      await removeInstance(q, own);
    };
    await connections.use(leave, 0).catch(() => undefined);
    await notices.close();
    await connections.close();
  };
  return {
    isShared: true,
    slices: slicesIn(connections),
    id: own,
    otherInstances: () => connections.use((q) => others(q, own)),
    mailboxes: () => read((q) => mailboxKeys(q)),
    enqueue: (message, note) => add(message.mailbox, (q) => outgoing.enqueue(q, message, note, tell)),
    getOutgoing: (id) => read((q) => outgoing.getOutgoing(q, id)),
    listOutgoing: (filter, page) => read((q) => outgoing.listOutgoing(q, filter, page)),
    findByAcknowledgementReference: (mailbox, reference, limit) =>
      read((q) => outgoing.findByAcknowledgementReference(q, mailbox, reference, limit)),
    countOutgoing: (mailbox) => read((q) => outgoing.countOutgoing(q, mailbox)),
    idsToSend: (mailbox, now, limit) => read((q) => outgoing.idsToSend(q, mailbox, now, limit)),
    nextToSend: (mailbox, now, limit) => read((q) => outgoing.nextToSend(q, mailbox, now, limit)),
    nextSendTime: (mailbox) => read((q) => outgoing.nextSendTime(q, mailbox)),
    dueTracking: (mailbox, now, limit) => read((q) => outgoing.dueTracking(q, mailbox, now, limit)),
    dueOverdue: (mailbox, now, limit) => read((q) => outgoing.dueOverdue(q, mailbox, now, limit)),
    changeOutgoing: (id, from, change, note, outcomes) =>
      write({ ids: [id] }, (q) => outgoing.changeOutgoing(q, id, from, change, { note, outcomes, tell })),
    changeBatch: (transitions) =>
      write({ ids: transitions.map(({ id }) => id) }, (q) => outgoing.changeBatch(q, transitions, tell)),
    addIncoming: (message, note) => add(message.mailbox, (q) => incoming.addIncoming(q, message, note)),
    getIncoming: (mailbox, messageId) => read((q) => incoming.getIncoming(q, mailbox, messageId)),
    firstIncomingRequest: (mailbox, requestKey) => read((q) => incoming.firstIncomingRequest(q, mailbox, requestKey)),
    knownIncoming: (mailbox, messageIds) => read((q) => incoming.knownIncoming(q, mailbox, messageIds)),
    incomingSummaries: (mailbox, states, page) => read((q) => incoming.incomingSummaries(q, mailbox, states, page)),
    listIncoming: (mailbox, states, page) => read((q) => incoming.listIncoming(q, mailbox, states, page)),
    unacknowledgedIncoming: (mailbox, page) => read((q) => incoming.unacknowledgedIncoming(q, mailbox, page)),
    endLostDeliveries: async (mailbox, now) => {
      const found = await read((q) => incoming.deliverers(q, mailbox, own, now));
      const lost = found.length === 0 ? [] : await read((q) => gone(q, connections.schema, found));
      if (lost.length === 0) return [];
      return await write({ mailboxes: [mailbox] }, (q) => incoming.endDeliveriesOf(q, mailbox, lost, now));
    },
    changeIncoming: (mailbox, messageId, from, change, note) =>
      write({ mailboxes: [mailbox] }, (q) => incoming.changeIncoming(q, mailbox, messageId, from, change, note, tell)),
    note: (entry) => add(entry.mailbox, (q) => ledger.addLine(q, entry)),
    history: (mailbox, reference) => read((q) => ledger.history(q, mailbox, reference)),
    ledger: (mailbox, times, page) => read((q) => ledger.between(q, mailbox, times, page)),
    recentOutgoing: (mailbox, states, page) => read((q) => overview.recentOutgoing(q, mailbox, states, page)),
    recentIncoming: (mailbox, states, page) => read((q) => overview.recentIncoming(q, mailbox, states, page)),
    overdueOutgoing: (mailbox, page) => read((q) => overview.overdueOutgoing(q, mailbox, page)),
    attention: (mailbox, limit) => read((q) => overview.attention(q, mailbox, limit)),
    activity: (mailbox, between) => read((q) => overview.activity(q, mailbox, between)),
    closeOtherInstances: (mailbox, instance, note) =>
      write({ mailboxes: [mailbox] }, async (q) => {
        const closed = await Promise.all([
          outgoing.closeOthersOutgoing(q, mailbox, instance, note),
          incoming.closeOthersIncoming(q, mailbox, instance, note),
        ]);
        return closed[0] + closed[1];
      }),
    purge: async (now, retention) => {
      const purged = await purge(commits, now, retention);
      await removeUnnamed(connections);
      return purged;
    },
    spoolNames: () => read((q) => spoolNames(q)),
    // Beside the rest: a lease must not end because a commit takes long.
    lease: async (mailbox, role, ms) => {
      if (closing) throw closedError();
      return await connections.use(async (q) => {
        await makeMailboxes(q, [mailbox]);
        return await takeLease(q, mailbox, role, own, ms);
      });
    },
    onRemoteChange: (mailbox, listener) => notices.on(mailbox, listener),
    close: () => (closing ??= close()),
    statistics: async () => ({ ...commits.statistics }),
  };
}

/** Slice by slice, so that what comes in between is served in between. */
async function purge(commits: SharedCommits, now: number, retention: Retention): ReturnType<Store['purge']> {
  const names = new Set<string>();
  let rows = 0;
  let ledgerEntries = 0;
  for (let more = true; more;) {
    const slice = await commits.ask({ written: { all: true }, run: (q) => purgeSlice(q, now, retention) });
    slice.spoolNames.forEach((name) => names.add(name));
    rows += slice.rows;
    ledgerEntries += slice.ledgerEntries;
    more = slice.more;
  }
  return { spoolNames: [...names], rows, ledgerEntries };
}
