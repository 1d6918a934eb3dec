/** `nhs-mesh check`: the test of a connection, as mesh-config's dialog has it, on a server without an editor. */
import { checkConnection } from '../check/check-connection';
import type { CheckOutcome, CheckStep } from '../check/steps';
import { ConfigurationError } from '../errors';
import { CONNECTION_OPTIONS, CONNECTION_USAGE, connectionOf, mailboxOf } from './mailbox-arguments';
import { readOptions } from './options';

const USAGE = `Usage: nhs-mesh check --environment NAME --mailbox ID [options]

Tests the connection to MESH: name, proxy, TCP, TLS, certificates, clock, token and handshake. Nothing is sent but a handshake and,
with --workflow, one lookup. Exit code 1: a step failed; 2: an option is missing or wrong.

  --environment NAME    integration, live, or the URL of another MESH
  --mailbox ID          the mailbox
  --workflow ID         also asks MESH who receives this workflow
${CONNECTION_USAGE}`;

const OPTIONS = {
  ...CONNECTION_OPTIONS,
  mailbox: { type: 'string' },
  workflow: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;

/** Gives 1 if a step failed. Throws ConfigurationError. */
export async function check(args: string[]): Promise<number> {
  const values = readOptions(args, OPTIONS, 'check');
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const { mailbox, workflow } = values;
  if (mailbox === undefined) {
    throw new ConfigurationError('--mailbox is needed.', { advice: 'nhs-mesh check --help tells the options.' });
  }
  const isColoured = process.stdout.isTTY && !process.env['NO_COLOR'];
  const steps = await checkConnection(
    { ...(await connectionOf(values)), ...mailboxOf(mailbox) },
    {
      ...(workflow === undefined ? {} : { workflowId: workflow }),
      onStep: (step) => process.stdout.write(inLines(step, isColoured)),
    },
  );
  return steps.some(({ outcome }) => outcome === 'failed') ? 1 : 0;
}

/** As terminals number them: green, yellow, red, bright black. */
const COLOURS: Record<CheckOutcome, number> = { passed: 32, warned: 33, failed: 31, skipped: 90 };

/** `passed   tcp: …`, and the advice below. */
function inLines({ step, outcome, text, advice }: CheckStep, isColoured: boolean): string {
  const word = outcome.padEnd(8);
  const mark = isColoured ? `\u001B[${COLOURS[outcome]}m${word}\u001B[0m` : word;
  return `${mark} ${step}: ${text}\n${advice === undefined ? '' : `${' '.repeat(9)}${advice}\n`}`;
}
