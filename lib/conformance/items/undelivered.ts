/** 703: what is not collected in five days comes back as a REPORT. 803: it reaches a person. */
import { join } from 'node:path';
import { openMailbox, openStorage, type DurableMailbox, type InboxPoller, type OutboxEvent } from '../../index';
import { NeedsPerson, type Item, type Note } from '../item';
import type { Stage } from '../stage';
import { LATER } from './refusals';

export const undeliveredReport: Item = {
  id: '703',
  title: 'An undelivered message comes back as a REPORT',
  run: async (stage, note) => {
    const { sender, wire } = stage;
    const pending = await stage.pending();
    note.message(pending.messageId);
    if (!stage.isDue(pending)) throw new NeedsPerson(LATER);
    const reportId = await reportAbout(stage, pending.messageId);
    note.check('a REPORT that names the message is in the sender’s inbox', reportId !== undefined);
    if (reportId === undefined) return;
    wire.own.add(reportId);
    note.message(reportId);
    const { message, bytes } = await sender.receive(reportId);
    note.check(
      'Mex-MessageType is REPORT, and it is not taken for data',
      message.messageType === 'REPORT' && bytes === 0,
    );
    note.check(
      'Mex-LinkedMsgID is the message’s id',
      message.linkedMessageId === pending.messageId,
      message.linkedMessageId,
    );
    note.check(
      'Mex-StatusCode is 14',
      message.statusCode === '14',
      `${message.statusCode} ${message.statusDescription}`,
    );
    note.check('the client has advice for it', (message.advice ?? '') !== '', message.advice);
    await sender.acknowledge(reportId);
  },
};

/** Headers tell which REPORT it is; no other message is touched. */
async function reportAbout(stage: Stage, messageId: string): Promise<string | undefined> {
  let more: { continueFrom?: string } | undefined;
  do {
    const page = await stage.list(stage.sender, more);
    for (const id of page.messageIds) {
      const headers = await stage.sender.head(id);
      if (headers.messageType === 'REPORT' && headers.linkedMessageId === messageId) return id;
    }
    more = page.continueFrom === undefined ? undefined : { continueFrom: page.continueFrom };
  } while (more);
  return undefined;
}

export const undeliveredHandling: Item = {
  id: '803',
  title: 'Undelivered messages are handled: settled, told, and kept to be sent again',
  run: async (stage, note) => {
    if (!stage.options.timeTravel) {
      throw new NeedsPerson(
        'Show a witness what your flow does with an undelivered message (status, Catch, mesh-track, the sidebar). The pack that ' +
          'the built-in sandbox gives shows it with five days passed; attach that one as well.',
      );
    }
    const [own] = stage.options.mailboxes;
    if (!own) return;
    const storage = await openStorage({ folder: join(stage.folder, 'state') });
    const durable = openMailbox({ ...stage.options.connection, ...own, storage });
    try {
      await handled(stage, note, durable);
    } finally {
      await durable.close();
      await storage.close();
    }
  },
};

async function handled(stage: Stage, note: Note, durable: DurableMailbox): Promise<void> {
  const told: OutboxEvent[] = [];
  durable.outbox.onEvent((event) => told.push(event));
  durable.start();
  const { message } = await durable.outbox.enqueue({
    to: stage.recipient.mailboxId,
    workflowId: stage.options.workflowId,
    payload: 'Nobody collects this one either.',
  });
  const { messageId = '' } = await durable.outbox.accepted(message.id, AbortSignal.timeout(60_000));
  note.message(messageId);
  stage.wire.own.add(messageId);
  stage.passFiveDays();
  const poller = durable.inbox({ minimumIntervalMs: 0, minFreeBytes: 0 });
  try {
    const reportId = await reportDelivered(poller);
    stage.wire.own.add(reportId);
    note.message(reportId);
    // Returns when MESH has been told: nothing is left in the inbox.
    await poller.acknowledge(reportId);
  } finally {
    await poller.close();
  }
  const settled = told.find(({ event }) => event === 'undelivered')?.message;
  note.check('the outbox has settled it as undelivered', settled?.state === 'undelivered', settled?.state);
  note.check('with the REPORT’s code', settled?.error?.meshCode === '14', settled?.error?.meshCode);
  note.check(
    'its text for the service desk is ready',
    (settled?.serviceDesk ?? '').includes(messageId),
    settled?.serviceDesk,
  );
  const lines = await durable.outbox.history(message.id);
  note.check('every step is in the ledger', lines.length > 2, `${lines.length} lines`);
}

/** The id of the first REPORT that the poller hands over, as it hands one to a flow. */
function reportDelivered(poller: InboxPoller): Promise<string> {
  return new Promise((resolve, reject) => {
    const late = (): void => reject(new Error('No REPORT came in a minute.'));
    AbortSignal.timeout(60_000).addEventListener('abort', late, { once: true });
    poller.add({
      workflows: [],
      maxInFlight: 10,
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
