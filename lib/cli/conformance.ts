/** `nhs-mesh conformance`: runs the assurance catalogue and writes the evidence pack. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ENVIRONMENTS, packageVersion } from '../config';
import { ConfigurationError } from '../errors';
import { evidencePage } from '../conformance/evidence-page';
import { runConformance } from '../conformance/run';
import type { ConformanceOptions, Findings, PendingMessage } from '../conformance/types';
import { startSandbox, type Sandbox } from '../sandbox/index';
import { CONNECTION_OPTIONS, CONNECTION_USAGE, connectionOf, mailboxOf } from './mailbox-arguments';
import { readOptions } from './options';

const USAGE = `Usage: nhs-mesh conformance [options]

Runs NHS England's assurance catalogue (201 to 803) with this package's own client and writes conformance-evidence.html and
conformance-evidence.json. Without --environment it runs on the built-in sandbox, where five days pass at once. It sends some
630 synthetic messages, and touches no others. Exit code 1: an item failed.

  --out FOLDER          where the two files go (default: here); made if it is not there
  --items LIST          only these, e.g. 201,202,802
  --large-bytes NUMBER  size of the chunked message (default 210000000; the catalogue asks for more than 200 MB)
  --drain NUMBER        messages of 601 (default 600, as the catalogue has it)

For another MESH than the sandbox:

  --environment NAME    integration, or the URL of a sandbox; not live
  --mailbox ID          sends, and receives if it is the only one; a second one receives
  --workflow ID         that the first may send and the second receive
  --disabled-mailbox ID one that NHS England has disabled, for 701
  --unregistered ID     a recipient that there is not, for 702 (default X26NOSUCHMBOX)
  --continue FILE       the JSON file of a run more than five days ago: for 703 and 705
  --no-list-limit       list as often as is useful, for sandboxes (default: every five minutes at most, as MESH wants it)
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
  help: { type: 'boolean', short: 'h' },
} as const;

type Values = ReturnType<typeof readOptions<typeof OPTIONS>>;

/** Gives 1 if an item failed. Throws ConfigurationError, and what the first handshake throws. */
export async function conformance(args: string[]): Promise<number> {
  const values = readOptions(args, OPTIONS, 'conformance');
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const common = await commonOptions(values);
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
}

type Common = Pick<ConformanceOptions, 'items' | 'largeBytes' | 'drainMessages' | 'say'>;

async function commonOptions(values: Values): Promise<Common> {
  const { items, 'large-bytes': large, drain } = values;
  return {
    say: (line) => process.stdout.write(`${line}\n`),
    ...(items === undefined ? {} : { items: items.split(',').map((id) => id.trim()) }),
    ...(large === undefined ? {} : { largeBytes: positive('large-bytes', large) }),
    ...(drain === undefined ? {} : { drainMessages: positive('drain', drain) }),
  };
}

/** Everything that the catalogue needs is there: two mailboxes, one that is disabled, and a clock. */
async function sandboxOptions(sandbox: Sandbox, common: Common): Promise<ConformanceOptions> {
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

async function meshOptions(values: Values, common: Common): Promise<ConformanceOptions> {
  const { environment = '', workflow, mailbox = [], unregistered, 'disabled-mailbox': disabled } = values;
  const isLive = environment.toLowerCase() === 'live' || LIVE_HOSTS.has(URL.parse(environment)?.hostname ?? '');
  if (isLive)
    throw new ConfigurationError('Evidence is not made on Live: use Integration (Path to Live) or a sandbox.');
  if (workflow === undefined || mailbox.length === 0 || mailbox.length > 2) {
    throw new ConfigurationError('--workflow and one or two --mailbox are needed.', {
      advice: 'nhs-mesh conformance --help tells the options.',
    });
  }
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
    throw new ConfigurationError(`The file of --continue cannot be read (${error.code ?? error.name}).`);
  });
  let pending: Partial<PendingMessage> | undefined;
  try {
    ({ pending } = JSON.parse(text) as { pending?: PendingMessage });
  } catch {
    // Said below.
  }
  const { messageId, from, to, acceptedAt } = pending ?? {};
  if ([messageId, from, to, acceptedAt].every((value) => typeof value === 'string')) return pending as PendingMessage;
  throw new ConfigurationError('The file of --continue is not the JSON of a run that left a message to expire.');
}

function positive(option: string, text: string): number {
  if (/^[1-9]\d{0,11}$/.test(text)) return Number(text);
  throw new ConfigurationError(`--${option} has to be a whole number above 0.`);
}

async function writePack(folder: string, findings: Findings): Promise<void> {
  const [page, data] = [join(folder, 'conformance-evidence.html'), join(folder, 'conformance-evidence.json')];
  try {
    await mkdir(folder, { recursive: true });
    await writeFile(page, evidencePage(findings));
    await writeFile(data, `${JSON.stringify(findings, undefined, 2)}\n`);
  } catch (error) {
    throw new ConfigurationError(
      `The pack cannot be written to --out (${(error as NodeJS.ErrnoException).code ?? 'unknown'}).`,
    );
  }
  process.stdout.write(`Evidence pack: ${page}\n               ${data}\n`);
}
