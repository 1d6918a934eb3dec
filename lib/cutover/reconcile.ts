/**
 * The reconciliation of a month: source = accepted + named exceptions, accepted = collected + named exceptions, accepted
 * = answered + named exceptions. What the source says and nobody knows is unexplained, and there must be none.
 */
import { SENT_STATES } from '../message-states';
import { isHandedBack } from '../send/handed-back';
import type { Outcome, Outgoing, Store } from '../store/store';
import { clientMessages } from './client-folder';

export interface Reconciliation {
  /** Messages of the source. */
  source: number;
  /** MESH has them. */
  accepted: number;
  collected: number;
  answered: number;
  /** Why messages are not accepted, collected or answered, and how many for each reason. */
  notAccepted: Record<string, number>;
  notCollected: Record<string, number>;
  notAnswered: Record<string, number>;
  /** Local ids that nobody knows. */
  unexplained: string[];
  /** Local ids that more than one message was accepted under. */
  twice: string[];
}

/** What the client's folders say of a message. */
type AtClient = 'accepted by the client' | 'refused by MESH when the client sent it' | 'waiting in the client’s out';

const ANSWERS: ReadonlySet<Outcome> = new Set(['positive', 'partial', 'negative']);

/**
 * Accounts for every message of the source.
 * @param source the local ids that the source says it has sent, each of one message
 * @param root the mailbox's folder of the client; undefined if there is none any more
 * @throws StorageError
 */
export async function reconcile(
  { store, mailbox }: { store: Store; mailbox: string },
  source: readonly string[],
  root: string | undefined,
): Promise<Reconciliation> {
  const rows = await rowsByLocalId(store, mailbox);
  const client = root === undefined ? new Map<string, AtClient>() : await atClient(root);
  const result: Reconciliation = {
    source: source.length,
    accepted: 0,
    collected: 0,
    answered: 0,
    notAccepted: {},
    notCollected: {},
    notAnswered: {},
    unexplained: [],
    twice: [],
  };
  for (const localId of source) {
    const own = rows.get(localId) ?? [];
    const accepted = own.filter(({ state }) => SENT_STATES[state].accepted);
    const there = client.get(localId);
    const [row] = accepted;
    // One that the client has sent and that was adopted is one message, known from both sides.
    const times = accepted.length + (there === 'accepted by the client' && !accepted.some(isAdopted) ? 1 : 0);
    if (times > 1) result.twice.push(localId);
    if (row) account(row, result);
    else if (there === 'accepted by the client') {
      result.accepted += 1;
      count(result.notCollected, NOT_ADOPTED);
      count(result.notAnswered, NOT_ADOPTED);
    } else if (there !== undefined) count(result.notAccepted, there);
    else {
      const open = own.find((each) => !isHandedBack(each));
      if (open) count(result.notAccepted, SENT_STATES[open.state].label);
      else if (own.length > 0) count(result.notAccepted, 'handed back, and no longer in the client’s out');
      else result.unexplained.push(localId);
    }
  }
  return result;
}

/** Counts a message that MESH has accepted. */
function account(row: Outgoing, result: Reconciliation): void {
  result.accepted += 1;
  const { state, business, infrastructure, replies } = row;
  const outcomes = [business, infrastructure, replies];
  if (outcomes.some((each) => ANSWERS.has(each))) result.answered += 1;
  else if (outcomes.includes('overdue')) count(result.notAnswered, 'overdue');
  else if (outcomes.includes('awaited')) count(result.notAnswered, 'not there yet');
  else count(result.notAnswered, 'none asked for');
  if (state === 'acknowledged') result.collected += 1;
  else count(result.notCollected, state === 'accepted' ? 'not yet' : SENT_STATES[state].label);
}

const NOT_ADOPTED = 'sent by the client, and not adopted';

function count(reasons: Record<string, number>, reason: string): void {
  reasons[reason] = (reasons[reason] ?? 0) + 1;
}

const isAdopted = ({ envelope }: Outgoing): boolean => envelope['sentElsewhere'] === true;

async function rowsByLocalId(store: Store, mailbox: string): Promise<Map<string, Outgoing[]>> {
  const rows: Outgoing[] = [];
  for (let after = '', more = true; more;) {
    const page = await store.listOutgoing({ mailbox }, { limit: 500, after });
    rows.push(...page);
    more = page.length === 500;
    after = page.at(-1)?.id ?? after;
  }
  return Map.groupBy(rows, ({ localId }) => localId);
}

async function atClient(root: string): Promise<Map<string, AtClient>> {
  const found = new Map<string, AtClient>();
  const folders = [
    ['out', 'waiting in the client’s out'],
    ['failed', 'refused by MESH when the client sent it'],
    ['sent', 'accepted by the client'],
  ] as const;
  for (const [folder, what] of folders) {
    const { messages } = await clientMessages(root, folder);
    for (const { control } of messages) if (control['LocalId']) found.set(control['LocalId'], what);
  }
  return found;
}
