/** `nhs-mesh shadow compare|reconcile`: the new way beside the old one, message by message, with a report to sign. */
import { readFile, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { clientMessages, type ClientMessage } from '../cutover/client-folder';
import { compareBuilt, compareWith } from '../cutover/compare';
import { reconcile } from '../cutover/reconcile';
import { comparisonReport, reconciliationReport } from '../cutover/shadow-report';
import { ConfigurationError } from '../errors';
import { workflowMatcher } from '../protocol/workflow-filter';
import type { Command } from './command';
import { readArguments, refuseOptions, requireOptions, unreadable } from './options';
import { STORAGE_OPTIONS, STORAGE_USAGE, withMailbox } from './storage-options';

const USAGE = `Usage: nhs-mesh shadow compare --client FOLDER --mailbox ID [--ours FOLDER] [options]
       nhs-mesh shadow reconcile --source FILE --environment NAME --mailbox ID --folder FOLDER [options]

  compare         compares what a MESH Client has sent with what was made here, message by message and field by field.
                  Without --ours, each message of the client is built and checked here as if it were sent. Sends nothing.
                  Exit code 1: something is different, missing or extra
  reconcile       says of every message of the source whether MESH accepted it, whether it was collected and answered, or
                  why not. Exit code 1: something is unexplained, or was accepted twice

  --client FOLDER       the mailbox's folder of the MESH Client, which contains in, out and sent
  --ours FOLDER         a folder with "sent" in it, whose pairs were made here from a copy of the engine's feed
  --workflow ID         only this workflow, or a pattern
  --ignore FIELD        a field that may differ, e.g. OBR-7; may be repeated. Times and ids of the message itself may anyway
  --values              writes values into the report: they are patient data
  --source FILE         the local ids that the engine says it has sent, one on each line
  --report FILE         writes the report as Markdown, for a person to sign
  --json                prints the result as JSON
${STORAGE_USAGE}`;

const OPTIONS = {
  ...STORAGE_OPTIONS,
  client: { type: 'string' },
  ours: { type: 'string' },
  workflow: { type: 'string' },
  ignore: { type: 'string', multiple: true },
  values: { type: 'boolean' },
  source: { type: 'string' },
  report: { type: 'string' },
  json: { type: 'boolean' },
} as const;

export const shadow: Command = {
  usage: USAGE,
  async run(args) {
    const { values, positionals } = readArguments(args, OPTIONS, 1);
    const [action] = positionals;
    if (action === 'compare') {
      const storage = Object.keys(STORAGE_OPTIONS).filter((name) => name !== 'mailbox');
      refuseOptions('shadow compare', values, [...storage, 'source']);
      return runCompare(values);
    }
    if (action === 'reconcile') {
      refuseOptions('shadow reconcile', values, ['ours', 'workflow', 'ignore', 'values']);
      return runReconcile(values);
    }
    throw new ConfigurationError(
      action === undefined ? 'compare or reconcile is required.' : `There is no action '${action}'.`,
    );
  },
};

type Values = ReturnType<typeof readArguments<typeof OPTIONS>>['values'];

async function runCompare(values: Values): Promise<number> {
  requireOptions(values, 'client', 'mailbox');
  const { client, mailbox, ours, workflow = '', ignore = [], values: withValues = false } = values;
  const mailboxId = mailbox.toUpperCase();
  const fits = workflowMatcher(workflow);
  const sentIn = async (root: string): Promise<ClientMessage[]> => {
    const { messages, exceptions } = await clientMessages(resolve(root), 'sent');
    for (const { name, why } of exceptions) process.stderr.write(`Not compared: ${name}: ${why}\n`);
    return messages.filter(({ control }) => fits(control['WorkflowId'] ?? ''));
  };
  const options = { ignore, values: withValues };
  const theirs = await sentIn(client);
  const result =
    ours === undefined
      ? await compareBuilt(theirs, mailboxId, options)
      : await compareWith(theirs, await sentIn(ours), options);
  const { messages, same, different, missing, extra } = result;
  const head = {
    mailboxId,
    about: `${workflow === '' ? 'All workflows' : `Workflow ${workflow}`}, ${ours === undefined ? 'built here' : 'made here'}.`,
    at: new Date().toISOString(),
  };
  await print(values, result, comparisonReport(head, result), [
    `Messages: ${messages}. Same: ${same}. Different: ${different.length}. Missing: ${missing.length}. Extra: ${extra.length}.`,
    ...different.slice(0, SHOWN).map(({ name, fields }) => `Different: ${name}: ${fields.join(', ')}`),
    ...missing.slice(0, SHOWN).map((name) => `Missing: ${name}`),
    ...extra.slice(0, SHOWN).map((name) => `Extra: ${name}`),
  ]);
  return different.length + missing.length + extra.length > 0 ? 1 : 0;
}

async function runReconcile(values: Values): Promise<number> {
  requireOptions(values, 'source');
  const { source, client } = values;
  const text = await readFile(source, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw unreadable('source', source, error);
  });
  const localIds = text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const { found, mailboxId } = await withMailbox(values, async ({ storage: { store }, mailbox }) => ({
    found: await reconcile(
      { store, mailbox: mailbox.storeKey },
      [...new Set(localIds)],
      client === undefined ? undefined : resolve(client),
    ),
    mailboxId: mailbox.mailboxId,
  }));
  const { accepted, collected, answered, unexplained, twice } = found;
  const head = { mailboxId, about: `Source: ${source}.`, at: new Date().toISOString() };
  await print(values, found, reconciliationReport(head, found), [
    `Source: ${found.source}. Accepted: ${accepted}. Collected: ${collected}. Answered: ${answered}.`,
    `Unexplained: ${unexplained.length}. Accepted more than once: ${twice.length}.`,
    ...unexplained.slice(0, SHOWN).map((localId) => `Unexplained: ${localId}`),
  ]);
  return unexplained.length + twice.length > 0 ? 1 : 0;
}

/** Lines of one kind that are printed at most; the report has more. */
const SHOWN = 20;

async function print({ json = false, report }: Values, result: object, text: string, lines: string[]): Promise<void> {
  if (report !== undefined) {
    await writeFile(report, text, { mode: 0o600 }).catch((error: NodeJS.ErrnoException) => {
      throw new ConfigurationError(`The report cannot be written: ${report} (${error.code ?? error.name}).`);
    });
  }
  process.stdout.write(json ? `${JSON.stringify(result, undefined, 2)}\n` : `${lines.join('\n')}\n`);
}
