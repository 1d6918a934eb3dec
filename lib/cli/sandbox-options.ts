/** The command line of the sandbox. */
import { readFile } from 'node:fs/promises';
import { ConfigurationError } from '../errors';
import { readOptions } from './options';
import { readMailboxFile, readWorkflowFile } from '../sandbox/mailboxes';
import type { SandboxOptions } from '../sandbox/types';

export const USAGE = `Usage: nhs-mesh sandbox [options]

A MESH server for demos and tests, on this machine.

  --port NUMBER          port to listen on (default 8700; 0: any free one)
  --host ADDRESS         address to listen on (default 127.0.0.1: this machine only)
  --http                 plain HTTP (default: HTTPS with a throw-away certificate)
  --tls-cert FILE        the server's own certificate, PEM (with --tls-key)
  --tls-key FILE         its private key, PEM
  --client-cert MODE     none, optional (default) or required
  --ca-out FILE          write the throw-away CA's certificate here, for clients
  --shared-key KEY       the environment's shared key (default TestKey; or environment variable MESH_SHARED_KEY)
  --mailboxes FILE       mailboxes.jsonl (default: X26ABC1, X26ABC2, X26ABC3, password "password")
  --workflows FILE       workflows.jsonl
  --restrict-workflows   refuse what the workflows do not allow (417, codes 16 and 17)
  --admin                the test endpoints under /admin, for everyone who can reach the port
  --help                 this text
`;

const OPTIONS = {
  port: { type: 'string' },
  host: { type: 'string' },
  http: { type: 'boolean' },
  'tls-cert': { type: 'string' },
  'tls-key': { type: 'string' },
  'client-cert': { type: 'string' },
  'ca-out': { type: 'string' },
  'shared-key': { type: 'string' },
  mailboxes: { type: 'string' },
  workflows: { type: 'string' },
  'restrict-workflows': { type: 'boolean' },
  admin: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

/** What was asked for on the command line. */
export type CliRequest = { help: true } | { help: false; options: SandboxOptions; caOut?: string };

/**
 * Reads arguments (without node and the script) and the files that they name.
 * Throws ConfigurationError with a sentence for a bad option.
 */
export async function readCommandLine(args: string[], env: NodeJS.ProcessEnv = process.env): Promise<CliRequest> {
  const values = readOptions(args, OPTIONS, 'sandbox');
  if (values.help) return { help: true };
  const https = values.http !== true;
  if (!https && (values['tls-cert'] ?? values['tls-key'] ?? values['ca-out'])) {
    throw new ConfigurationError('--tls-cert, --tls-key and --ca-out make no sense with --http.');
  }
  const options: SandboxOptions = {
    host: values.host ?? '127.0.0.1',
    port: portNumber(values.port ?? '8700'),
    protocol: https ? 'https' : 'http',
    admin: values.admin ?? false,
    restrictWorkflows: values['restrict-workflows'] ?? false,
  };
  const mode = values['client-cert'];
  if (mode !== undefined) options.clientCertificate = clientCertificateMode(mode);
  const sharedKey = values['shared-key'] ?? env['MESH_SHARED_KEY'];
  if (sharedKey !== undefined) options.sharedKey = sharedKey;
  if (values.mailboxes !== undefined) options.mailboxes = await readMailboxFile(values.mailboxes);
  if (values.workflows !== undefined) options.workflows = await readWorkflowFile(values.workflows);
  const tls = await tlsPair(values['tls-cert'], values['tls-key']);
  if (tls) options.tls = tls;
  const caOut = values['ca-out'];
  if (caOut === undefined) return { help: false, options };
  if (tls) throw new ConfigurationError('--ca-out makes no sense with --tls-cert: there is no throw-away CA then.');
  return { help: false, options, caOut };
}

function portNumber(text: string): number {
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port <= 65_535) return port;
  throw new ConfigurationError(`--port has to be a number from 0 to 65535, not ${text}.`);
}

function clientCertificateMode(text: string): 'none' | 'optional' | 'required' {
  if (text === 'none' || text === 'optional' || text === 'required') return text;
  throw new ConfigurationError(`--client-cert has to be none, optional or required, not ${text}.`);
}

async function tlsPair(cert?: string, key?: string): Promise<{ cert: string; key: string } | undefined> {
  if (cert === undefined && key === undefined) return undefined;
  if (cert === undefined || key === undefined) {
    throw new ConfigurationError('--tls-cert and --tls-key have to be given together.');
  }
  return { cert: await pem(cert), key: await pem(key) };
}

async function pem(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new ConfigurationError(`${path} cannot be read (${error.code ?? error.name}).`);
  });
}
