/** `nhs-mesh conformance`: runs the assurance catalogue and writes the evidence pack. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ENVIRONMENTS, packageVersion } from '../config';
import { ConfigurationError } from '../errors';
import { evidencePage } from '../conformance/evidence-page';
import { runConformance } from '../conformance/run';
import type { ConformanceOptions, Findings, PendingMessage } from '../conformance/types';
import { startSandbox, type Sandbox } from '../sandbox/index';
import type { Command } from './command';
import { CONNECTION_OPTIONS, CONNECTION_USAGE, connectionOf, mailboxOf } from './connection-options';
import { readOptions, requireOptions, unreadable } from './options';

const USAGE = `Usage: nhs-mesh conformance [options]

Runs NHS England's assurance catalogue (items 201 to 803) with this package's own client and writes
conformance-evidence.html and conformance-evidence.json. Without --environment it runs on the built-in sandbox, where
five days pass at once. It sends about 630 synthetic messages and touches no others. Exit code 1: an item failed.

  --out FOLDER          folder for the two files (default: the current folder); created if missing
  --items LIST          only these items, e.g. 201,202,802
  --large-bytes NUMBER  size of the chunked message (default 210000000; the catalogue requires more than 200 MB)
  --drain NUMBER        number of messages for 601 (default 600, the catalogue's number)

For a MESH server other than the built-in sandbox:

  --environment NAME    integration, or the URL of a sandbox; not live
  --mailbox ID          the sender; give a second one for the recipient, or the first receives as well
  --workflow ID         a workflow that the first mailbox may send and the second receive
  --disabled-mailbox ID a mailbox that NHS England has disabled, for 701
  --unregistered ID     a recipient that does not exist, for 702 (default X26NOSUCHMBOX)
  --continue FILE       the JSON file of a run more than five days ago, for 703 and 705
  --no-list-limit       lists inboxes without a pause, for sandboxes (default: at most every five minutes, as MESH asks)
${CONNECTION_USAGE}`;

const OPTIONS = {
  ...CONNECTION_OPTIONS,
  mailbox: { type: 'string', multiple: true },
  workflow: { type: 'string' },
  'disabled-mailbox': { type: 'string' },
  unregistered: { type: 'string' },
  continue: { type: 'string' },
  'no-list-limit': { type: 'boolean' },
  out: { type: 'string' },
  items: { type: 'string' },
  'large-bytes': { type: 'string' },
  drain: { type: 'string' },
} as const;

type Values = ReturnType<typeof readOptions<typeof OPTIONS>>;

export const conformance: Command = {
  usage: USAGE,
  async run(args) {
    const values = readOptions(args, OPTIONS);
    const common = commonOptions(values);
    let sandbox: Sandbox | undefined;
    try {
      let options: ConformanceOptions;
      if (values.environment === undefined) {
        sandbox = await startSandbox();
        options = await sandboxOptions(sandbox, common);
      } else options = await meshOptions(values, common);
      const findings = await runConformance(options, packageVersion());
      await writePack(values.out ?? '.', findings);
      return findings.items.some(({ verdict }) => verdict === 'failed') ? 1 : 0;
    } finally {
      await sandbox?.close();
    }
  },
};

type CommonOptions = Pick<ConformanceOptions, 'items' | 'largeBytes' | 'drainMessages' | 'onProgress'>;

function commonOptions(values: Values): CommonOptions {
  const { items, 'large-bytes': large, drain } = values;
  return {
    onProgress: (line) => process.stdout.write(`${line}\n`),
    ...(items === undefined ? {} : { items: items.split(',').map((id) => id.trim()) }),
    ...(large === undefined ? {} : { largeBytes: positive('large-bytes', large) }),
    ...(drain === undefined ? {} : { drainMessages: positive('drain', drain) }),
  };
}

/** Returns the options for a sandbox: two mailboxes, a disabled one, and a clock that can be moved. */
async function sandboxOptions(sandbox: Sandbox, common: CommonOptions): Promise<ConformanceOptions> {
  const [first, second, third] = sandbox.mailboxes;
  if (!first || !second || !third) throw new ConfigurationError('The sandbox has too few mailboxes.');
  sandbox.setMailboxActive(third.mailboxId, false);
  const { cert, key } = await sandbox.clientCertificate();
  return {
    ...common,
    connection: {
      environment: sandbox.url,
      sharedKey: sandbox.sharedKey,
      tls: { ...(sandbox.ca === undefined ? {} : { ca: sandbox.ca }), cert, key },
    },
    mailboxes: [first, second].map(({ mailboxId, password }) => ({ mailboxId, password })),
    disabled: { mailboxId: third.mailboxId, password: third.password },
    workflowId: 'TEST_WORKFLOW',
    minimumListMs: 0,
    timeTravel: sandbox.clock,
    environmentName: 'the built-in sandbox',
  };
}

const LIVE_HOSTS = new Set([new URL(ENVIRONMENTS.live).hostname, 'mesh-sync.national.ncrs.nhs.uk']);

async function meshOptions(values: Values, common: CommonOptions): Promise<ConformanceOptions> {
  const { environment = '', unregistered, 'disabled-mailbox': disabled } = values;
  const isLive = environment.toLowerCase() === 'live' || LIVE_HOSTS.has(URL.parse(environment)?.hostname ?? '');
  if (isLive) {
    throw new ConfigurationError('--environment must not be Live: use Integration (Path to Live) or a sandbox.');
  }
  requireOptions(values, 'workflow', 'mailbox');
  const { workflow, mailbox } = values;
  if (mailbox.length > 2) throw new ConfigurationError('--mailbox may be used at most twice.');
  return {
    ...common,
    connection: await connectionOf(values),
    mailboxes: mailbox.map(mailboxOf),
    ...(disabled === undefined ? {} : { disabled: mailboxOf(disabled) }),
    ...(unregistered === undefined ? {} : { unregistered }),
    ...(values.continue === undefined ? {} : { pending: await pendingOf(values.continue) }),
    ...(values['no-list-limit'] ? { minimumListMs: 0 } : {}),
    workflowId: workflow,
    environmentName: environment.toLowerCase() === 'integration' ? 'Integration (Path to Live)' : 'a MESH server',
  };
}

async function pendingOf(path: string): Promise<PendingMessage> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw unreadable('continue', path, error);
  });
  let pending: Partial<PendingMessage> | undefined;
  try {
    ({ pending } = JSON.parse(text) as { pending?: PendingMessage });
  } catch {
    // Reported below.
  }
  const { messageId, from, to, acceptedAt } = pending ?? {};
  if ([messageId, from, to, acceptedAt].every((value) => typeof value === 'string')) return pending as PendingMessage;
  throw new ConfigurationError(
    `The file of --continue is not the JSON file of a run that left a message to expire: ${path}`,
  );
}

function positive(option: string, text: string): number {
  if (/^[1-9]\d{0,11}$/.test(text)) return Number(text);
  throw new ConfigurationError(`--${option} must be a whole number above 0, not ${text}.`);
}

async function writePack(folder: string, findings: Findings): Promise<void> {
  const [page, data] = [join(folder, 'conformance-evidence.html'), join(folder, 'conformance-evidence.json')];
  try {
    await mkdir(folder, { recursive: true });
    await writeFile(page, evidencePage(findings));
    await writeFile(data, `${JSON.stringify(findings, undefined, 2)}\n`);
  } catch (error) {
    throw new ConfigurationError(
      `The evidence pack cannot be written to --out: ${folder} (${(error as NodeJS.ErrnoException).code ?? 'unknown'}).`,
    );
  }
  process.stdout.write(`Evidence pack: ${page}\n               ${data}\n`);
}
