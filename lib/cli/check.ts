/** `nhs-mesh check`: the connection test of mesh-config's dialog, for a server without an editor. */
import { checkConnection } from '../check/check-connection';
import type { CheckOutcome, CheckStep } from '../check/steps';
import { MeshError } from '../errors';
import type { Command } from './command';
import { CONNECTION_OPTIONS, CONNECTION_USAGE, connectionOf, mailboxOf } from './connection-options';
import { exitCodeOf, monitorLine, type MonitorResult } from './monitor-line';
import { nodeRedHealth } from './node-red-health';
import { readOptions, refuseOptions, requireOptions } from './options';

const USAGE = `Usage: nhs-mesh check --environment NAME --mailbox ID [options]

Tests the connection to MESH: name, proxy, TCP, TLS, certificates, clock, token and handshake. It sends only a handshake
and, with --workflow, one lookup. Exit code 1: a step failed; 2: an option is missing or wrong.

  --environment NAME    integration, live, or the URL of another MESH server
  --mailbox ID          the mailbox
  --workflow ID         also looks up which mailboxes receive this workflow
  --monitor             prints one line with performance data for a monitoring system, with the exit codes of Nagios:
                        0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN
  --node-red URL        with --monitor, instead of a connection of its own: asks the running Node-RED at this address,
                        of the editor, what needs a person; token in the environment variable MESH_METRICS_TOKEN
  --json                prints the result as JSON: whether it works, and each step with its outcome, finding and advice
${CONNECTION_USAGE}`;

const OPTIONS = {
  ...CONNECTION_OPTIONS,
  mailbox: { type: 'string' },
  workflow: { type: 'string' },
  json: { type: 'boolean' },
  monitor: { type: 'boolean' },
  'node-red': { type: 'string' },
} as const;

export const check: Command = {
  usage: USAGE,
  async run(args) {
    if (!args.includes('--monitor')) return checkForPerson(args);
    const result = await checkForMonitor(args).catch((error: unknown): MonitorResult => {
      const text = error instanceof MeshError ? error.message : `The check itself failed (${nameOf(error)}).`;
      return { state: 'UNKNOWN', text };
    });
    process.stdout.write(monitorLine(result));
    return exitCodeOf(result);
  },
};

/** Prints each step as it is known, or all of them as JSON. */
async function checkForPerson(args: string[]): Promise<number> {
  const values = readOptions(args, OPTIONS);
  refuseOptions('check without --monitor', values, ['node-red']);
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
}

/**
 * Returns what a monitoring system should show: of a running Node-RED, or of a connection of this process.
 * @throws ConfigurationError when an option is missing or wrong
 */
async function checkForMonitor(args: string[]): Promise<MonitorResult> {
  const values = readOptions(args, OPTIONS);
  const { 'node-red': nodeRed, ca } = values;
  refuseOptions('check --monitor', values, ['json']);
  if (nodeRed !== undefined) {
    refuseOptions('check --node-red', values, ['environment', 'mailbox', 'workflow', 'cert', 'key', 'pfx', 'proxy']);
    return nodeRedHealth(nodeRed, ca);
  }
  requireOptions(values, 'environment', 'mailbox');
  const { mailbox, workflow } = values;
  const began = performance.now();
  const steps = await checkConnection(
    { ...(await connectionOf(values)), ...mailboxOf(mailbox) },
    workflow === undefined ? {} : { workflowId: workflow },
  );
  const failed = steps.find(({ outcome }) => outcome === 'failed');
  const warned = steps.find(({ outcome }) => outcome === 'warned');
  const worst = failed ?? warned;
  return {
    state: failed ? 'CRITICAL' : warned ? 'WARNING' : 'OK',
    text: worst ? `${mailbox}: ${worst.text}` : `${mailbox}: the handshake with MESH succeeded.`,
    performance: [{ label: 'time', value: (performance.now() - began) / 1000, unit: 's', min: 0 }],
  };
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : typeof error;
}

/** ANSI colours: green, yellow, red, bright black. */
const COLOURS: Record<CheckOutcome, number> = { passed: 32, warned: 33, failed: 31, skipped: 90 };

/** Formats a step as `passed   tcp: …`, with its advice on the next line. */
function formatStep({ step, outcome, text, advice }: CheckStep, isColoured: boolean): string {
  const word = outcome.padEnd(8);
  const mark = isColoured ? `\u001B[${COLOURS[outcome]}m${word}\u001B[0m` : word;
  return `${mark} ${step}: ${text}\n${advice === undefined ? '' : `${' '.repeat(9)}${advice}\n`}`;
}
