/**
 * NHS England's own tests of mesh-client, which were written for mesh-sandbox, against `nhs-mesh sandbox` as a user
 * starts it: no option about certificates, and the client presents one that our sandbox did not issue.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeCertificateAuthority } from '../../lib/sandbox/certificates';
import { ROOT } from '../harness/node-red';
import { LOAD_TYPESCRIPT } from '../harness/typescript';
import { CLIENT_SOURCE, PYTHON } from './support/python';
import { workFolder } from './support/servers';

const SUITE = join(__dirname, 'official_suite.py');
const CLI = join(ROOT, 'lib', 'cli', 'main.ts');

describe('The official client’s own tests and nhs-mesh sandbox', function () {
  this.timeout(120_000);

  it('all 24 pass, with the options that the tests’ own compose file sets', async () => {
    const at = await workFolder();
    const source = join(CLIENT_SOURCE, readdirSync(CLIENT_SOURCE)[0] ?? '');
    const [ca, cert, key] = [join(at, 'suite-ca.pem'), join(at, 'suite.pem'), join(at, 'suite.key')];
    const pair = await (await makeCertificateAuthority('A CA of the client')).clientCertificate();
    writeFileSync(cert, pair.cert);
    writeFileSync(key, pair.key, { mode: 0o600 });
    const files = ['--mailboxes', 'mailboxes', '--workflows', 'workflows'].map((word) =>
      word.startsWith('--') ? word : join(source, 'tests', `${word}.jsonl`),
    );
    const sandbox = spawn(
      process.execPath,
      [...LOAD_TYPESCRIPT, CLI, 'sandbox', '--port', '0', '--ca-out', ca, '--admin', ...files],
      { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] },
    );
    try {
      let greeting = '';
      while (!greeting.includes('Ctrl+C')) greeting += String(((await once(sandbox.stdout, 'data')) as [Buffer])[0]);
      const port = /https:\/\/127\.0\.0\.1:(\d+)/.exec(greeting)?.[1] ?? '';
      const suite = spawn(PYTHON, [SUITE, source, `https://localhost:${port}`, ca, cert, key], {
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let output = '';
      for (const stream of [suite.stdout, suite.stderr]) stream.on('data', (text: Buffer) => (output += String(text)));
      const [code] = (await once(suite, 'close')) as [number];
      assert.match(output, /^24 passed/m, output);
      assert.equal(code, 0);
    } finally {
      sandbox.kill('SIGTERM');
      if (sandbox.exitCode === null) await once(sandbox, 'exit');
    }
  });
});
