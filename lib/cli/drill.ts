/** `nhs-mesh drill`: a MESH server for the on-call drill, and real faults by their numbers. */
import { createInterface } from 'node:readline';
import { ConfigurationError } from '../errors';
import { startSandbox } from '../sandbox/start';
import type { Command } from './command';
import { DRILL_FAULTS, type Drill } from './drill-faults';
import { readOptions } from './options';

const USAGE = `Usage: nhs-mesh drill [options]

Runs a MESH server on this machine for the on-call drill (docs/papers/on-call-drill.md), and injects a real fault for
each number that is typed. Keep its window away from the colleague who is on call. It keeps nothing.

  --port NUMBER         port to listen on (default 8701; 0: any free one)
  --mailbox ID          the mailbox of the flow under drill: X26ABC1 (default), X26ABC2 or X26ABC3
  --pid NUMBER          the process of Node-RED, for the fault that kills it
  -h, --help            this text

Commands, one a line: a number from 1 to ${DRILL_FAULTS.length} injects that fault; end ends the faults of the wire and the clock; list lists
the faults; quit stops.
`;

const OPTIONS = { port: { type: 'string' }, mailbox: { type: 'string' }, pid: { type: 'string' } } as const;

export const drill: Command = {
  usage: USAGE,
  /** Serves until `quit`, the end of the input, or Ctrl+C. */
  async run(args) {
    const { port = '8701', mailbox = 'X26ABC1', pid } = readOptions(args, OPTIONS);
    const sandbox = await startSandbox({ port: numberOf('port', port, 0, 65_535), protocol: 'http' });
    const lines = createInterface({ input: process.stdin });
    process.once('SIGINT', () => lines.close());
    try {
      if (sandbox.mailboxes.every(({ mailboxId }) => mailboxId !== mailbox)) {
        throw new ConfigurationError('--mailbox must be one of the sandbox’s: X26ABC1, X26ABC2 or X26ABC3.');
      }
      const target: Drill = {
        sandbox,
        mailboxId: mailbox,
        pid: pid === undefined ? undefined : numberOf('pid', pid, 2, 2 ** 31),
      };
      say(`MESH for the drill on ${sandbox.url}, shared key ${sandbox.sharedKey}, password “password”.`);
      say(`Mailbox ${mailbox}; number, end, list or quit:`);
      for await (const line of lines) {
        if (line.trim() === 'quit') break;
        await obey(line.trim(), target);
      }
    } finally {
      lines.close();
      await sandbox.close();
    }
  },
};

async function obey(command: string, target: Drill): Promise<void> {
  const fault = /^\d{1,2}$/.test(command) ? DRILL_FAULTS[Number(command) - 1] : undefined;
  if (command === '') return;
  if (command === 'list') DRILL_FAULTS.forEach(({ title }, index) => say(`${String(index + 1).padStart(2)}  ${title}`));
  else if (command === 'end') {
    target.sandbox.clearFaults();
    target.sandbox.clock.set(new Date());
    say(`${timeNow()} The faults of the wire and the clock have ended.`);
  } else if (fault === undefined) say(`A number from 1 to ${DRILL_FAULTS.length}, end, list or quit.`);
  else {
    try {
      await fault.inject(target);
      say(`${timeNow()} Fault ${command}: ${fault.title}.`);
    } catch (error) {
      say(`Fault ${command} was not injected: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

const timeNow = (): string => new Date().toISOString().slice(11, 19);
const say = (line: string): void => void process.stdout.write(`${line}\n`);

function numberOf(option: string, text: string, min: number, max: number): number {
  const number = Number(text);
  if (/^\d{1,10}$/.test(text) && number >= min && number <= max) return number;
  throw new ConfigurationError(`--${option} must be a number from ${min} to ${max}, not ${text}.`);
}
