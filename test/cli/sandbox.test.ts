import assert from 'node:assert/strict';
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeCertificateAuthority } from '../../lib/sandbox/certificates';
import { readSandboxOptions } from '../../lib/cli/sandbox';
import type { SandboxOptions } from '../../lib/sandbox';
import { LOAD_TYPESCRIPT } from '../harness/typescript';

const CLI = join(__dirname, '../../lib/cli/main.ts');

function run(...args: string[]): ChildProcessWithoutNullStreams {
  return spawn(process.execPath, [...LOAD_TYPESCRIPT, CLI, 'sandbox', ...args]);
}

async function finished(
  child: ChildProcessWithoutNullStreams,
): Promise<{ code: number | null; out: string; err: string }> {
  const [out, err] = [texts(child.stdout), texts(child.stderr)];
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, out: out(), err: err() };
}

function texts(stream: NodeJS.ReadableStream): () => string {
  let text = '';
  stream.on('data', (data: Buffer) => (text += data.toString()));
  return () => text;
}

async function options(...args: string[]): Promise<SandboxOptions> {
  return (await readSandboxOptions(args, {})).options;
}

describe('nhs-mesh sandbox', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mesh-sandbox-test-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('starts, prints its address, mailboxes and key, writes its CA, and stops on SIGTERM', async () => {
    const caOut = join(folder, 'ca.pem');
    const child = run('--port', '0', '--ca-out', caOut);
    const out = texts(child.stdout);
    while (!out().includes('Ctrl+C')) await once(child.stdout, 'data');
    const url = /https:\/\/127\.0\.0\.1:\d+/.exec(out())?.[0] ?? '';
    assert.match(out(), /shared key: TestKey\npassword: password\nmailbox X26ABC1 \(TESTMB1\)\n/);
    const health = request(`${url}/health`, { ca: await readFile(caOut) }).end();
    const [response] = (await once(health, 'response')) as [{ statusCode: number; resume(): void }];
    response.resume();
    assert.equal(response.statusCode, 200);
    child.kill('SIGTERM');
    assert.deepEqual(await once(child, 'exit'), [0, null]);
  });

  it('accepts any client certificate, and with --client-ca those of that CA', async () => {
    const [one, other] = [await makeCertificateAuthority('One'), await makeCertificateAuthority('Other')];
    const [caOut, clientCa] = [join(folder, 'ca.pem'), join(folder, 'client-ca.pem')];
    await writeFile(clientCa, one.cert);
    const statusesWith = async (...args: string[]): Promise<number[]> => {
      const child = run('--port', '0', '--ca-out', caOut, '--admin', ...args);
      try {
        const out = texts(child.stdout);
        while (!out().includes('Ctrl+C')) await once(child.stdout, 'data');
        const url = /https:\/\/127\.0\.0\.1:\d+/.exec(out())?.[0] ?? '';
        const ca = await readFile(caOut);
        const statuses: number[] = [];
        for (const pair of [{}, await one.clientCertificate(), await other.clientCertificate()]) {
          const going = request(`${url}/admin/mailbox/X26ABC1`, { ca, ...pair, agent: false }).end();
          const [response] = (await once(going, 'response')) as [{ statusCode: number; resume(): void }];
          response.resume();
          statuses.push(response.statusCode);
        }
        return statuses;
      } finally {
        child.kill('SIGTERM');
        await once(child, 'exit');
      }
    };
    assert.deepEqual(await statusesWith(), [200, 200, 200]);
    assert.deepEqual(await statusesWith('--client-cert', 'required'), [403, 200, 200]);
    assert.deepEqual(await statusesWith('--client-ca', clientCa), [200, 200, 403]);
    assert.deepEqual(await statusesWith('--client-ca', clientCa, '--client-cert', 'required'), [403, 200, 403]);
  });

  it('does not print a password or shared key that the user configured', async () => {
    const mailboxes = join(folder, 'mailboxes.jsonl');
    await writeFile(mailboxes, '{"mailbox_id": "A1", "password": "marked-password"}');
    const child = run('--port', '0', '--http', '--mailboxes', mailboxes, '--shared-key', 'marked-key');
    const out = texts(child.stdout);
    while (!out().includes('Ctrl+C')) await once(child.stdout, 'data');
    child.kill('SIGTERM');
    await once(child, 'exit');
    assert.ok(out().includes(`password: of each mailbox, in ${mailboxes}\nmailbox A1\n`), out());
    assert.doesNotMatch(out(), /marked-/);
  });

  it('prints its options with --help', async () => {
    const { code, out } = await finished(run('--help'));
    assert.equal(code, 0);
    for (const name of [
      'port',
      'host',
      'http',
      'tls-cert',
      'tls-key',
      'client-cert',
      'client-ca',
      'ca-out',
      'shared-key',
      'mailboxes',
      'workflows',
      'restrict-workflows',
      'national-services',
      'admin',
    ]) {
      assert.ok(out.includes(`--${name} `), name);
    }
  });

  it('ends with 2, a sentence and a hint, and no stack, for a wrong option', async () => {
    const { code, out, err } = await finished(run('--port', 'http'));
    const hint = 'nhs-mesh sandbox --help lists the options.\n';
    assert.deepEqual([code, out, err], [2, '', `--port must be a number from 0 to 65535, not http.\n${hint}`]);
  });

  it('listens on port 8700 over https by default', async () => {
    assert.deepEqual(await options(), {
      host: '127.0.0.1',
      port: 8700,
      protocol: 'https',
      nationalServices: false,
      admin: false,
      restrictWorkflows: false,
    });
  });

  it('reads every option', async () => {
    const path = (name: string): string => join(folder, name);
    await writeFile(path('m'), '{"mailbox_id": "A1", "password": "p"}');
    await writeFile(path('w'), '{"workflow_id": "W", "senders": [], "receivers": []}');
    const { cert, key } = await (await makeCertificateAuthority()).serverCertificate('localhost');
    await Promise.all([writeFile(path('cert'), cert), writeFile(path('key'), key)]);
    const files = [
      '--mailboxes',
      path('m'),
      '--workflows',
      path('w'),
      '--tls-cert',
      path('cert'),
      '--tls-key',
      path('key'),
    ];
    const otherOptions = [
      '--port',
      '1',
      '--host',
      '::1',
      '--shared-key',
      'k',
      '--client-cert',
      'required',
      '--client-ca',
      path('cert'),
      '--admin',
      '--restrict-workflows',
      '--national-services',
    ];
    assert.deepEqual(await options(...files, ...otherOptions), {
      host: '::1',
      port: 1,
      protocol: 'https',
      admin: true,
      restrictWorkflows: true,
      nationalServices: true,
      clientCertificate: 'required',
      clientCa: { pem: cert },
      sharedKey: 'k',
      mailboxes: [{ mailboxId: 'A1', password: 'p' }],
      workflows: [{ workflowId: 'W', senders: [], receivers: [] }],
      tls: { cert, key },
    });
    assert.equal((await options('--http')).protocol, 'http');
    const fromEnvironment = await readSandboxOptions([], { MESH_SHARED_KEY: 'secret' });
    assert.equal(fromEnvironment.options.sharedKey, 'secret');
  });

  it('refuses wrong arguments by name', async () => {
    const wrong: Array<[RegExp, ...string[]]> = [
      [/--port/, '--port', '65536'],
      [/--client-cert/, '--client-cert', 'maybe'],
      [/together/, '--tls-cert', 'x'],
      [/together/, '--tls-key', 'x'],
      [/--http/, '--http', '--ca-out', 'x'],
      [/--client-ca .*--http/, '--http', '--client-ca', 'x'],
      [/--client-ca .*--client-cert none/, '--client-cert', 'none', '--client-ca', 'x'],
      [/--client-ca cannot be read: nothing \(ENOENT\)/, '--client-ca', 'nothing'],
      [/nothing cannot be read/, '--mailboxes', 'nothing'],
      [/--tls-cert cannot be read: nothing \(ENOENT\)/, '--tls-cert', 'nothing', '--tls-key', 'nothing'],
      [/--colour/, '--colour'],
      [/Unexpected argument 'word'/, 'word'],
      [/--port needs a value/, '--port'],
      [/--port needs a value/, '--port', '--admin'],
      [/--admin takes no value/, '--admin=yes'],
      [/--port must be used once only/, '--port', '1', '--port', '2'],
      [/^Unknown option '--colour'\. --host needs a value\. Unexpected/, '--colour', '--host', '--http', 'word'],
    ];
    for (const [message, ...args] of wrong) {
      await assert.rejects(readSandboxOptions(args, {}), { code: 'MESH_CONFIGURATION', message }, args.join(' '));
    }
  });

  it('ends with 2 if its CA cannot be written or it cannot listen', async () => {
    const first = await finished(run('--port', '0', '--ca-out', join(folder, 'no', 'ca.pem')));
    assert.deepEqual([first.code, /cannot be written: .*ca\.pem \(ENOENT\)/.test(first.err)], [2, true]);
    const second = await finished(run('--http', '--host', '192.0.2.1'));
    assert.deepEqual([second.code, /cannot listen/.test(second.err)], [2, true]);
  });
});
