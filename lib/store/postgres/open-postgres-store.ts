/** The PostgreSQL back end: for several Node-REDs that share their mailboxes. */
import { randomUUID } from 'node:crypto';
import type { CommitStatistics } from '../rules/batches';
import { closedError } from '../rules/errors';
import { requireExpectedStore, type RequiredStore } from '../rules/known-store';
import { purgeAll } from '../rules/retention';
import type { Store } from '../store';
import { type ConnectionOptions, Connections } from './connections';
import { asMeshError } from './failures';
import * as identity from './identity';
import * as incoming from './incoming';
import { lostInstances, otherInstances, removeInstance } from './instances';
import { releaseLeases, takeLease } from './leases';
import * as ledger from './ledger';
import { mailboxKeys, makeMailboxes } from './mailboxes';
import { Notifications, type Notify } from './notifications';
import * as outgoing from './outgoing';
import * as overview from './overview';
import { queriesOn, type Queries } from './queries';
import { purgeSlice, spoolNames } from './retention';
import { type Operation, SharedCommits } from './shared-commits';
import { removeUnnamed, slicesIn } from './slices';
import { makeSchema, placeOf } from './version';

type PostgresStoreOptions = Omit<ConnectionOptions, 'schema'> &
  Partial<Pick<ConnectionOptions, 'schema'>> &
  Pick<RequiredStore, 'expected'>;

/** The store, with what tests and the bench ask of it. */
export interface PostgresStore extends Store {
  statistics(): Promise<CommitStatistics>;
}

/**
 * Opens the store of a database (PostgreSQL 13 or newer); makes it if the schema is not there. Any number of processes
 * may have it open.
 * @throws ConfigurationError when the URL cannot work, the database refuses the user, or the store is of another
 *   version; StorageError when the database cannot be reached, or the expected store is not there
 */
export async function openPostgresStore({ expected, ...options }: PostgresStoreOptions): Promise<PostgresStore> {
  const connections = await Connections.make({ schema: 'mesh', ...options });
  const own = randomUUID();
  const notifications = new Notifications(connections, own);
  try {
    await connections.requireOwnSessions();
    const client = await connections.single();
    try {
      const { schema } = connections;
      await makeSchema(client, schema, { expected });
      const id = await identity.storeIdentity(queriesOn(client));
      requireExpectedStore(id, await placeOf(client, schema), { expected });
    } finally {
      await client.end();
    }
    await notifications.open();
  } catch (error) {
    await connections.close();
    throw asMeshError(error);
  }
  return storeOn(connections, notifications, own);
}

function storeOn(connections: Connections, notifications: Notifications, own: string): PostgresStore {
  const commits = new SharedCommits(connections, own);
  const notify: Notify = { channel: connections.schema, from: own };
  const read = <T>(run: Operation<T>['run']): Promise<T> => commits.run({ run });
  const write = <T>(written: NonNullable<Operation<T>['written']>, run: Operation<T>['run']): Promise<T> =>
    commits.run({ run, written });
  /** Writes to a mailbox that may be new. */
  const add = <T>(mailbox: string, run: Operation<T>['run']): Promise<T> =>
    commits.run({ run, written: { mailboxes: [mailbox] }, makes: mailbox });
  // One function for all calls: by it their neighbours are known.
  const enqueueAll = (q: Queries, items: readonly outgoing.Enqueued[]) => outgoing.enqueueAll(q, items, notify);
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    await commits.close();
    // If this fails, leases and presence end by themselves.
    const leave = async (q: Queries): Promise<void> => {
      await releaseLeases(q, own, notify);
      await removeInstance(q, own);
    };
    await connections.use(leave, 0).catch(() => undefined);
    await notifications.close();
    await connections.close();
  };
  return {
    isShared: true,
    slices: slicesIn(connections),
    id: own,
    otherInstances: () => connections.use((q) => otherInstances(q, own)),
    mailboxes: () => read((q) => mailboxKeys(q)),
    enqueue: (message, note, also) =>
      commits.runShared({
        runAll: enqueueAll,
        item: { message, note, also },
        written: { mailboxes: [message.mailbox] },
        makes: message.mailbox,
      }),
    replaceOutgoing: (replaced, message, note) =>
      add(message.mailbox, (q) => outgoing.replaceOutgoing(q, replaced, message, note, notify)),
    getOutgoing: (id) => read((q) => outgoing.getOutgoing(q, id)),
    listOutgoing: (filter, page) => read((q) => outgoing.listOutgoing(q, filter, page)),
    findByAcknowledgementReference: (mailbox, reference, limit) =>
      read((q) => outgoing.findByAcknowledgementReference(q, mailbox, reference, limit)),
    findByReplyKeys: (mailbox, keys, limit) => read((q) => outgoing.findByReplyKeys(q, mailbox, keys, limit)),
    countOutgoing: (mailbox) => read((q) => outgoing.countOutgoing(q, mailbox)),
    idsToSend: (mailbox, now, limit) => read((q) => outgoing.idsToSend(q, mailbox, now, limit)),
    nextToSend: (mailbox, now, limit) => read((q) => outgoing.nextToSend(q, mailbox, now, limit)),
    nextSendTime: (mailbox, now) => read((q) => outgoing.nextSendTime(q, mailbox, now)),
    dueTracking: (mailbox, now, limit) => read((q) => outgoing.dueTracking(q, mailbox, now, limit)),
    dueOverdue: (mailbox, now, limit) => read((q) => outgoing.dueOverdue(q, mailbox, now, limit)),
    changeOutgoing: (id, from, change, note, outcomes) =>
      write({ ids: [id] }, (q) => outgoing.changeOutgoing(q, id, from, change, { note, outcomes, notify })),
    changeBatch: (transitions, progress) =>
      commits.run({
        run: (q) => outgoing.changeBatch(q, transitions, notify, progress),
        written: { ids: transitions.map(({ id }) => id), mailboxes: progress ? [progress.mailbox] : [] },
        ...(progress && { makes: progress.mailbox }),
      }),
    sendingProgress: (mailbox) => read((q) => outgoing.sendingProgress(q, mailbox)),
    addWithoutPayload: (message, change, note) =>
      add(message.mailbox, (q) => outgoing.addWithoutPayload(q, message, change, note, notify)),
    generation: () => read((q) => identity.generation(q)),
    addIncoming: (message, note) => add(message.mailbox, (q) => incoming.addIncoming(q, message, note)),
    getIncoming: (mailbox, messageId) => read((q) => incoming.getIncoming(q, mailbox, messageId)),
    firstIncomingRequest: (mailbox, requestKey) => read((q) => incoming.firstIncomingRequest(q, mailbox, requestKey)),
    knownIncoming: (mailbox, messageIds) => read((q) => incoming.knownIncoming(q, mailbox, messageIds)),
    incomingSummaries: (mailbox, states, page) => read((q) => incoming.incomingSummaries(q, mailbox, states, page)),
    listIncoming: (mailbox, states, page) => read((q) => incoming.listIncoming(q, mailbox, states, page)),
    unacknowledgedIncoming: (mailbox, page) => read((q) => incoming.unacknowledgedIncoming(q, mailbox, page)),
    endLostDeliveries: async (mailbox, now) => {
      const found = await read((q) => incoming.deliverers(q, mailbox, own, now));
      const lost = found.length === 0 ? [] : await read((q) => lostInstances(q, connections.schema, found));
      if (lost.length === 0) return [];
      return await write({ mailboxes: [mailbox] }, (q) => incoming.endDeliveriesOf(q, mailbox, lost, now));
    },
    changeIncoming: (mailbox, messageId, from, change, ...notes) =>
      write({ mailboxes: [mailbox] }, (q) =>
        incoming.changeIncoming(q, mailbox, messageId, from, change, notes, notify),
      ),
    note: (entry) => add(entry.mailbox, (q) => ledger.addLine(q, entry)),
    history: (mailbox, reference) => read((q) => ledger.history(q, mailbox, reference)),
    conditionEvents: (mailbox, since) => read((q) => ledger.conditionEvents(q, mailbox, since)),
    ledger: (mailbox, times, page) => read((q) => ledger.between(q, mailbox, times, page)),
    recentOutgoing: (mailbox, states, page) => read((q) => overview.recentOutgoing(q, mailbox, states, page)),
    recentIncoming: (mailbox, states, page) => read((q) => overview.recentIncoming(q, mailbox, states, page)),
    overdueOutgoing: (mailbox, page) => read((q) => overview.overdueOutgoing(q, mailbox, page)),
    attention: (mailbox, limit) => read((q) => overview.attention(q, mailbox, limit)),
    parkedBytes: (mailbox) => read((q) => overview.parkedBytes(q, mailbox)),
    activity: (mailbox, between) => read((q) => overview.activity(q, mailbox, between)),
    closeOtherInstances: (mailbox, instance, note) =>
      write({ mailboxes: [mailbox] }, async (q) => {
        const closed = await Promise.all([
          outgoing.closeSentToOther(q, mailbox, instance, note),
          incoming.closeReceivedFromOther(q, mailbox, instance, note),
        ]);
        return closed[0] + closed[1];
      }),
    purge: async (now, retention) => {
      const purged = await purgeAll(() => write({ all: true }, (q) => purgeSlice(q, now, retention)));
      await removeUnnamed(connections, now);
      return purged;
    },
    spoolNames: () => read((q) => spoolNames(q)),
    identity: () => read((q) => identity.storeIdentity(q)),
    spoolKey: () => read((q) => identity.spoolKey(q)),
    trustedTime: () => read((q) => identity.trustedTime(q)),
    trustTime: (time, isConfirmed) => connections.use((q) => identity.trustTime(q, time, isConfirmed)),
    addSpoolFolder: (folder) => connections.use((q) => identity.addSpoolFolder(q, folder)),
    spoolFolders: () => read((q) => identity.spoolFolders(q)),
    // Not in a shared commit: a lease must not end because a commit takes long.
    lease: async (mailbox, role, ms) => {
      if (closing) throw closedError();
      return await connections.use(async (q) => {
        await makeMailboxes(q, [mailbox]);
        return await takeLease(q, mailbox, role, own, ms);
      });
    },
    onRemoteChange: (mailbox, listener) => notifications.on(mailbox, listener),
    close: () => (closing ??= close()),
    statistics: async () => ({ ...commits.statistics }),
  };
}
