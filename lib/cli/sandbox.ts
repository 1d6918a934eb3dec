/** The sandbox in the foreground, as `npx nhs-mesh sandbox` and `npm run sandbox` start it. */
import { writeFile } from 'node:fs/promises';
import { ConfigurationError } from '../errors';
import { readCommandLine, USAGE } from './sandbox-options';
import { DEFAULT_SHARED_KEY, startSandbox } from '../sandbox/start';
import type { Sandbox } from '../sandbox/types';

/** Starts it and returns; SIGINT and SIGTERM end it. Throws ConfigurationError for a bad option or an address that is taken. */
export async function runSandbox(args: string[]): Promise<void> {
  const request = await readCommandLine(args);
  if (request.help) {
    process.stdout.write(USAGE);
    return;
  }
  const sandbox = await startSandbox(request.options);
  try {
    if (request.caOut !== undefined && sandbox.ca !== undefined) await writeCa(request.caOut, sandbox.ca);
  } catch (error) {
    await sandbox.close();
    throw error;
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void sandbox.close());
  process.stdout.write(greeting(sandbox, request.caOut));
}

async function writeCa(path: string, ca: string): Promise<void> {
  await writeFile(path, ca).catch((error: NodeJS.ErrnoException) => {
    throw new ConfigurationError(`${path} cannot be written (${error.code ?? error.name}).`);
  });
}

/** Never the shared key itself unless it is the one that everybody knows, and no password. */
function greeting(sandbox: Sandbox, caOut: string | undefined): string {
  const known = sandbox.sharedKey === DEFAULT_SHARED_KEY;
  const isHttps = sandbox.ca !== undefined;
  const lines = [
    `MESH sandbox on ${sandbox.url}`,
    `shared key: ${known ? sandbox.sharedKey : 'as given'}`,
    ...sandbox.mailboxes.map(({ mailboxId, name }) => `mailbox ${mailboxId}${name ? ` (${name})` : ''}`),
    ...(caOut === undefined ? [] : [`CA certificate in ${caOut}`]),
    `To connect: environment ${sandbox.url}, a mailbox of these${isHttps ? caNote(caOut) : ''}.`,
    'Ctrl+C ends it; nothing is kept.',
  ];
  return `${lines.join('\n')}\n`;
}

function caNote(caOut: string | undefined): string {
  if (caOut !== undefined) return `, and ${caOut} as the CA to trust`;
  return ', and its CA certificate as the one to trust (--ca-out FILE writes it)';
}
