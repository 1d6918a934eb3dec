/** `nhs-mesh sandbox`: runs the sandbox in the foreground; `npm run sandbox` starts it the same way. */
import { writeFile } from 'node:fs/promises';
import { ConfigurationError } from '../errors';
import { DEFAULT_MAILBOXES, readMailboxFile, readWorkflowFile } from '../sandbox/mailboxes';
import { DEFAULT_SHARED_KEY, startSandbox } from '../sandbox/start';
import type { Sandbox, SandboxOptions } from '../sandbox/types';
import { readVariable } from '../variables';
import type { Command } from './command';
import { readOptionFile, readOptions } from './options';

const USAGE = `Usage: nhs-mesh sandbox [options]

Runs a MESH server on this machine, for demos and tests. Ctrl+C stops it; it keeps nothing.

  --port NUMBER          port to listen on (default 8700; 0: any free one)
  --host ADDRESS         address to listen on (default 127.0.0.1: this machine only)
  --http                 plain HTTP (default: HTTPS with a throw-away certificate)
  --tls-cert FILE        the server's own certificate, PEM; needs --tls-key
  --tls-key FILE         the certificate's private key, PEM
  --client-cert MODE     none, optional (default: asks for a client certificate, and may get none) or required
  --client-ca FILE       the CAs, PEM, that a client certificate must be from (default: any certificate is accepted)
  --ca-out FILE          writes the throw-away CA's certificate to this file, for clients
  --shared-key KEY       the environment's shared key (default: the variable MESH_SHARED_KEY, or TestKey)
  --mailboxes FILE       mailboxes.jsonl (default: X26ABC1, X26ABC2 and X26ABC3 with the password "password")
  --workflows FILE       workflows.jsonl
  --restrict-workflows   refuses senders and recipients that a workflow does not list (417, codes 16 and 17)
  --national-services    adds services that answer files as the national ones do (docs/sandbox-services.md)
  --admin                adds the test endpoints under /admin, open to everyone who can reach the port
  -h, --help             this text
`;

const OPTIONS = {
  port: { type: 'string' },
  host: { type: 'string' },
  http: { type: 'boolean' },
  'tls-cert': { type: 'string' },
  'tls-key': { type: 'string' },
  'client-cert': { type: 'string' },
  'client-ca': { type: 'string' },
  'ca-out': { type: 'string' },
  'shared-key': { type: 'string' },
  mailboxes: { type: 'string' },
  workflows: { type: 'string' },
  'restrict-workflows': { type: 'boolean' },
  'national-services': { type: 'boolean' },
  admin: { type: 'boolean' },
} as const;

export const sandbox: Command = {
  usage: USAGE,
  /** Starts the sandbox and returns; SIGINT and SIGTERM stop it. */
  async run(args) {
    const { options, caOut, mailboxFile } = await readSandboxOptions(args);
    // A client cannot have a certificate of the sandbox's own CA, which ends with this process.
    const server = await startSandbox({ clientCa: 'any', ...options });
    try {
      if (caOut !== undefined && server.ca !== undefined) await writeCa(caOut, server.ca);
    } catch (error) {
      await server.close();
      throw error;
    }
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void server.close());
    process.stdout.write(greeting(server, caOut, mailboxFile));
  },
};

/**
 * Reads the arguments and the files that they name.
 * @throws ConfigurationError for an argument that is unknown or wrong, or a file that cannot be read
 */
export async function readSandboxOptions(
  args: string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<{ options: SandboxOptions; caOut?: string; mailboxFile?: string }> {
  const values = readOptions(args, OPTIONS);
  const isHttps = values.http !== true;
  const clientCa = values['client-ca'];
  if (!isHttps && (values['tls-cert'] ?? values['tls-key'] ?? values['ca-out'] ?? clientCa) !== undefined) {
    throw new ConfigurationError('--tls-cert, --tls-key, --ca-out and --client-ca cannot be used with --http.');
  }
  if (clientCa !== undefined && values['client-cert'] === 'none') {
    throw new ConfigurationError('--client-ca cannot be used with --client-cert none: no certificate is asked for.');
  }
  const options: SandboxOptions = {
    host: values.host ?? '127.0.0.1',
    port: portNumber(values.port ?? '8700'),
    protocol: isHttps ? 'https' : 'http',
    nationalServices: values['national-services'] ?? false,
    admin: values.admin ?? false,
    restrictWorkflows: values['restrict-workflows'] ?? false,
  };
  const mode = values['client-cert'];
  if (mode !== undefined) options.clientCertificate = clientCertificateMode(mode);
  if (clientCa !== undefined)
    options.clientCa = { pem: (await readOptionFile('client-ca', clientCa)).toString('utf8') };
  const sharedKey = values['shared-key'] ?? readVariable('MESH_SHARED_KEY', env);
  if (sharedKey !== undefined) options.sharedKey = sharedKey;
  if (values.mailboxes !== undefined) options.mailboxes = await readMailboxFile(values.mailboxes);
  if (values.workflows !== undefined) options.workflows = await readWorkflowFile(values.workflows);
  const tls = await tlsPair(values['tls-cert'], values['tls-key']);
  if (tls) options.tls = tls;
  const caOut = values['ca-out'];
  if (caOut !== undefined && tls) {
    throw new ConfigurationError('--ca-out cannot be used with --tls-cert: there is no throw-away CA.');
  }
  return {
    options,
    ...(caOut === undefined ? {} : { caOut }),
    ...(values.mailboxes === undefined ? {} : { mailboxFile: values.mailboxes }),
  };
}

function portNumber(text: string): number {
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port <= 65_535) return port;
  throw new ConfigurationError(`--port must be a number from 0 to 65535, not ${text}.`);
}

function clientCertificateMode(text: string): 'none' | 'optional' | 'required' {
  if (text === 'none' || text === 'optional' || text === 'required') return text;
  throw new ConfigurationError(`--client-cert must be none, optional or required, not ${text}.`);
}

async function tlsPair(cert?: string, key?: string): Promise<{ cert: string; key: string } | undefined> {
  if (cert === undefined && key === undefined) return undefined;
  if (cert === undefined || key === undefined) {
    throw new ConfigurationError('--tls-cert and --tls-key must be used together.');
  }
  return {
    cert: (await readOptionFile('tls-cert', cert)).toString('utf8'),
    key: (await readOptionFile('tls-key', key)).toString('utf8'),
  };
}

async function writeCa(path: string, ca: string): Promise<void> {
  await writeFile(path, ca).catch((error: NodeJS.ErrnoException) => {
    throw new ConfigurationError(`The file of --ca-out cannot be written: ${path} (${error.code ?? error.name}).`);
  });
}

/**
 * Returns what the user needs to connect: address, mailboxes, password and shared key. Those that the user configured
 * are not repeated: they may be in use elsewhere.
 */
function greeting(server: Sandbox, caOut: string | undefined, mailboxFile: string | undefined): string {
  const isDefaultKey = server.sharedKey === DEFAULT_SHARED_KEY;
  const passwords = [...new Set(DEFAULT_MAILBOXES.map(({ password }) => password))].join(', ');
  const lines = [
    `MESH sandbox on ${server.url}`,
    `shared key: ${isDefaultKey ? server.sharedKey : 'as configured'}`,
    `password: ${mailboxFile === undefined ? passwords : `of each mailbox, in ${mailboxFile}`}`,
    ...server.mailboxes.map(({ mailboxId, name }) => `mailbox ${mailboxId}${name ? ` (${name})` : ''}`),
    ...(caOut === undefined ? [] : [`CA certificate in ${caOut}`]),
    `To connect: environment ${server.url}, one of these mailboxes${server.ca === undefined ? '' : caNote(caOut)}.`,
    'Ctrl+C stops it; nothing is kept.',
  ];
  return `${lines.join('\n')}\n`;
}

function caNote(caOut: string | undefined): string {
  if (caOut !== undefined) return `, and ${caOut} as the CA to trust`;
  return ', and its CA certificate as the CA to trust (--ca-out FILE writes it)';
}
