/** `nhs-mesh cutover`: takes what waits in a MESH Client's `out` into the outbox, one workflow at a time. */
import { resolve } from 'node:path';
import { systemClock } from '../clock';
import { cutOver } from '../cutover/cut-over';
import { ConfigurationError } from '../errors';
import type { Command } from './command';
import { readOptions, requireOptions } from './options';
import { STORAGE_OPTIONS, STORAGE_USAGE, withMailbox } from './storage-options';

const USAGE = `Usage: nhs-mesh cutover --client FOLDER --workflow ID --client-is-stopped
       --environment NAME --mailbox ID --folder FOLDER [options]

Puts the pairs of a workflow that wait in the "out" folder of a MESH Client into Node-RED's outbox, each once, and moves
them into "taken" beside it. Stop the MESH Client first: it may have opened a pair already. May be repeated, also after a
kill. Exit code 1: something has to be looked at.

  --client FOLDER       the mailbox's folder of the MESH Client, which contains in, out and sent
  --workflow ID         the workflow, or a pattern such as TOC_FHIR_*
  --client-is-stopped   says that the MESH Client is stopped
  --json                prints the result as JSON
${STORAGE_USAGE}`;

const OPTIONS = {
  ...STORAGE_OPTIONS,
  client: { type: 'string' },
  workflow: { type: 'string' },
  'client-is-stopped': { type: 'boolean' },
  json: { type: 'boolean' },
} as const;

export const cutover: Command = {
  usage: USAGE,
  async run(args) {
    const values = readOptions(args, OPTIONS);
    requireOptions(values, 'client', 'workflow');
    const { client, workflow, json = false } = values;
    if (values['client-is-stopped'] !== true) {
      throw new ConfigurationError('--client-is-stopped is required: stop the MESH Client first.');
    }
    const result = await withMailbox(values, ({ mailbox: { outbox, mailboxId } }) =>
      cutOver({ outbox, mailboxId, clock: systemClock }, resolve(client), workflow),
    );
    const { taken, completed, left, exceptions } = result;
    if (json) process.stdout.write(`${JSON.stringify(result, undefined, 2)}\n`);
    else {
      process.stdout.write(`In the outbox: ${taken}, of which an earlier run had begun ${completed}.\n`);
      process.stdout.write(`Of other workflows, and left in out: ${left}.\n`);
      for (const { name, why } of exceptions) process.stdout.write(`To look at: ${name}: ${why}\n`);
    }
    return exceptions.length > 0 ? 1 : 0;
  },
};
