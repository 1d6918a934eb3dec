/** The store's operations, each a plain function on the open database. They run in the worker, within a transaction. */
import type {
  KnownChange,
  IncomingChange,
  IncomingState,
  LedgerEntry,
  LedgerNote,
  NewIncoming,
  NewOutgoing,
  OutcomeCondition,
  OutgoingChange,
  OutgoingFilter,
  OutgoingState,
  OutgoingTransition,
  Page,
  RecentPage,
  ReplacedOutgoing,
  Retention,
  SendingProgress,
  SpoolFolder,
} from '../store';
import type { CommitStatistics } from '../rules/batches';
import * as identity from './identity';
import { IncomingTable } from './incoming';
import { Ledger } from './ledger';
import type { Mailboxes } from './mailboxes';
import { OutgoingTable } from './outgoing';
import { OverviewTables } from './overview';
import { Purge } from './retention';
import type { Statements } from './statements';

export type Operations = ReturnType<typeof operations>;
export type OperationName = keyof Operations;

/** Operations that change nothing: their transaction does not wait for the disk. */
export const READS: ReadonlySet<OperationName> = new Set<OperationName>([
  'mailboxes',
  'getOutgoing',
  'listOutgoing',
  'findByAcknowledgementReference',
  'findByReplyKeys',
  'countOutgoing',
  'nextToSend',
  'idsToSend',
  'nextSendTime',
  'dueTracking',
  'dueOverdue',
  'sendingProgress',
  'generation',
  'getIncoming',
  'firstIncomingRequest',
  'knownIncoming',
  'incomingSummaries',
  'listIncoming',
  'unacknowledgedIncoming',
  'recentOutgoing',
  'recentIncoming',
  'overdueOutgoing',
  'attention',
  'parkedBytes',
  'activity',
  'history',
  'ledger',
  'conditionEvents',
  'spoolNames',
  'identity',
  'spoolKey',
  'trustedTime',
  'spoolFolders',
  'statistics',
  'queryPlans',
]);

export function operations(statements: Statements, mailboxes: Mailboxes, statistics: CommitStatistics) {
  const ledger = new Ledger(statements, mailboxes);
  const outgoing = new OutgoingTable(statements, mailboxes, ledger);
  const incoming = new IncomingTable(statements, mailboxes, ledger);
  const purge = new Purge(statements, mailboxes);
  const overview = new OverviewTables(statements, mailboxes);
  return {
    mailboxes: () => mailboxes.keys(),
    enqueue: (message: NewOutgoing, note: LedgerNote, also?: Omit<LedgerEntry, 'sequence' | 'mailbox'>) =>
      outgoing.enqueue(message, note, also),
    replaceOutgoing: (replaced: ReplacedOutgoing, message: NewOutgoing, note: LedgerNote) =>
      outgoing.replace(replaced, message, note),
    getOutgoing: (id: string) => outgoing.get(id),
    listOutgoing: (filter: OutgoingFilter, page: Page) => outgoing.list(filter, page),
    findByAcknowledgementReference: (mailbox: string, acknowledgementReference: string, limit: number) =>
      outgoing.findByAcknowledgementReference(mailbox, acknowledgementReference, limit),
    findByReplyKeys: (mailbox: string, keys: readonly string[], limit: number) =>
      outgoing.findByReplyKeys(mailbox, keys, limit),
    countOutgoing: (mailbox: string) => outgoing.count(mailbox),
    nextToSend: (mailbox: string, now: number, limit: number) => outgoing.nextToSend(mailbox, now, limit),
    idsToSend: (mailbox: string, now: number, limit: number) => outgoing.idsToSend(mailbox, now, limit),
    nextSendTime: (mailbox: string, now: number) => outgoing.nextSendTime(mailbox, now),
    dueTracking: (mailbox: string, now: number, limit: number) => outgoing.dueTracking(mailbox, now, limit),
    dueOverdue: (mailbox: string, now: number, limit: number) => outgoing.dueOverdue(mailbox, now, limit),
    changeOutgoing: (
      id: string,
      from: readonly OutgoingState[],
      change: OutgoingChange,
      note?: LedgerNote,
      outcomes?: OutcomeCondition,
    ) => outgoing.change(id, from, change, note, outcomes),
    changeBatch: (transitions: readonly OutgoingTransition[], progress?: SendingProgress & { mailbox: string }) =>
      outgoing.changeBatch(transitions, progress),
    sendingProgress: (mailbox: string) => outgoing.sendingProgress(mailbox),
    addWithoutPayload: (message: Omit<NewOutgoing, 'payload'>, change: KnownChange, note: LedgerNote) =>
      outgoing.addWithoutPayload(message, change, note),
    generation: () => identity.generation(statements),
    addIncoming: (message: NewIncoming, note: LedgerNote) => incoming.add(message, note),
    getIncoming: (mailbox: string, messageId: string) => incoming.get(mailbox, messageId),
    firstIncomingRequest: (mailbox: string, requestKey: string) => incoming.firstRequest(mailbox, requestKey),
    knownIncoming: (mailbox: string, messageIds: readonly string[]) => incoming.known(mailbox, messageIds),
    incomingSummaries: (mailbox: string, states: readonly IncomingState[], page: Page) =>
      incoming.summaries(mailbox, states, page),
    listIncoming: (mailbox: string, states: readonly IncomingState[], page: Page) =>
      incoming.list(mailbox, states, page),
    unacknowledgedIncoming: (mailbox: string, page: Page) => incoming.unacknowledged(mailbox, page),
    changeIncoming: (
      mailbox: string,
      messageId: string,
      from: readonly IncomingState[],
      change: IncomingChange,
      ...notes: LedgerNote[]
    ) => incoming.change(mailbox, messageId, from, change, notes),
    note: (entry: Omit<LedgerEntry, 'sequence'>) => ledger.note(entry),
    history: (mailbox: string, reference: string) => ledger.history(mailbox, reference),
    conditionEvents: (mailbox: string, since: number) => ledger.conditionEvents(mailbox, since),
    ledger: (mailbox: string, between: { from: number; to: number }, page: Page) =>
      ledger.between(mailbox, between.from, between.to, page),
    recentOutgoing: (mailbox: string, states: readonly OutgoingState[], page: RecentPage) =>
      overview.recentOutgoing(mailbox, states, page),
    recentIncoming: (mailbox: string, states: readonly IncomingState[], page: RecentPage) =>
      overview.recentIncoming(mailbox, states, page),
    overdueOutgoing: (mailbox: string, page: RecentPage) => overview.overdueOutgoing(mailbox, page),
    parkedBytes: (mailbox: string) => overview.parkedBytes(mailbox),
    attention: (mailbox: string, limit: number) => overview.attention(mailbox, limit),
    activity: (mailbox: string, between: { from: number; to: number }) => overview.activity(mailbox, between),
    closeOtherInstances: (mailboxKey: string, instance: string, note: LedgerNote) => {
      const mailbox = mailboxes.find(mailboxKey);
      if (mailbox === undefined) return 0;
      return (
        outgoing.closeOtherInstances(mailbox, instance, note) + incoming.closeOtherInstances(mailbox, instance, note)
      );
    },
    purgeSlice: (now: number, retention: Retention) => purge.slice(now, retention),
    spoolNames: () => purge.spoolNames(),
    identity: () => identity.storeId(statements),
    spoolKey: () => identity.spoolKey(statements),
    trustedTime: () => identity.trustedTime(statements),
    trustTime: (time: number, isConfirmed: boolean) => identity.trustTime(statements, time, isConfirmed),
    addSpoolFolder: (folder: SpoolFolder) => identity.addSpoolFolder(statements, folder),
    spoolFolders: () => identity.spoolFolders(statements),
    statistics: () => ({ ...statistics }),
    queryPlans: () => statements.plans(),
  };
}
