#!/usr/bin/env node
/** The sandbox as a program: `npm run sandbox -- --help`. */
import { writeFile } from 'node:fs/promises';
import { ConfigurationError } from '../errors';
import { readCommandLine, USAGE } from './cli-options';
import { DEFAULT_SHARED_KEY, startSandbox } from './start';
import type { Sandbox } from './types';

async function main(): Promise<void> {
  const request = await readCommandLine(process.argv.slice(2));
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
  const lines = [
    `MESH sandbox on ${sandbox.url}`,
    `shared key: ${known ? sandbox.sharedKey : 'as given'}`,
    ...sandbox.mailboxes.map(({ mailboxId, name }) => `mailbox ${mailboxId}${name ? ` (${name})` : ''}`),
    ...(caOut === undefined ? [] : [`CA certificate in ${caOut}`]),
    'Ctrl+C ends it; nothing is kept.',
  ];
  return `${lines.join('\n')}\n`;
}

main().catch((error: unknown) => {
  if (error instanceof ConfigurationError) {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 2;
    return;
  }
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 1;
});
