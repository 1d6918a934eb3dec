/** `nhs-mesh adopt sent|configuration`: takes over from a MESH Client what it has sent, and how it is configured. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { systemClock } from '../clock';
import { adoptSent } from '../cutover/adopt-sent';
import { mailboxNodes, readClientConfiguration, readKeystore, secretLines } from '../cutover/client-configuration';
import { readClientLog } from '../cutover/client-log';
import { ConfigurationError } from '../errors';
import type { Command } from './command';
import { readArguments, refuseOptions, requireOptions } from './options';
import { STORAGE_OPTIONS, STORAGE_USAGE, withMailbox } from './storage-options';

const USAGE = `Usage: nhs-mesh adopt sent --client FOLDER --environment NAME --mailbox ID --folder FOLDER [options]
       nhs-mesh adopt configuration --config FILE [--out FOLDER]

  sent            takes over what a MESH Client has sent, so that reports and acknowledgements that arrive from now on
                  settle it. Nothing of it is ever sent again. May be repeated. Exit code 1: something has to be looked at
  configuration   reads meshclient.cfg and its keystore, and says what can be taken. With --out, writes mailboxes.json for
                  Node-RED's import, and the secrets into mesh.env, which only you can read

  --client FOLDER       the mailbox's folder of the MESH Client, which contains in, out and sent
  --log FILE            its mesh.log, for messages of which it keeps no files
  --days N              how long ago a message may have been sent (default: 31)
  --config FILE         its meshclient.cfg
  --out FOLDER          where the files are written
  --json                prints the result as JSON
${STORAGE_USAGE}`;

const OPTIONS = {
  ...STORAGE_OPTIONS,
  client: { type: 'string' },
  log: { type: 'string' },
  days: { type: 'string' },
  config: { type: 'string' },
  out: { type: 'string' },
  json: { type: 'boolean' },
} as const;

/** MESH deletes a message after 30 days. */
const DAYS = 31;

export const adopt: Command = {
  usage: USAGE,
  async run(args) {
    const { values, positionals } = readArguments(args, OPTIONS, 1);
    const [action] = positionals;
    if (action === 'sent') {
      refuseOptions('adopt sent', values, ['config', 'out']);
      return adoptMessages(values);
    }
    if (action === 'configuration') {
      const foreign = Object.keys(OPTIONS).filter((name) => !['config', 'out', 'json'].includes(name));
      refuseOptions('adopt configuration', values, foreign);
      return adoptConfiguration(values);
    }
    throw new ConfigurationError(
      action === undefined ? 'sent or configuration is required.' : `There is no action '${action}'.`,
    );
  },
};

type Values = ReturnType<typeof readArguments<typeof OPTIONS>>['values'];

async function adoptMessages(values: Values): Promise<number> {
  requireOptions(values, 'client');
  const { client, log, json = false } = values;
  const days = Number(values.days ?? DAYS);
  if (!(days > 0)) throw new ConfigurationError('--days must be a number greater than 0.');
  const logged = log === undefined ? [] : await readClientLog(log);
  const result = await withMailbox(values, ({ storage: { store, spool }, mailbox }) =>
    adoptSent(
      {
        store,
        spool,
        outbox: mailbox.outbox,
        clock: systemClock,
        mailbox: mailbox.storeKey,
        mailboxId: mailbox.mailboxId,
        profiles: mailbox.profiles,
        settleReport: (report) => mailbox.settleReport(report),
      },
      resolve(client),
      { days, logged },
    ),
  );
  if (json) process.stdout.write(`${JSON.stringify(result, undefined, 2)}\n`);
  else {
    const { adopted, known, older, refused, settled, exceptions } = result;
    process.stdout.write(`Adopted: ${adopted}. Known already: ${known}. Older than ${days} days: ${older}.\n`);
    process.stdout.write(
      `Refused by MESH when the client sent them: ${refused}. Settled by what is in "in": ${settled}.\n`,
    );
    for (const { name, why } of exceptions) process.stdout.write(`To look at: ${name}: ${why}\n`);
  }
  return result.exceptions.length > 0 ? 1 : 0;
}

async function adoptConfiguration(values: Values): Promise<number> {
  requireOptions(values, 'config');
  const { config, out, json = false } = values;
  const found = await readClientConfiguration(config);
  const { environment, mailboxes, keystore, keystorePassword, notTaken } = found;
  const findings =
    keystore === ''
      ? ['The configuration names no keystore.']
      : await readKeystore(keystore, keystorePassword).then(
          (read) => read.findings,
          (error: unknown) => {
            if (error instanceof ConfigurationError) return [error.message];
            throw error;
          },
        );
  const written = out === undefined ? [] : await writeFiles(resolve(out), found);
  const shown = mailboxes.map(({ mailboxId, folder, keepsSent }) => ({ mailboxId, folder, keepsSent }));
  if (json) {
    const result = { environment, mailboxes: shown, keystore, findings, notTaken, written };
    process.stdout.write(`${JSON.stringify(result, undefined, 2)}\n`);
    return 0;
  }
  const lines = [
    `Environment: ${environment || 'not known'}`,
    ...shown.map(({ mailboxId, folder }) => `Mailbox: ${mailboxId} in ${folder || 'no folder'}`),
    `Keystore: ${keystore || 'none'}`,
    ...findings,
    ...notTaken.map((each) => `Not taken: ${each}`),
    ...written.map((each) => `Written: ${each}`),
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
  return 0;
}

/** Writes what Node-RED imports, and the secrets, which only the current user may read. Nothing is replaced. */
async function writeFiles(folder: string, found: Parameters<typeof mailboxNodes>[0]): Promise<string[]> {
  await mkdir(folder, { recursive: true });
  const files = [
    { name: 'mailboxes.json', text: `${JSON.stringify(mailboxNodes(found, folder), undefined, 2)}\n` },
    { name: 'mesh.env', text: secretLines(found) },
  ];
  const written: string[] = [];
  for (const { name, text } of files) {
    const path = join(folder, name);
    await writeFile(path, text, { mode: 0o600, flag: 'wx' }).catch((error: NodeJS.ErrnoException) => {
      throw new ConfigurationError(`${path} cannot be written (${error.code ?? error.name}).`);
    });
    written.push(path);
  }
  return written;
}
