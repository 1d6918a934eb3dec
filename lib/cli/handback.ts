/** `nhs-mesh handback`: writes what is queued in the outbox back into a MESH Client's `out`, one workflow at a time. */
import { resolve } from 'node:path';
import { systemClock } from '../clock';
import { handBack } from '../cutover/hand-back';
import type { Command } from './command';
import { readOptions, requireOptions } from './options';
import { STORAGE_OPTIONS, STORAGE_USAGE, withMailbox } from './storage-options';

const USAGE = `Usage: nhs-mesh handback --client FOLDER --workflow ID --environment NAME --mailbox ID --folder FOLDER [options]

Writes the messages of a workflow that are queued in Node-RED's outbox as .dat and .ctl pairs into the "out" folder of a
MESH Client, each once, and closes them here. What MESH may have, or has in part, is listed and not handed back. May be
repeated, also after a kill. Exit code 1: something has to be decided.

  --client FOLDER       the mailbox's folder of the MESH Client, which contains in, out and sent
  --workflow ID         the workflow, or a pattern such as TOC_FHIR_*
  --json                prints the result as JSON
${STORAGE_USAGE}`;

const OPTIONS = {
  ...STORAGE_OPTIONS,
  client: { type: 'string' },
  workflow: { type: 'string' },
  json: { type: 'boolean' },
} as const;

export const handback: Command = {
  usage: USAGE,
  async run(args) {
    const values = readOptions(args, OPTIONS);
    requireOptions(values, 'client', 'workflow');
    const { client, workflow, json = false } = values;
    const result = await withMailbox(values, ({ storage: { store, spool }, mailbox: { storeKey, mailboxId } }) =>
      handBack({ store, spool, clock: systemClock, mailbox: storeKey, mailboxId }, resolve(client), workflow),
    );
    const { handedBack, completed, listed } = result;
    if (json) process.stdout.write(`${JSON.stringify(result, undefined, 2)}\n`);
    else {
      process.stdout.write(`Handed back: ${handedBack}, of which an earlier run had begun ${completed}.\n`);
      for (const { id, state, why } of listed) process.stdout.write(`To decide: ${id} (${state}): ${why}\n`);
    }
    return listed.length > 0 ? 1 : 0;
  },
};
