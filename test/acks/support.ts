/** Two durable mailboxes at a sandbox, each with its inbox, that send each other requests and acknowledgements. */
import type { DurableMailbox, InboxPoller, MailboxOptions, OutboxMessage, Storage } from '../../lib/index';
import type { DurableOptions } from '../../lib/index';
import type { Sandbox } from '../../lib/sandbox/index';
import { afterThisTest } from '../harness/cleanup';
import { consumer, idle, type TestConsumer } from '../harness/consumer';
import { outboxAt, storageIn, tlsSandbox, type TestOutbox } from '../harness/outboxes';
import { eventually } from '../harness/until';

export interface Party extends TestOutbox {
  readonly poller: InboxPoller;
  readonly taken: TestConsumer;
  /** Lists the inbox, and waits until everything in it is delivered. */
  collect(): Promise<void>;
  /** Enqueues, and waits until MESH has it. */
  sendOne(payload: string | Buffer, workflowId: string, options?: object): Promise<OutboxMessage>;
}

export type PartyOptions = Partial<MailboxOptions & DurableOptions> & { storage: Storage };

/** Returns the mailboxes X26ABC1 and X26ABC2, with an ODS code. */
export async function twoParties(options: Partial<DurableOptions> = {}) {
  const server = await tlsSandbox();
  const storage = await storageIn();
  const lab = party(server, { storage, ...options });
  const practice = party(server, { storage: storage, mailboxId: 'X26ABC2', ...options });
  return { server, storage, lab, practice };
}

export function party(server: Sandbox & { ca: string }, options: PartyOptions, to = otherOf(options)): Party {
  const mailbox = outboxAt(server, { odsCode: 'X26', ...options });
  mailbox.start();
  const poller = mailbox.inbox({ minimumIntervalMs: 0 });
  afterThisTest(() => poller.close());
  const taken = consumer();
  poller.add(taken);
  return Object.assign(mailbox, {
    poller,
    taken,
    async collect() {
      poller.poll();
      await idle(taken, 10_000);
    },
    async sendOne(payload: string | Buffer, workflowId: string, more: object = {}) {
      const options = { requestedAcknowledgements: 'automatic', ...more } as const;
      const { message } = await mailbox.outbox.enqueue({ to, workflowId, payload }, options);
      return mailbox.outbox.accepted(message.id);
    },
  });
}

const otherOf = ({ mailboxId }: PartyOptions): string => (mailboxId === 'X26ABC2' ? 'X26ABC1' : 'X26ABC2');

/** Waits until MESH has everything that a mailbox has to send. */
export async function sent(mailbox: DurableMailbox): Promise<void> {
  await eventually('an empty outbox', async () => {
    const waiting = await mailbox.outbox.list({ states: ['queued', 'sending', 'unknown'] });
    return waiting.length === 0;
  });
}

/** Returns the infrastructure and the business outcome of a sent message. */
export async function outcomes(mailbox: DurableMailbox, id: string): Promise<Array<string | undefined>> {
  const message = await mailbox.outbox.get(id);
  return [message?.infrastructure, message?.business];
}
