/**
 * The process that the requests test kills: a mailbox with a real store that does what its parent says over IPC, and
 * tells it what its flow would be told. Arguments: folder, URL, CA file, and by how much its clock is ahead (ms).
 */
import { readFileSync } from 'node:fs';
import { setMachine } from '../../lib/clock';
import { openMailbox, openStorage, type LedgerEntry, type OutboxMessage, type OutgoingMessage } from '../../lib/index';
import { steppedClock } from '../harness/clocks';

/** What the parent asks for; each is answered with a {@link Reply} of its number. */
export type Order = { n: number } & (
  | { do: 'enqueue'; onceKey: string; request: OutgoingMessage }
  | { do: 'advance'; ms: number }
  | { do: 'poll' }
  | { do: 'state'; id: string }
);

/** A reply as the flow was given it. */
export interface GivenReply {
  messageId: string;
  deliveryCount: number;
  /** The outbox's ids of the requests that it has settled, or is about. */
  requests: string[];
  stage: string;
  isDuplicate: boolean;
  problem?: string;
}

/** A message as the mailbox knows it at the end. */
export interface KnownRequest {
  message: OutboxMessage;
  history: LedgerEntry[];
}

/** What the child sends. */
export type Told =
  | { kind: 'ready' }
  | { kind: 'answer'; n: number; result?: unknown; error?: string }
  /** To be confirmed by its number: the flow is done with it then. */
  | { kind: 'given'; n: number; reply: GivenReply }
  | { kind: 'overdue'; messageId: string; stage: string; at: number };

const NEVER = new AbortController().signal;

async function main([folder = '', url = '', ca = '', ahead = '0']: string[]): Promise<void> {
  const clock = steppedClock();
  clock.advance(Number(ahead));
  // The whole process has this clock, also the tokens and the store. What limits a request counts by the real one.
  setMachine({
    now: () => clock.now(),
    steady: () => clock.steady(),
    sleep: (ms, signal = NEVER) => clock.sleep(ms, signal),
    after(ms, callback, ref) {
      const timer = setTimeout(callback, ms);
      if (!ref) timer.unref();
      return () => clearTimeout(timer);
    },
  });
  const storage = await openStorage({ folder });
  const mailbox = openMailbox({
    environment: url,
    mailboxId: 'X26ABC1',
    password: 'password',
    sharedKey: 'TestKey',
    odsCode: 'X26',
    tls: { ca: readFileSync(ca) },
    storage,
  });
  const tell = (told: Told): void => void process.send?.(told);
  mailbox.outbox.onEvent(({ event, message, overdue, reply }) => {
    if (event !== 'overdue' || overdue === 'collection') return;
    tell({
      kind: 'overdue',
      messageId: message.messageId ?? '',
      stage: reply?.stage ?? overdue ?? '',
      at: clock.now(),
    });
  });
  const confirmations = new Map<number, () => void>();
  let given = 0;
  const inbox = mailbox.inbox({ minimumIntervalMs: 0 });
  inbox.add({
    workflows: [],
    maxLeases: 100,
    intervalMs: 0,
    acknowledge: 'after-delivery',
    deliver: ({ received, reply, acknowledgement, deliveryCount }) =>
      new Promise((resolve) => {
        given += 1;
        confirmations.set(given, resolve);
        const named = [reply ?? acknowledgement, ...(reply?.further ?? acknowledgement?.further ?? [])];
        tell({
          kind: 'given',
          n: given,
          reply: {
            messageId: received.message.messageId,
            deliveryCount,
            requests: named.flatMap((each) => each?.sentId ?? []),
            stage: reply?.stage ?? acknowledgement?.level ?? '',
            isDuplicate: reply?.isDuplicate === true,
            ...(reply?.problem === undefined ? {} : { problem: reply.problem }),
          },
        });
      }),
    parked: () => undefined,
    failed: () => undefined,
  });
  const obey = async (order: Order): Promise<unknown> => {
    switch (order.do) {
      case 'enqueue': {
        const options = { onceKey: order.onceKey, requestedAcknowledgements: 'automatic' } as const;
        return (await mailbox.outbox.enqueue(order.request, options)).message.id;
      }
      case 'advance':
        clock.advance(order.ms);
        return clock.settled();
      case 'poll':
        inbox.poll();
        return undefined;
      case 'state': {
        const message = await mailbox.outbox.get(order.id);
        return { message, history: await mailbox.outbox.history(order.id) };
      }
    }
  };
  process.on('message', (order: Order | { confirmed: number }) => {
    if ('confirmed' in order) return confirmations.get(order.confirmed)?.();
    void obey(order).then(
      (result) => tell({ kind: 'answer', n: order.n, result }),
      (error: unknown) => tell({ kind: 'answer', n: order.n, error: String(error) }),
    );
  });
  mailbox.start();
  tell({ kind: 'ready' });
}

void main(process.argv.slice(2));
