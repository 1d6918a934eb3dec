/**
 * The options that say how MESH is reached, for every command that connects. Secrets come from the environment: a command line can
 * be read by others.
 */
import type { MailboxOptions } from '../config';
import { ConfigurationError } from '../errors';
import { fileOf } from './options';

export const CONNECTION_OPTIONS = {
  environment: { type: 'string' },
  ca: { type: 'string' },
  cert: { type: 'string' },
  key: { type: 'string' },
  pfx: { type: 'string' },
  proxy: { type: 'string' },
} as const;

export const CONNECTION_USAGE = `  --ca FILE             PEM of the CA certificates to trust (default: those of Node.js and the operating system)
  --cert FILE           PEM of the client certificate, with --key
  --key FILE            PEM of its private key
  --pfx FILE            PKCS#12 instead of both
  --proxy URL           HTTP proxy

Secrets are taken from environment variables: MESH_SHARED_KEY, MESH_PASSWORD_<MAILBOX ID> or MESH_PASSWORD for each mailbox,
MESH_KEY_PASSPHRASE.
`;

type Values = Partial<Record<keyof typeof CONNECTION_OPTIONS, string | undefined>>;

/** What openMailbox needs beside the mailbox. Throws ConfigurationError. */
export async function connectionOf(values: Values): Promise<Omit<MailboxOptions, 'mailboxId' | 'password'>> {
  const { environment, ca, cert, key, pfx, proxy } = values;
  const { MESH_SHARED_KEY: sharedKey = '', MESH_KEY_PASSPHRASE: passphrase = '' } = process.env;
  if (environment === undefined) throw new ConfigurationError('--environment is needed.');
  if (sharedKey === '') throw new ConfigurationError('The environment variable MESH_SHARED_KEY is not set.');
  return {
    environment,
    sharedKey,
    tls: {
      ...(ca === undefined ? {} : { ca: await fileOf('ca', ca) }),
      ...(cert === undefined ? {} : { cert: await fileOf('cert', cert) }),
      ...(key === undefined ? {} : { key: await fileOf('key', key) }),
      ...(pfx === undefined ? {} : { pfx: await fileOf('pfx', pfx) }),
      ...(passphrase === '' ? {} : { passphrase }),
    },
    ...(proxy === undefined ? {} : { proxy: { url: proxy } }),
  };
}

/** The mailbox with its password. Throws ConfigurationError that names the variable. */
export function mailboxOf(mailboxId: string): { mailboxId: string; password: string } {
  const own = `MESH_PASSWORD_${mailboxId.toUpperCase().replaceAll('-', '_')}`;
  const password = process.env[own] ?? process.env['MESH_PASSWORD'] ?? '';
  if (password !== '') return { mailboxId, password };
  throw new ConfigurationError(`Neither the environment variable ${own} nor MESH_PASSWORD is set.`);
}
