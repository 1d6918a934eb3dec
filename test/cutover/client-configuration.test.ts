/** A MESH Client's configuration as mailboxes: what is taken, what is named, and where the secrets go. */
import assert from 'node:assert/strict';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  mailboxNodes,
  readClientConfiguration,
  readKeystore,
  secretLines,
} from '../../lib/cutover/client-configuration';
import { ConfigurationError } from '../../lib/errors';
import { emptyFolder } from '../harness/cleanup';
import { run } from '../harness/command';
import { failure } from '../harness/failure';
import { skipFor } from '../harness/skip';

const CONFIG = `<MESHConfig>
  <PrimaryURL>https://mesh-sync.national.ncrs.nhs.uk</PrimaryURL>
  <LogPath>C:\\MESH-APP-HOME\\log</LogPath>
  <KeyStorePath>KEYSTORE/mesh.keystore</KeyStorePath>
  <KeyStorePassword>keystore secret</KeyStorePassword>
  <ProxyPath>C:\\MESH-APP-HOME\\proxy</ProxyPath>
  <Other>value-9</Other>
  <Client>
    <ClientIdentity>x26abc1</ClientIdentity>
    <ClientAuthentication>first secret</ClientAuthentication>
    <MailboxType>MESH</MailboxType>
    <InterfaceRoot>C:\\MESH-DATA-HOME\\X26ABC1</InterfaceRoot>
    <SaveSent>Y</SaveSent>
  </Client>
  <Client>
    <ClientIdentity>X26ABC2</ClientIdentity>
    <ClientAuthentication>second "secret"</ClientAuthentication>
    <InterfaceRoot>C:\\MESH-DATA-HOME\\X26ABC2</InterfaceRoot>
    <SaveSent>N</SaveSent>
  </Client>
</MESHConfig>`;

async function configuration(): Promise<string> {
  const folder = await emptyFolder();
  await mkdir(join(folder, 'KEYSTORE'));
  await writeFile(join(folder, 'KEYSTORE', 'mesh.keystore'), Buffer.from('feedfeed00000002', 'hex'));
  await writeFile(join(folder, 'meshclient.cfg'), CONFIG);
  return join(folder, 'meshclient.cfg');
}

describe('the configuration of a MESH Client', function () {
  this.timeout(60_000);

  it('becomes a mailbox for each Client, with environment, folder and password', async () => {
    const found = await readClientConfiguration(await configuration());
    assert.equal(found.environment, 'live');
    assert.deepEqual(
      found.mailboxes.map(({ mailboxId, password }) => [mailboxId, password]),
      [
        ['X26ABC1', 'first secret'],
        ['X26ABC2', 'second "secret"'],
      ],
    );
    assert.equal(found.mailboxes[0]?.folder, 'C:\\MESH-DATA-HOME\\X26ABC1');
  });

  it('names every setting that is not taken, and never its value', async () => {
    const { notTaken } = await readClientConfiguration(await configuration());
    for (const name of ['LogPath', 'ProxyPath', 'Other', 'AuthenticationKey', 'X26ABC2: SaveSent']) {
      assert.ok(
        notTaken.some((line) => line.startsWith(name)),
        name,
      );
    }
    assert.doesNotMatch(notTaken.join('\n'), /secret|value-9/);
  });

  it('puts no secret into the nodes, only the names of variables, and all of them into one file', async () => {
    const found = await readClientConfiguration(await configuration());
    const nodes = JSON.stringify(mailboxNodes(found, '/etc/mesh'));
    assert.doesNotMatch(nodes, /secret/);
    assert.match(nodes, /\$\{MESH_PASSWORD_X26ABC1\}/);
    assert.match(secretLines(found), /^MESH_PASSWORD_X26ABC2="second \\"secret\\""$/m);
  });

  it('that is another file is refused by its name', async () => {
    const path = join(await emptyFolder(), 'meshclient.cfg');
    await writeFile(path, '<DTSControl/>');
    assert.match(
      (await failure(ConfigurationError, readClientConfiguration(path))).message,
      /does not begin with MESHConfig/,
    );
  });

  it('names the keytool command for a keystore that only Java can read', async () => {
    const folder = await emptyFolder();
    for (const [name, magic] of [
      ['jks', 'feedfeed'],
      ['jceks', 'cececece'],
    ] as const) {
      await writeFile(join(folder, name), Buffer.from(`${magic}00000002`, 'hex'));
      const { kind, findings } = await readKeystore(join(folder, name), '');
      assert.equal(kind, name);
      assert.match(findings.join('\n'), /keytool -importkeystore -srckeystore .* -deststoretype PKCS12/);
    }
  });

  it('says of a PKCS#12 keystore whose certificate is in it, and that it is none for the API', async function () {
    if ((await run('openssl', ['version'])).code !== 0) skipFor(this, 'openssl');
    const folder = await emptyFolder();
    const [key, crt, pfx] = ['k.pem', 'c.pem', 'mesh.p12'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    const subject = ['-subj', '/CN=site.X26.mesh-client.nhs.uk', '-days', '9'];
    await run('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', crt, ...subject]);
    const secret = ['-passout', 'pass:right'];
    await run('openssl', ['pkcs12', '-export', '-inkey', key, '-in', crt, '-out', pfx, ...secret]);
    const { kind, findings } = await readKeystore(pfx, 'right');
    assert.equal(kind, 'pkcs12');
    assert.match(findings.join('\n'), /site\.X26\.mesh-client\.nhs\.uk.*\n.*no certificate for the API/);
    assert.match((await readKeystore(pfx, 'wrong')).findings.join('\n'), /cannot be opened: its password/);
  });

  it('is written by the command for Node-RED’s import, readable by its owner only', async () => {
    const config = await configuration();
    const out = await emptyFolder();
    const program = ['--require', 'tsx/cjs', 'lib/cli/main.ts', 'adopt', 'configuration', '--config', config];
    const { code, stdout, stderr } = await run(process.execPath, [...program, '--out', out]);
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(stdout, /Mailbox: X26ABC1/);
    assert.doesNotMatch(stdout, /first secret|keystore secret/);
    assert.equal(JSON.parse(await readFile(join(out, 'mailboxes.json'), 'utf8')).length, 3);
    if (process.platform !== 'win32') assert.equal((await stat(join(out, 'mesh.env'))).mode & 0o777, 0o600);
    const again = await run(process.execPath, [...program, '--out', out]);
    assert.deepEqual([again.code, /EEXIST/.test(again.stderr)], [2, true]);
  });
});
