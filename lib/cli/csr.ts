/** `nhs-mesh csr`: the first step to a MESH client certificate. */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigurationError } from '../errors';
import { readOptions } from './options';
import { commonName, makeSigningRequest, type SigningRequestOptions } from './signing-request';

const USAGE = `Usage: nhs-mesh csr --local-id NAME --ods CODE [options]

Makes a private key and the certificate signing request that NHS England signs, for the common name
NAME.CODE.api.mesh-client.nhs.uk.

  --local-id NAME   a name of the server or system, e.g. SERVER001, or the mailbox id
  --ods CODE        the organisation's ODS code, e.g. X26
  --folder FOLDER   where the two files go (default: here)
  --bits NUMBER     size of the RSA key: 2048 (default), 3072 or 4096

The key is NAME.CODE.api.mesh-client.nhs.uk.key, readable by its owner only; no file is overwritten. The environment
variable MESH_KEY_PASSPHRASE encrypts it.
`;

/** Writes `<common name>.key` and `.csr`. Throws ConfigurationError; no file is left behind then. */
export async function csr(args: string[]): Promise<void> {
  const values = readOptions(
    args,
    {
      'local-id': { type: 'string' },
      ods: { type: 'string' },
      folder: { type: 'string' },
      bits: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
    'csr',
  );
  if (values.help) {
    process.stdout.write(USAGE);
    return;
  }
  const { MESH_KEY_PASSPHRASE: passphrase = '' } = process.env;
  const { 'local-id': localId, ods: odsCode } = values;
  if (localId === undefined || odsCode === undefined) {
    throw new ConfigurationError('--local-id and --ods are needed.', { advice: 'nhs-mesh csr --help tells the rest.' });
  }
  const wanted = { localId, odsCode, bits: keyBits(values.bits), ...(passphrase === '' ? {} : { passphrase }) };
  const base = join(values.folder ?? '.', commonName(wanted));
  const made = await makeSigningRequest(wanted);
  await writeNew(`${base}.key`, made.key, 0o600);
  await writeNew(`${base}.csr`, made.csr, 0o644).catch(async (error: unknown) => {
    // This key is of this run: without its request it is of no use.
    await rm(`${base}.key`, { force: true });
    throw error;
  });
  process.stdout.write(
    [
      `Private key:     ${base}.key${passphrase === '' ? '' : ' (encrypted)'}`,
      `Signing request: ${base}.csr`,
      `Common name:     ${made.commonName}`,
      'Keep the key on this machine and send nobody a copy. Send the signing request, with the common name in the text:',
      '  Path to Live (Integration): itoc.supportdesk@nhs.net',
      '  Live: ssd.nationalservicedesk@nhs.net, with the technical conformance certificate',
      '',
    ].join('\n'),
  );
}

function keyBits(text = '2048'): SigningRequestOptions['bits'] {
  const bits = Number(text);
  if (bits === 2048 || bits === 3072 || bits === 4096) return bits;
  throw new ConfigurationError('--bits has to be 2048, 3072 or 4096.');
}

async function writeNew(path: string, text: string, mode: number): Promise<void> {
  try {
    await writeFile(path, text, { flag: 'wx', mode });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EEXIST') throw new ConfigurationError(`${path} cannot be written (${code ?? 'unknown'}).`);
    throw new ConfigurationError(`${path} is there already; nothing was overwritten.`, {
      advice: 'A key may be in use: move it away yourself, or choose another --folder.',
    });
  }
}
