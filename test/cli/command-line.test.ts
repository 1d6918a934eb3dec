/** `nhs-mesh` in a process of its own. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { once } from 'node:events';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CHECK_STEPS } from '../../lib/index';
import { adopt } from '../../lib/cli/adopt';
import { flowTests } from '../../lib/cli/flow-tests';
import { check } from '../../lib/cli/check';
import type { Command } from '../../lib/cli/command';
import { conformance } from '../../lib/cli/conformance';
import { corpus } from '../../lib/cli/corpus';
import { csr } from '../../lib/cli/csr';
import { cutover } from '../../lib/cli/cutover';
import { handback } from '../../lib/cli/handback';
import { sandbox } from '../../lib/cli/sandbox';
import { commonName } from '../../lib/cli/signing-request';
import { shadow } from '../../lib/cli/shadow';
import { store } from '../../lib/cli/store';
import { packageVersion } from '../../lib/config';
import { startSandbox } from '../../lib/sandbox';
import { afterThisTest, emptyFolder } from '../harness/cleanup';
import { LOAD_TYPESCRIPT } from '../harness/typescript';

const PROGRAM = join(__dirname, '../../lib/cli/main.ts');
const COMMANDS = [
  'sandbox',
  'csr',
  'check',
  'conformance',
  'corpus',
  'shadow',
  'adopt',
  'cutover',
  'handback',
  'test',
  'store',
];
const NAME = 'SERVER001.X26.api.mesh-client.nhs.uk';

interface Exit {
  code: number | null;
  out: string;
  err: string;
}

function start(args: string[], env: Record<string, string> = {}): ReturnType<typeof spawn> {
  const child = spawn(process.execPath, [...LOAD_TYPESCRIPT, PROGRAM, ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  afterThisTest(() => child.kill());
  return child;
}

async function run(args: string[], env: Record<string, string> = {}): Promise<Exit> {
  const child = start(args, env);
  const texts = { out: '', err: '' };
  child.stdout?.on('data', (piece: Buffer) => (texts.out += piece.toString()));
  child.stderr?.on('data', (piece: Buffer) => (texts.err += piece.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, ...texts };
}

describe('nhs-mesh', function () {
  // Each run is a process: on a busy machine its start alone takes seconds.
  this.timeout(120_000);

  it('refuses an empty option, argument or variable by its name', async () => {
    const connection = ['--environment', 'https://127.0.0.1:1', '--mailbox', 'X26ABC1'];
    const wrong: Array<[RegExp, Command, string[], Record<string, string>?]> = [
      [/--environment has an empty value/, check, ['--environment', '', '--mailbox', 'X26ABC1']],
      [/--environment has an empty value/, check, ['--environment= ', '--mailbox', 'X26ABC1']],
      [/--mailbox has an empty value/, check, ['--environment', 'live', '--mailbox', '']],
      [/--proxy has an empty value/, check, [...connection, '--proxy', '']],
      [/--client has an empty value/, adopt, ['sent', '--client', '']],
      [/--workflow has an empty value/, cutover, ['--workflow', '']],
      [/--workflow has an empty value/, handback, ['--workflow', '']],
      [/--source has an empty value/, shadow, ['reconcile', '--source', '']],
      [/An argument is empty/, store, ['erase', '', '--by', 'x']],
      [/--folder has an empty value/, store, ['copy', '--to', 'postgres', '--folder', ' ']],
      [/--tests has an empty value/, flowTests, ['--tests', '']],
      [/There is no folder of tests/, flowTests, ['--tests', join(__dirname, 'not-there')]],
      [/--folder has an empty value/, corpus, ['--folder', '', '--format', 'hl7']],
      [/--shared-key has an empty value/, sandbox, ['--shared-key', '']],
      [/MESH_SHARED_KEY is empty/, sandbox, ['--port', '0'], { MESH_SHARED_KEY: '' }],
      [/MESH_SHARED_KEY is empty/, check, connection, { MESH_SHARED_KEY: ' ' }],
      [/MESH_KEY_PASSPHRASE is empty/, check, connection, { MESH_SHARED_KEY: 'k', MESH_KEY_PASSPHRASE: '' }],
      [/MESH_PASSWORD_X26ABC1 is empty/, check, connection, { MESH_SHARED_KEY: 'k', MESH_PASSWORD_X26ABC1: '' }],
      [/MESH_PASSWORD holds an unresolved/, check, connection, { MESH_SHARED_KEY: 'k', MESH_PASSWORD: '${PW}' }],
      [/MESH_STORE_URL is empty/, store, ['erase', 'ID', '--by', 'x'], { MESH_STORE_URL: '' }],
      [/MESH_KEY_PASSPHRASE is empty/, csr, ['--local-id', 'A', '--ods', 'X26'], { MESH_KEY_PASSPHRASE: '' }],
    ];
    for (const [message, command, args, env = {}] of wrong) {
      const before = { ...process.env };
      Object.assign(process.env, env);
      try {
        await assert.rejects(async () => command.run(args), { code: 'MESH_CONFIGURATION', message }, args.join(' '));
      } finally {
        for (const name of Object.keys(env)) delete process.env[name];
        Object.assign(process.env, before);
      }
    }
  });

  it('lists its commands with --help, -h and help', async () => {
    const { code, out } = await run(['--help']);
    assert.equal(code, 0);
    for (const name of COMMANDS) assert.match(out, new RegExp(`^  ${name} `, 'm'));
    for (const argument of ['-h', 'help']) assert.deepEqual(await run([argument]), { code, out, err: '' });
    const none = await run([]);
    assert.deepEqual([none.code, none.out, none.err], [2, '', out]);
  });

  for (const name of COMMANDS) {
    it(`lists the options of ${name} with --help, and with -h after other arguments`, async () => {
      const { code, out, err } = await run([name, '--help']);
      assert.deepEqual([code, err], [0, '']);
      assert.ok(out.startsWith(`Usage: nhs-mesh ${name} `), out);
      assert.match(out, /^ {2}-h, --help +this text$/m);
      assert.deepEqual(await run([name, 'word', '--no-such-option', '-h']), { code, out, err });
      assert.deepEqual(await run(['help', name]), { code, out, err });
    });

    it(`names an unknown option of ${name}, with exit code 2 and a hint to its help`, async () => {
      assert.deepEqual(await run([name, '--no-such-option']), {
        code: 2,
        out: '',
        err: `Unknown option '--no-such-option'.\nnhs-mesh ${name} --help lists the options.\n`,
      });
    });
  }

  for (const [command, message, ...args] of [
    [check, "Unexpected argument 'word'.", 'word'],
    [check, '--mailbox is required.', '--environment', 'integration'],
    [check, '--environment is required.', '--mailbox', 'A'],
    [conformance, "Unexpected argument 'word'.", 'word'],
    [conformance, '--drain must be a whole number above 0, not many.', '--drain', 'many'],
    [csr, "Unexpected argument 'word'.", 'word'],
    [csr, '--local-id is required. --ods is required.'],
    [csr, '--ods is required.', '--local-id', 'A'],
    [check, '--environment is required. --mailbox is required.'],
    [csr, '--bits must be 2048, 3072 or 4096, not 512.', '--local-id', 'A', '--ods', 'X26', '--bits', '512'],
    [sandbox, "Unexpected argument 'word'.", 'word'],
    [store, "Unknown option '--folders'.", 'copy', '--folders', 'x'],
    [store, 'copy or erase is required.'],
    [store, "There is no action 'move'.", 'move'],
    [store, "Unexpected argument 'word'.", 'copy', 'word'],
    [store, "Unexpected argument 'word'.", 'erase', 'ID', 'word'],
    [store, '--to must be postgres or sqlite.', 'copy', '--folder', 'x', '--spool', 'y'],
    [store, '--folder is required.', 'copy', '--to', 'postgres', '--spool', 'y'],
    [store, '--spool or --payloads-in-database is required.', 'copy', '--to', 'postgres', '--folder', 'x'],
    [store, 'The id of the message is required.', 'erase'],
    [
      store,
      '--by is not an option of store copy. --force is not an option of store copy.',
      'copy',
      '--by=x',
      '--force',
    ],
    [store, '--to is not an option of store erase.', 'erase', 'ID', '--to', 'sqlite'],
    [conformance, '--items: the catalogue has no item 1, 2.', '--items', '201,1,2'],
  ] as Array<[Command, string, ...string[]]>) {
    const name = /nhs-mesh \w+/.exec(command.usage)?.[0];
    it(`refuses ${name} ${args.join(' ')}: ${message}`, () =>
      assert.rejects(command.run(args), { code: 'MESH_CONFIGURATION', message }));
  }

  it('ends with 2, and a hint to the help, for an argument that is missing', async () => {
    const { code, out, err } = await run(['store', 'copy', '--to', 'postgres']);
    assert.deepEqual([code, out], [2, '']);
    assert.equal(err, '--folder is required.\nnhs-mesh store --help lists the options.\n');
  });

  it('names each option with a value that cannot be used, and repeats none: an address may hold a password', async () => {
    const { code, out, err } = await run(
      ['check', '--environment', 'neither', '--mailbox', 'X26ABC1', '--proxy', 'marked:secret@x', '--cert', 'a.pem'],
      { MESH_SHARED_KEY: 'k', MESH_PASSWORD: 'p' },
    );
    assert.deepEqual([code, out], [2, '']);
    assert.equal(
      err,
      '--environment must be integration, live, or the http(s) URL of another MESH server. ' +
        '--proxy must be an http(s) URL. --cert and --key must be used together.\n' +
        'nhs-mesh check --help lists the options.\n',
    );
  });

  it('names the file that is missing, with its option', async () => {
    const gone = join(await emptyFolder(), 'gone.pem');
    const environment = ['--environment', 'https://127.0.0.1:1', '--mailbox', 'X26ABC1'];
    process.env['MESH_SHARED_KEY'] = 'k';
    afterThisTest(() => delete process.env['MESH_SHARED_KEY']);
    for (const [command, option, args] of [
      [check, 'ca', environment],
      [check, 'pfx', environment],
      [sandbox, 'client-ca', []],
      [conformance, 'continue', [...environment, '--workflow', 'W']],
    ] as Array<[Command, string, string[]]>) {
      process.env['MESH_PASSWORD'] = 'p';
      const message = `The file of --${option} cannot be read: ${gone} (ENOENT).`;
      await assert.rejects(command.run([...args, `--${option}`, gone]), { code: 'MESH_CONFIGURATION', message });
      delete process.env['MESH_PASSWORD'];
    }
  });

  it('prints its version', async () => assert.equal((await run(['--version'])).out, `${packageVersion()}\n`));

  it('ends with 2 and lists its commands if there is no command or an unknown one', async () => {
    for (const args of [['constructor'], ['help', 'constructor']]) assert.equal((await run(args)).code, 2);
    const { err } = await run(['constructor']);
    assert.match(err, /^There is no command 'constructor'\.\n\nUsage: /);
  });

  it('starts the sandbox and says how to connect to it', async () => {
    const child = start(['sandbox', '--port', '0']);
    let out = '';
    child.stdout?.on('data', (piece: Buffer) => (out += piece.toString()));
    while (!out.includes('Ctrl+C')) await once(child.stdout as NodeJS.ReadableStream, 'data');
    assert.match(out, /^MESH sandbox on https:\/\/127\.0\.0\.1:\d+\n/);
    assert.match(out, /\nshared key: TestKey\npassword: password\nmailbox X26ABC1 /);
    assert.match(out, /\nTo connect: environment https:/);
    child.kill('SIGTERM');
    await once(child, 'exit');
  });

  describe('csr', () => {
    it('writes a key that only its owner can read, and a request for the common name, signed with it', async () => {
      const folder = await emptyFolder();
      const { code, out, err } = await run(['csr', '--local-id', 'SERVER001', '--ods', 'x26', '--folder', folder]);
      assert.deepEqual([code, err], [0, '']);
      assert.deepEqual(await readdir(folder), [`${NAME}.csr`, `${NAME}.key`]);
      assert.ok(out.includes(NAME));
      if (process.platform !== 'win32') assert.equal((await stat(join(folder, `${NAME}.key`))).mode & 0o777, 0o600);
      const key = createPrivateKey(await readFile(join(folder, `${NAME}.key`)));
      assert.equal(key.asymmetricKeyDetails?.modulusLength, 2048);
      await import('reflect-metadata');
      const { Pkcs10CertificateRequest } = await import('@peculiar/x509');
      const request = new Pkcs10CertificateRequest(await readFile(join(folder, `${NAME}.csr`), 'utf8'));
      assert.equal(request.subject, `CN=${NAME}`);
      assert.ok(await request.verify());
      const own = createPublicKey(key).export({ type: 'spki', format: 'der' });
      assert.ok(own.equals(Buffer.from(request.publicKey.rawData)));
    });

    it('encrypts the key with MESH_KEY_PASSPHRASE', async () => {
      const folder = await emptyFolder();
      const args = ['csr', '--local-id', 'SERVER001', '--ods', 'X26', '--folder', folder];
      const { out } = await run(args, { MESH_KEY_PASSPHRASE: 'a secret' });
      assert.ok(!out.includes('a secret'));
      const pem = await readFile(join(folder, `${NAME}.key`));
      assert.throws(() => createPrivateKey(pem));
      createPrivateKey({ key: pem, passphrase: 'a secret' });
    });

    for (const existing of ['key', 'csr']) {
      it(`does not overwrite a ${existing}, and leaves nothing behind`, async () => {
        const folder = await emptyFolder();
        await writeFile(join(folder, `${NAME}.${existing}`), 'precious');
        const { code, err } = await run(['csr', '--local-id', 'SERVER001', '--ods', 'X26', '--folder', folder]);
        assert.equal(code, 2);
        assert.match(err, /already exists; nothing was overwritten/);
        assert.deepEqual(await readdir(folder), [`${NAME}.${existing}`]);
        assert.equal(await readFile(join(folder, `${NAME}.${existing}`), 'utf8'), 'precious');
      });
    }

    it('refuses parts that do not make a common name', () => {
      for (const localId of ['a/b', '..', 'a.b', 'ü', '-a', '', 'x'.repeat(40)]) {
        assert.throws(() => commonName({ localId, odsCode: 'X26' }), { code: 'MESH_CONFIGURATION' });
      }
      assert.throws(() => commonName({ localId: 'A', odsCode: 'X/26' }), { code: 'MESH_CONFIGURATION' });
      assert.equal(commonName({ localId: 'SERVER001', odsCode: 'x26' }), NAME);
    });
  });

  describe('check', () => {
    /** Starts a sandbox in this process; returns the arguments and variables for its first mailbox. */
    async function startReachable(): Promise<{ args: string[]; env: Record<string, string> }> {
      const sandbox = await startSandbox();
      afterThisTest(() => sandbox.close());
      const ca = join(await emptyFolder(), 'ca.pem');
      await writeFile(ca, sandbox.ca ?? '');
      const [box] = sandbox.mailboxes;
      assert.ok(box);
      return {
        args: ['check', '--environment', sandbox.url, '--mailbox', box.mailboxId, '--ca', ca],
        env: { MESH_SHARED_KEY: sandbox.sharedKey, MESH_PASSWORD: box.password },
      };
    }
    const outcomes = (out: string): string[] =>
      [...out.matchAll(/^(\w+) +([\w-]+): /gm)].map(([, outcome, step]) => `${step} ${outcome}`);

    it('reports each step, and ends with 0 if all is well', async () => {
      const { args, env } = await startReachable();
      const { code, out, err } = await run(args, env);
      assert.deepEqual([code, err], [0, ''], out);
      const reported = outcomes(out);
      assert.deepEqual(
        reported.map((each) => each.split(' ')[0]),
        [...CHECK_STEPS],
      );
      assert.ok(reported.includes('handshake passed') && reported.includes('workflow skipped'));
    });

    it('writes its result as JSON with --json, and nothing else', async () => {
      const { args, env } = await startReachable();
      for (const [password, works] of [
        [env['MESH_PASSWORD'] ?? '', true],
        ['wrong', false],
      ] as const) {
        const { code, out, err } = await run([...args, '--json'], { ...env, MESH_PASSWORD: password });
        const result = JSON.parse(out) as { works: boolean; steps: Array<{ step: string; outcome: string }> };
        assert.deepEqual([code, err, result.works], [works ? 0 : 1, '', works]);
        assert.deepEqual(
          result.steps.map(({ step }) => step),
          [...CHECK_STEPS],
        );
        assert.equal(result.steps.find(({ step }) => step === 'handshake')?.outcome, works ? 'passed' : 'failed');
      }
    });

    it('ends with 1 and advice if a step fails, without secrets, and without colours in a file', async () => {
      const { args, env } = await startReachable();
      const { code, out, err } = await run([...args, '--workflow', 'WF'], { ...env, MESH_PASSWORD: 'marked-secret' });
      assert.equal(code, 1);
      assert.deepEqual(
        outcomes(out).filter((each) => !/passed|skipped/.test(each)),
        ['handshake failed'],
      );
      assert.match(out, /^failed +handshake: .*\n {2,}\S.*password/m);
      for (const none of ['marked-secret', '\u001B']) assert.ok(!(out + err).includes(none));
    });
  });

  describe('conformance', () => {
    it('writes the page and the data of a run on the built-in sandbox', async () => {
      const out = join(await emptyFolder(), 'new');
      const ended = await run(['conformance', '--out', out, '--items', '201,401,701,703,705,802']);
      assert.deepEqual([ended.code, ended.err], [0, '']);
      const { items } = JSON.parse(await readFile(join(out, 'conformance-evidence.json'), 'utf8')) as {
        items: Array<{ verdict: string }>;
      };
      assert.deepEqual(
        items.map(({ verdict }) => verdict),
        Array.from({ length: 6 }, () => 'passed'),
      );
      assert.match(await readFile(join(out, 'conformance-evidence.html'), 'utf8'), /^<!doctype html>/);
    });

    it('does not run on Live', async () => {
      for (const environment of ['live', 'LIVE', 'https://mesh-sync.spineservices.nhs.uk']) {
        const args = ['--environment', environment, '--mailbox', 'A', '--workflow', 'W'];
        await assert.rejects(conformance.run(args), /--environment must not be Live/);
      }
    });

    it('names the option or variable that is missing', async () => {
      const names = ['MESH_PASSWORD', 'MESH_SHARED_KEY'];
      const before = names.map((name) => [name, process.env[name]] as const);
      afterThisTest(() => {
        for (const [name, value] of before) {
          if (value === undefined) delete process.env[name];
          else process.env[name] = value;
        }
      });
      for (const name of names) delete process.env[name];
      const args = ['--environment', 'integration', '--workflow', 'W', '--mailbox', 'M-1'];
      await assert.rejects(conformance.run(args.slice(0, 2)), /--workflow is required/);
      await assert.rejects(conformance.run(args.slice(0, 4)), /--mailbox is required/);
      await assert.rejects(conformance.run([...args, '--mailbox', 'B', '--mailbox', 'C']), /--mailbox .*at most twice/);
      await assert.rejects(conformance.run(args), /MESH_SHARED_KEY/);
      process.env['MESH_SHARED_KEY'] = 'k';
      await assert.rejects(conformance.run(args), /MESH_PASSWORD_M_1 nor MESH_PASSWORD/);
      await assert.rejects(conformance.run([...args, '--nonsense']), /nonsense/);
    });
  });
});
