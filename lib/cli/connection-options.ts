/**
 * The options of every command that connects to MESH. Secrets come from environment variables: other users of the
 * machine can read a command line.
 */
import { ENVIRONMENTS, type MailboxOptions } from '../config';
import { ConfigurationError } from '../errors';
import { readVariable } from '../variables';
import { readOptionFile, requireOptions } from './options';

export const CONNECTION_OPTIONS = {
  environment: { type: 'string' },
  ca: { type: 'string' },
  cert: { type: 'string' },
  key: { type: 'string' },
  pfx: { type: 'string' },
  proxy: { type: 'string' },
} as const;

export const CONNECTION_USAGE = `\
  --ca FILE             PEM of the CA certificates to trust (default: those of Node.js and the operating system)
  --cert FILE           PEM of the client certificate; needs --key
  --key FILE            PEM of the certificate's private key
  --pfx FILE            PKCS#12 file instead of both
  --proxy URL           HTTP proxy (default: that of HTTPS_PROXY, with the exceptions of NO_PROXY)
  -h, --help            this text

Secrets come from environment variables: MESH_SHARED_KEY; for each mailbox MESH_PASSWORD_<MAILBOX ID> or MESH_PASSWORD;
MESH_KEY_PASSPHRASE.
`;

type Values = Partial<Record<keyof typeof CONNECTION_OPTIONS, string | undefined>>;

/**
 * Returns the options of openMailbox except the mailbox itself.
 * @throws ConfigurationError for a missing option or variable, or a file that cannot be read
 */
export async function connectionOf(values: Values): Promise<Omit<MailboxOptions, 'mailboxId' | 'password'>> {
  requireOptions(values, 'environment');
  const { environment, ca, cert, key, pfx, proxy } = values;
  const faults = wrongValues(values);
  if (faults.length > 0) throw new ConfigurationError(faults.join(' '));
  const sharedKey = readVariable('MESH_SHARED_KEY');
  const passphrase = readVariable('MESH_KEY_PASSPHRASE');
  if (sharedKey === undefined) throw new ConfigurationError('The environment variable MESH_SHARED_KEY is not set.');
  return {
    environment,
    sharedKey,
    tls: {
      ...(ca === undefined ? {} : { ca: await readOptionFile('ca', ca) }),
      ...(cert === undefined ? {} : { cert: await readOptionFile('cert', cert) }),
      ...(key === undefined ? {} : { key: await readOptionFile('key', key) }),
      ...(pfx === undefined ? {} : { pfx: await readOptionFile('pfx', pfx) }),
      ...(passphrase === undefined ? {} : { passphrase }),
      files: {
        ...(ca === undefined ? {} : { ca }),
        ...(cert === undefined ? {} : { cert }),
        ...(key === undefined ? {} : { key }),
        ...(pfx === undefined ? {} : { pfx }),
      },
    },
    proxy: proxy === undefined ? 'environment' : { url: proxy },
  };
}

/** Names the options with a value that cannot be used. An address may hold a password, so none is repeated. */
function wrongValues({ environment = '', cert, key, pfx, proxy }: Values): string[] {
  const faults: string[] = [];
  if (!Object.hasOwn(ENVIRONMENTS, environment.trim().toLowerCase()) && !isAddress(environment)) {
    faults.push('--environment must be integration, live, or the http(s) URL of another MESH server.');
  }
  if (proxy !== undefined && !isAddress(proxy)) faults.push('--proxy must be an http(s) URL.');
  if ((cert === undefined) !== (key === undefined)) faults.push('--cert and --key must be used together.');
  if (pfx !== undefined && (cert ?? key) !== undefined) faults.push('--pfx cannot be used with --cert and --key.');
  return faults;
}

const isAddress = (text: string): boolean => ['http:', 'https:'].includes(URL.parse(text.trim())?.protocol ?? '');

/**
 * Returns a mailbox with its password.
 * @throws ConfigurationError that names the option, when it is no mailbox id, or the variable, when no password is set
 */
export function mailboxOf(mailboxId: string): { mailboxId: string; password: string } {
  if (!/^[A-Za-z0-9_-]{1,100}$/.test(mailboxId)) {
    throw new ConfigurationError('--mailbox may only contain letters, digits, _ and -.');
  }
  const ownVariable = `MESH_PASSWORD_${mailboxId.toUpperCase().replaceAll('-', '_')}`;
  const password = readVariable(ownVariable) ?? readVariable('MESH_PASSWORD');
  if (password !== undefined) return { mailboxId, password };
  throw new ConfigurationError(`Neither the environment variable ${ownVariable} nor MESH_PASSWORD is set.`);
}
