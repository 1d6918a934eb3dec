/** `nhs-mesh check`: the connection test of mesh-config's dialog, for a server without an editor. */
import { checkConnection } from '../check/check-connection';
import type { CheckOutcome, CheckStep } from '../check/steps';
import type { Command } from './command';
import { CONNECTION_OPTIONS, CONNECTION_USAGE, connectionOf, mailboxOf } from './connection-options';
import { readOptions, requireOptions } from './options';

const USAGE = `Usage: nhs-mesh check --environment NAME --mailbox ID [options]

Tests the connection to MESH: name, proxy, TCP, TLS, certificates, clock, token and handshake. It sends only a handshake
and, with --workflow, one lookup. Exit code 1: a step failed; 2: an option is missing or wrong.

  --environment NAME    integration, live, or the URL of another MESH server
  --mailbox ID          the mailbox
  --workflow ID         also looks up which mailboxes receive this workflow
  --json                prints the result as JSON: whether it works, and each step with its outcome, finding and advice
${CONNECTION_USAGE}`;

const OPTIONS = {
  ...CONNECTION_OPTIONS,
  mailbox: { type: 'string' },
  workflow: { type: 'string' },
  json: { type: 'boolean' },
} as const;

export const check: Command = {
  usage: USAGE,
  async run(args) {
    const values = readOptions(args, OPTIONS);
    requireOptions(values, 'environment', 'mailbox');
    const { mailbox, workflow, json = false } = values;
    const isColoured = process.stdout.isTTY && !process.env['NO_COLOR'];
    const steps = await checkConnection(
      { ...(await connectionOf(values)), ...mailboxOf(mailbox) },
      {
        ...(workflow === undefined ? {} : { workflowId: workflow }),
        ...(json ? {} : { onStep: (step) => process.stdout.write(formatStep(step, isColoured)) }),
      },
    );
    const works = steps.every(({ outcome }) => outcome !== 'failed');
    if (json) process.stdout.write(`${JSON.stringify({ works, steps }, undefined, 2)}\n`);
    return works ? 0 : 1;
  },
};

/** ANSI colours: green, yellow, red, bright black. */
const COLOURS: Record<CheckOutcome, number> = { passed: 32, warned: 33, failed: 31, skipped: 90 };

/** Formats a step as `passed   tcp: …`, with its advice on the next line. */
function formatStep({ step, outcome, text, advice }: CheckStep, isColoured: boolean): string {
  const word = outcome.padEnd(8);
  const mark = isColoured ? `\u001B[${COLOURS[outcome]}m${word}\u001B[0m` : word;
  return `${mark} ${step}: ${text}\n${advice === undefined ? '' : `${' '.repeat(9)}${advice}\n`}`;
}
