/** 703: a message that is not collected in five days comes back as a REPORT. 803: that reaches a person. */
import { join } from 'node:path';
import { openMailbox, openStorage, type DurableMailbox, type InboxPoller, type OutboxEvent } from '../../index';
import { NeedsPerson, type Item, type Evidence } from '../item';
import type { RunContext } from '../run-context';
import { LATER } from './refusals';

export const undeliveredReport: Item = {
  id: '703',
  title: 'An undelivered message comes back as a REPORT',
  run: async (context, evidence) => {
    const { sender, wire } = context;
    const pending = await context.pending();
    evidence.message(pending.messageId);
    if (!context.isDue(pending)) throw new NeedsPerson(LATER);
    const reportId = await reportAbout(context, pending.messageId);
    evidence.check('the sender’s inbox has a REPORT that names the message', reportId !== undefined);
    if (reportId === undefined) return;
    wire.own.add(reportId);
    evidence.message(reportId);
    const { message, bytes } = await sender.receive(reportId);
    evidence.check(
      'Mex-MessageType is REPORT, and the client does not treat it as data',
      message.messageType === 'REPORT' && bytes === 0,
    );
    evidence.check(
      'Mex-LinkedMsgID is the message’s id',
      message.linkedMessageId === pending.messageId,
      message.linkedMessageId,
    );
    evidence.check(
      'Mex-StatusCode is 14',
      message.statusCode === '14',
      `${message.statusCode} ${message.statusDescription}`,
    );
    evidence.check('the client has advice for the code', (message.advice ?? '') !== '', message.advice);
    await sender.acknowledge(reportId);
  },
};

/** Returns the id of the REPORT about a message, found by its headers alone; no other message is touched. */
async function reportAbout(context: RunContext, messageId: string): Promise<string | undefined> {
  let more: { continueFrom?: string } | undefined;
  do {
    const page = await context.list(context.sender, more);
    for (const id of page.messageIds) {
      const headers = await context.sender.head(id);
      if (headers.messageType === 'REPORT' && headers.linkedMessageId === messageId) return id;
    }
    more = page.continueFrom === undefined ? undefined : { continueFrom: page.continueFrom };
  } while (more);
  return undefined;
}

export const undeliveredHandling: Item = {
  id: '803',
  title: 'Undelivered messages are settled, reported, and kept for resending',
  run: async (context, evidence) => {
    if (!context.options.timeTravel) {
      throw new NeedsPerson(
        'Show a witness how your flow handles an undelivered message (status, Catch, mesh-track, the sidebar). The ' +
          'evidence pack of the built-in sandbox shows it after five days; attach that as well.',
      );
    }
    const [own] = context.options.mailboxes;
    if (!own) return;
    const storage = await openStorage({ folder: join(context.folder, 'state') });
    const durable = openMailbox({ ...context.options.connection, ...own, storage });
    try {
      await handled(context, evidence, durable);
    } finally {
      await durable.close();
      await storage.close();
    }
  },
};

async function handled(context: RunContext, evidence: Evidence, durable: DurableMailbox): Promise<void> {
  const events: OutboxEvent[] = [];
  durable.outbox.onEvent((event) => events.push(event));
  durable.start();
  const { message } = await durable.outbox.enqueue({
    to: context.recipient.mailboxId,
    workflowId: context.options.workflowId,
    payload: 'Conformance test: this message is left to expire as well.',
  });
  const { messageId = '' } = await durable.outbox.accepted(message.id, AbortSignal.timeout(60_000));
  evidence.message(messageId);
  context.wire.own.add(messageId);
  context.passFiveDays();
  const poller = durable.inbox({ minimumIntervalMs: 0, minFreeBytes: 0 });
  try {
    const reportId = await reportDelivered(poller);
    context.wire.own.add(reportId);
    evidence.message(reportId);
    // Returns once MESH has the acknowledgement: the inbox is empty.
    await poller.acknowledge(reportId);
  } finally {
    await poller.close();
  }
  const settled = events.find(({ event }) => event === 'undelivered')?.message;
  evidence.check('the outbox settled the message as undelivered', settled?.state === 'undelivered', settled?.state);
  evidence.check('the message has the REPORT’s code', settled?.error?.meshCode === '14', settled?.error?.meshCode);
  evidence.check(
    'the text for the service desk is ready',
    (settled?.serviceDesk ?? '').includes(messageId),
    settled?.serviceDesk,
  );
  const lines = await durable.outbox.history(message.id);
  evidence.check('the ledger has every step', lines.length > 2, `${lines.length} lines`);
}

/** Returns the id of the first REPORT that the poller delivers, as it would to a flow. */
function reportDelivered(poller: InboxPoller): Promise<string> {
  return new Promise((resolve, reject) => {
    const onTimeout = (): void => reject(new Error('No REPORT arrived within a minute.'));
    AbortSignal.timeout(60_000).addEventListener('abort', onTimeout, { once: true });
    poller.add({
      workflows: [],
      maxLeases: 10,
      intervalMs: 0,
      acknowledge: 'flow',
      deliver: async ({ kind, received }) => {
        if (kind === 'report') resolve(received.message.messageId);
      },
      parked: () => reject(new Error('The REPORT was parked.')),
      failed: reject,
    });
    poller.poll();
  });
}
