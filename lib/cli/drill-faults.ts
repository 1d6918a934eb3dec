/**
 * The twelve faults of the on-call drill (docs/papers/on-call-drill.md). Each is a real one at the wire, the inbox or the
 * process, as the on-call colleague will meet it; nothing in Node-RED knows of the drill.
 */
import type { Sandbox, SandboxFaultEffect } from '../sandbox/types';

/** One fault. */
export interface DrillFault {
  /** What the person who leads the drill reads; the colleague does not see it. */
  title: string;
  /** What the colleague should find, and do; for the sheet. */
  expected: string;
  /** @throws Error when it cannot be injected, with the reason */
  inject(drill: Drill): Promise<void> | void;
}

/** What a fault acts on. */
export interface Drill {
  sandbox: Sandbox;
  /** The mailbox of the flow under drill. */
  mailboxId: string;
  /** The process of Node-RED, if it is known. */
  pid: number | undefined;
}

const PARTNER = 'X26ABC2';
const WORKFLOW = 'TEST_WORKFLOW';
const FIVE_DAYS_MS = 5 * 24 * 60 * 60 * 1000 + 60_000;
const THREE_HOURS_MS = 3 * 60 * 60 * 1000;
/** As many as a busy hour brings at once. */
const FLOOD = 500;

const always = (sandbox: Sandbox, effect: SandboxFaultEffect): void =>
  sandbox.fault({ operation: '*', times: Infinity, effect });
const nextSend = (sandbox: Sandbox, effect: SandboxFaultEffect): void =>
  sandbox.fault({ operation: 'send_message', effect });
const arrives = ({ sandbox, mailboxId }: Drill, workflowId: string, text: string): Promise<string> =>
  sandbox.deliver({ from: PARTNER, to: mailboxId, workflowId, body: Buffer.from(text) });

/** In the order of the sheet; a fault's number is its place, from 1. */
export const DRILL_FAULTS: readonly DrillFault[] = [
  {
    title: 'MESH answers every request with 503',
    expected: 'An outage of MESH. Nothing to do: messages wait. Watch the age of the oldest.',
    inject: ({ sandbox }) => always(sandbox, { kind: 'status', status: 503 }),
  },
  {
    title: 'The network breaks every connection',
    expected: 'nhs-mesh check or Test connection names the step; call the network team.',
    inject: ({ sandbox }) => always(sandbox, { kind: 'drop', when: 'before' }),
  },
  {
    title: 'MESH refuses the mailbox (403)',
    expected: 'Password, shared key or certificate. Sending is paused; correct the setting, then handshake.',
    inject: ({ sandbox }) => always(sandbox, { kind: 'status', status: 403 }),
  },
  {
    title: 'The response to the next message is lost, and MESH has the message',
    expected: 'Nothing: it is looked up and accepted. It must not be resent.',
    inject: ({ sandbox }) => nextSend(sandbox, { kind: 'drop', when: 'after' }),
  },
  {
    title: 'The response to the next message is lost, and MESH does not have the message',
    expected: 'Unknown, then needs a decision after 40 minutes. Ask the recipient; resend or drop.',
    inject: ({ sandbox }) => nextSend(sandbox, { kind: 'drop', when: 'before' }),
  },
  {
    title: 'The recipient does not collect for five days',
    expected: 'Undelivered, with the service desk’s text. Call the recipient; resend.',
    inject: ({ sandbox }) => sandbox.clock.pass(FIVE_DAYS_MS),
  },
  {
    title: 'MESH refuses the next message: no such recipient',
    expected: 'Rejected (417, code 12). Look the mailbox up; correct the route; send anew.',
    inject: ({ sandbox }) => {
      const body = { errorCode: '12', errorDescription: 'Unregistered to address', messageID: '' };
      nextSend(sandbox, { kind: 'status', status: 417, body });
    },
  },
  {
    title: 'A message arrives with a workflow that no node takes',
    expected: 'Unclaimed. Add the workflow to a mesh-poll, or to “Workflows handled elsewhere”, within five days.',
    inject: async (drill) => void (await arrives(drill, 'NOBODY_TAKES_THIS', 'drill')),
  },
  {
    title: 'Every download breaks off',
    expected: 'Nothing half reaches the flow; the message arrives once when the fault has ended. The network team.',
    inject: async (drill) => {
      drill.sandbox.fault({ operation: 'retrieve_message', times: Infinity, effect: { kind: 'truncate', bytes: 3 } });
      await arrives(drill, WORKFLOW, 'a payload that breaks off');
    },
  },
  {
    title: 'The clocks differ by three hours',
    expected: 'Handshakes are refused. Check NTP on this machine: at two hours MESH refuses everything.',
    inject: ({ sandbox }) => sandbox.clock.advance(THREE_HOURS_MS),
  },
  {
    title: `${FLOOD} messages arrive at once`,
    expected: 'Pending deliveries fall. Nothing to do; do not restart.',
    inject: async (drill) => {
      for (let index = 0; index < FLOOD; index += 1) await arrives(drill, WORKFLOW, `drill ${index}`);
    },
  },
  {
    title: 'Node-RED is killed',
    expected: 'The heartbeat or the plug-in says so. Start the service; see that nothing needs a decision.',
    inject: ({ pid }) => {
      if (pid === undefined) throw new Error('Start the drill with --pid, or kill the process by hand.');
      process.kill(pid, 'SIGKILL');
    },
  },
];
