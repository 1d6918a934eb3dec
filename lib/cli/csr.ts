/** `nhs-mesh csr`: makes the key and signing request of a MESH client certificate. */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigurationError } from '../errors';
import { readVariable } from '../variables';
import type { Command } from './command';
import { readOptions, requireOptions } from './options';
import { commonName, makeSigningRequest, type SigningRequestOptions } from './signing-request';

const USAGE = `Usage: nhs-mesh csr --local-id NAME --ods CODE [options]

Makes a private key and a certificate signing request for NHS England to sign. The common name is
NAME.CODE.api.mesh-client.nhs.uk.

  --local-id NAME   a name of the server or system, e.g. SERVER001, or the mailbox id
  --ods CODE        the organisation's ODS code, e.g. X26
  --folder FOLDER   folder for the two files (default: the current folder)
  --bits NUMBER     size of the RSA key: 2048 (default), 3072 or 4096
  -h, --help        this text

The key file is NAME.CODE.api.mesh-client.nhs.uk.key, readable only by its owner. No file is overwritten. If the
environment variable MESH_KEY_PASSPHRASE is set, it encrypts the key.
`;

const OPTIONS = {
  'local-id': { type: 'string' },
  ods: { type: 'string' },
  folder: { type: 'string' },
  bits: { type: 'string' },
} as const;

export const csr: Command = {
  usage: USAGE,
  /** Writes `<common name>.key` and `.csr`; after an error neither is left behind. */
  async run(args) {
    const values = readOptions(args, OPTIONS);
    const passphrase = readVariable('MESH_KEY_PASSPHRASE');
    requireOptions(values, 'local-id', 'ods');
    const { 'local-id': localId, ods: odsCode } = values;
    const options = {
      localId,
      odsCode,
      bits: keyBits(values.bits),
      ...(passphrase === undefined ? {} : { passphrase }),
    };
    const base = join(values.folder ?? '.', commonName(options));
    const request = await makeSigningRequest(options);
    await writeNew(`${base}.key`, request.key, 0o600);
    await writeNew(`${base}.csr`, request.csr, 0o644).catch(async (error: unknown) => {
      // This run made the key; without its request it is useless.
      await rm(`${base}.key`, { force: true });
      throw error;
    });
    process.stdout.write(
      [
        `Private key:     ${base}.key${passphrase === '' ? '' : ' (encrypted)'}`,
        `Signing request: ${base}.csr`,
        `Common name:     ${request.commonName}`,
        'Keep the key on this machine and do not send it to anyone. Send the signing request, with the common name in',
        'the text, to:',
        '  Path to Live (Integration): itoc.supportdesk@nhs.net',
        '  Live: ssd.nationalservicedesk@nhs.net, with the technical conformance certificate',
        '',
      ].join('\n'),
    );
  },
};

function keyBits(text = '2048'): SigningRequestOptions['bits'] {
  const bits = Number(text);
  if (bits === 2048 || bits === 3072 || bits === 4096) return bits;
  throw new ConfigurationError(`--bits must be 2048, 3072 or 4096, not ${text}.`);
}

async function writeNew(path: string, text: string, mode: number): Promise<void> {
  try {
    await writeFile(path, text, { flag: 'wx', mode });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EEXIST') throw new ConfigurationError(`${path} cannot be written (${code ?? 'unknown'}).`);
    throw new ConfigurationError(`${path} already exists; nothing was overwritten.`, {
      advice: 'The key may be in use: move it yourself, or choose another --folder.',
    });
  }
}
