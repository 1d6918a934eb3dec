/**
 * Runs a file flow on the sandbox: sends its requests, lets the service answer, and lets the days pass after which
 * silence is raised. Real store, real TLS, the library as a program uses it; only the clocks jump.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openMailbox, openStorage, type Delivery, type OutboxEvent, type OutboxMessage } from '../../../lib/index';
import { startSandbox } from '../../../lib/sandbox';
import { steppedClock } from '../clocks';
import { FILE_FLOWS, LATE_MS } from './cases';

/** How far the mailbox's clock jumps at a time; deadlines are looked at in between. */
const JUMP_MS = 4 * 60 * 60 * 1000;
/** After the longest time that a profile gives a reply: a working day, over a weekend. */
const LONGEST_MS = 4 * 24 * 60 * 60 * 1000;

/** What became of the requests of one flow: numbers of requests, but for `duplicates`, a number of replies. */
export interface FlowResult {
  flow: string;
  requests: number;
  /** Every reply that has to come came. */
  settled: number;
  /** Refused, as a whole or in part. */
  negative: number;
  /** A reply never came, and this was raised at its time. */
  missing: number;
  /** A reply came after its time, which had been raised. */
  late: number;
  /** Replies that came again, and changed nothing. */
  duplicates: number;
}

/**
 * Runs one flow. `say` is told what happens, a line at a time.
 * @throws Error when what should have come within a minute of real time did not
 */
export async function runFlow(name: string, say: (line: string) => void = () => undefined): Promise<FlowResult> {
  const flow = FILE_FLOWS[name];
  if (flow === undefined) throw new Error(`No flow ${name}: ${Object.keys(FILE_FLOWS).join(', ')}, or all.`);
  const folder = await mkdtemp(join(tmpdir(), 'mesh-flow-'));
  const sandbox = await startSandbox({ nationalServices: true, strict: true });
  const storage = await openStorage({ folder });
  const clock = steppedClock();
  const mailbox = openMailbox({
    environment: sandbox.url,
    mailboxId: 'X26ABC1',
    password: 'password',
    sharedKey: sandbox.sharedKey,
    odsCode: 'X26',
    ...(sandbox.ca === undefined ? {} : { tls: { ca: sandbox.ca } }),
    clock,
    storage,
  });
  const poller = mailbox.inbox({ minimumIntervalMs: 0 });
  const events: OutboxEvent[] = [];
  const replies: Delivery[] = [];
  let isPolling = false;
  mailbox.outbox.onEvent((event) => events.push(event));
  poller.add({
    workflows: [],
    maxLeases: 100,
    intervalMs: 0,
    acknowledge: 'after-delivery',
    async deliver(delivery) {
      replies.push(delivery);
    },
    parked: () => undefined,
    failed: (error) => say(`  ${error.message}`),
    changed: ({ polling }) => (isPolling = polling),
  });
  const collect = async (): Promise<void> => {
    poller.poll();
    await sleep(20);
    await until('the poll to end', () => !isPolling);
  };
  /** Lets time pass for the mailbox. The sandbox's clock stays: tokens are of the machine's time. */
  const jump = async (): Promise<void> => {
    clock.advance(JUMP_MS);
    await clock.settled();
  };
  mailbox.start();
  try {
    say(`${flow.about}:`);
    const result: FlowResult = { flow: name, requests: 0, settled: 0, negative: 0, missing: 0, late: 0, duplicates: 0 };
    for (const [index, { what, request, settings = {} }] of flow.cases.entries()) {
      sandbox.setService(flow.service, settings);
      const taken = sandbox.serviceNotes().length;
      const { message } = await mailbox.outbox.enqueue(request(index + 1), { requestedAcknowledgements: 'automatic' });
      await mailbox.outbox.accepted(message.id);
      await until('the service to take the request', () => sandbox.serviceNotes().length > taken);
      sandbox.clock.pass(10_000);
      await collect();
      for (let passed = 0; isAwaited(await mailbox.outbox.get(message.id)) && passed < LONGEST_MS; passed += JUMP_MS) {
        await jump();
      }
      const wasRaised = events.some((each) => each.event === 'overdue' && each.message.id === message.id);
      if (what === 'late') {
        sandbox.clock.pass(LATE_MS + 60_000);
        await collect();
      }
      const after = await mailbox.outbox.get(message.id);
      const outcomes = [after?.business, after?.infrastructure, after?.replies].filter((each) => each !== 'not-asked');
      const isMissing = outcomes.includes('overdue');
      const isNegative = outcomes.some((each) => each === 'negative' || each === 'partial');
      result.requests += 1;
      if (isMissing) result.missing += 1;
      else result.settled += 1;
      if (isNegative) result.negative += 1;
      if (wasRaised && !isMissing) result.late += 1;
      const stages = (after?.stages ?? []).map((stage) => `${stage.name} ${stage.outcome}`);
      say(`  ${what.padEnd(9)} ${stages.length > 0 ? stages.join(', ') : outcomes.join(', ')}`);
    }
    result.duplicates = replies.filter(isRepeated).length;
    return result;
  } finally {
    await mailbox.close();
    await storage.close();
    await sandbox.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Whether a reply says again what its request was told before. */
function isRepeated({ reply, acknowledgement, received }: Delivery, index: number, all: readonly Delivery[]): boolean {
  if (reply) return reply.isDuplicate === true;
  const settled = acknowledgement?.sentId;
  return all.slice(0, index).some((other) => {
    const isSame = other.acknowledgement?.sentId === settled;
    return settled !== undefined && isSame && other.received.message.workflowId === received.message.workflowId;
  });
}

const isAwaited = (message: OutboxMessage | undefined): boolean =>
  [message?.business, message?.infrastructure, ...(message?.stages ?? []).map(({ outcome }) => outcome)].includes(
    'awaited',
  );

/** Waits in real time. */
async function until(what: string, isSo: () => boolean): Promise<void> {
  for (let tries = 0; !isSo(); tries += 1) {
    if (tries > 6000) throw new Error(`Waited a minute for ${what}.`);
    await sleep(10);
  }
}
