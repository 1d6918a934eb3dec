import { strict as assert } from 'node:assert';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startSandbox, type Sandbox } from '../../lib/sandbox';
import {
  builtInSandbox,
  closeBuiltInSandbox,
  deploy,
  helper,
  logEntries,
  logText,
  pause,
  receive,
  Recorder,
} from './support';
import { skipFor } from '../harness/skip';
import { change, redeploy, sandboxConfig, statusesOf, stop, takeMissingTexts, until, type Flow } from './support';

const CATCH: Flow = [
  { id: 'catcher', type: 'catch', wires: [['caught']] },
  { id: 'caught', type: 'helper' },
  { id: 'watch', type: 'status', wires: [['shown']] },
  { id: 'shown', type: 'helper' },
];

function sender(mailbox: string, id = 'send'): Flow[number] {
  const to = { to: 'X26ABC2', toType: 'str', workflowId: 'WF', workflowIdType: 'str' };
  return { id, type: 'mesh-send', mailbox, wires: [['sent']], ...to };
}

/** Made by openssl, since Node.js reads PFX but does not write it. */
async function pfxOf({ cert, key }: { cert: string; key: string }, passphrase: string): Promise<Buffer> {
  const folder = await mkdtemp(join(tmpdir(), 'mesh-pfx-'));
  try {
    await writeFile(join(folder, 'both.pem'), `${cert}\n${key}`);
    const paths = ['-in', join(folder, 'both.pem'), '-out', join(folder, 'both.p12')];
    await promisify(execFile)('openssl', ['pkcs12', '-export', ...paths, '-passout', `pass:${passphrase}`]);
    return await readFile(join(folder, 'both.p12'));
  } finally {
    await rm(folder, { recursive: true });
  }
}

const TLS = { id: 'tls', type: 'tls-config', cert: '', key: '', ca: '', verifyservercert: true };

/** A mailbox of the sandbox with the settings of a real MESH: TLS, password and shared key. */
async function remote(
  settings: object = {},
): Promise<{ flow: Flow; credentials: Record<string, Record<string, string>> }> {
  const sandbox = await builtInSandbox();
  const password = sandbox.mailboxes.find(({ mailboxId }) => mailboxId === 'X26ABC1')?.password ?? '';
  const { cert, key } = await sandbox.clientCertificate();
  return {
    flow: [
      TLS,
      { id: 'c', type: 'mesh-config', environment: sandbox.url, mailboxId: 'x26abc1', tls: 'tls', ...settings },
      sender('c'),
      { id: 'sent', type: 'helper' },
      ...CATCH,
    ],
    credentials: {
      c: { password, sharedKey: sandbox.sharedKey },
      tls: { cadata: sandbox.ca ?? '', certdata: cert, keydata: key },
    },
  };
}

/** Deploys a wrong configuration and checks its status, one log line, and an error at Catch for each input. */
async function refused(flow: Flow, credentials: Record<string, Record<string, string>>): Promise<string> {
  await deploy(flow, credentials);
  const errors = new Recorder('caught');
  receive('send', { payload: 'x' });
  receive('send', { payload: 'x' });
  const error = (await errors.get(2)).error;
  assert.equal(error.code, 'MESH_CONFIGURATION');
  const logged = logEntries().filter((entry) => entry.includes(error.message) && entry.includes('"mesh-config"'));
  assert.equal(logged.length, 1, 'in the log once');
  return error.message;
}

describe('mesh-config', () => {
  afterEach(async () => {
    await stop();
    assert.deepEqual(takeMissingTexts(), []);
  });
  after(closeBuiltInSandbox);

  it('shows connecting, then connected, on every node of the mailbox', async () => {
    await closeBuiltInSandbox();
    await deploy([sandboxConfig('c', 'X26ABC1'), sender('c'), sender('c', 'send2'), { id: 'sent', type: 'helper' }]);
    const statuses = [statusesOf('send'), statusesOf('send2')];
    for (const seen of statuses) {
      await until(() => seen.some(({ text }) => text === 'connected'), 'connected');
      assert.deepEqual(seen.at(-1), { fill: 'green', shape: 'dot', text: 'connected' });
    }
  });

  it('makes one handshake for all nodes, and none for a mailbox without nodes', async () => {
    const sandbox = await builtInSandbox();
    const before = sandbox.requests().length;
    await deploy([
      sandboxConfig('c', 'X26ABC1'),
      sandboxConfig('idle', 'X26ABC3'),
      sender('c'),
      sender('c', 'send2'),
      { id: 'sent', type: 'helper' },
    ]);
    const shakes = () =>
      sandbox
        .requests()
        .slice(before)
        .filter(({ operation }) => /handshake/.test(operation));
    await until(() => shakes().length > 0, 'a handshake');
    await pause(200);
    assert.equal(shakes().length, 1);
  });

  it('adds a missing mailbox to the sandbox', async () => {
    await deploy([sandboxConfig('c', 'NEWBOX1'), sender('c'), { id: 'sent', type: 'helper' }, ...CATCH]);
    const sent = new Recorder('sent');
    receive('send', { payload: 'x' });
    await sent.get(1);
    assert.ok((await builtInSandbox()).messages().some(({ from }) => from === 'NEWBOX1'));
  });

  it('keeps the sandbox and its messages over a redeploy', async () => {
    const flow = [sandboxConfig('c', 'X26ABC1'), sender('c'), { id: 'sent', type: 'helper' }];
    await deploy(flow);
    const { instance } = await builtInSandbox();
    const sent = new Recorder('sent');
    receive('send', { payload: 'x' });
    await sent.get(1);
    await redeploy(flow);
    assert.equal((await builtInSandbox()).instance, instance);
    assert.equal((await builtInSandbox()).messages().length, 1);
  });

  it('shows disconnected and logs once when the handshake fails', async () => {
    const sandbox = await builtInSandbox();
    sandbox.setMailboxActive('X26ABC1', false);
    try {
      await deploy([sandboxConfig('c', 'X26ABC1'), sender('c'), { id: 'sent', type: 'helper' }, ...CATCH]);
      const seen = statusesOf('send');
      await until(() => seen.some(({ text }) => text === 'disconnected'), 'disconnected');
      assert.deepEqual(seen.at(-1), { fill: 'red', shape: 'ring', text: 'disconnected' });
      assert.match(logText(), /mesh-config/);
      const errors = new Recorder('caught');
      receive('send', { payload: 'x' });
      assert.equal((await errors.get(1)).error.code, 'MESH_AUTHENTICATION');
    } finally {
      sandbox.setMailboxActive('X26ABC1', true);
    }
  });

  it('connects to another MESH with TLS, password and shared key, and the mailbox id in any case', async () => {
    const { flow, credentials } = await remote();
    await deploy(flow, credentials);
    const sent = new Recorder('sent');
    receive('send', { payload: 'x' });
    await sent.get(1);
  });

  describe('with a MESH that requires a client certificate', () => {
    let strict: Sandbox;
    before(async () => {
      strict = await startSandbox({ clientCertificate: 'required' });
    });
    after(() => strict.close());

    /** Sends one message with these TLS settings. Returns the error's code, or `sent`. */
    async function outcome(tls: object, secrets: Record<string, string>): Promise<string> {
      const { flow } = await remote({ environment: strict.url });
      const password = strict.mailboxes[0]?.password ?? '';
      const access = { c: { password, sharedKey: strict.sharedKey }, tls: { cadata: strict.ca ?? '', ...secrets } };
      await deploy(change(flow, 'tls', tls), access);
      const [sent, errors] = [new Recorder('sent'), new Recorder('caught')];
      receive('send', { payload: 'x' });
      await until(() => sent.messages.length + errors.messages.length > 0, 'an outcome', 18_000);
      return errors.messages[0]?.error.code ?? 'sent';
    }

    it('uses certificate and key of the TLS configuration', async () => {
      const { cert, key } = await strict.clientCertificate();
      assert.equal(await outcome({}, { certdata: cert, keydata: key }), 'sent');
    });

    it('is refused without a certificate', async () => {
      assert.notEqual(await outcome({}, {}), 'sent');
    }).timeout(30_000);

    it('uses a PFX with its passphrase, and the CA beside it (Node-RED 5)', async function () {
      if (process.env['NODE_RED'] === '4') this.skip();
      const pfx = await pfxOf(await strict.clientCertificate(), 'open sesame').catch(() => undefined);
      if (pfx === undefined) skipFor(this, 'install openssl (apt-get install openssl).');
      const secrets = { p12data: pfx.toString('base64'), passphrase: 'open sesame' };
      assert.equal(await outcome({ certType: 'pfx' }, secrets), 'sent');
    });
  });

  it('reads settings and credentials from the environment', async () => {
    const { flow, credentials } = await remote();
    process.env['TEST_PASSWORD'] = credentials['c']?.['password'];
    process.env['TEST_KEY'] = credentials['c']?.['sharedKey'];
    process.env['TEST_URL'] = (await builtInSandbox()).url;
    process.env['TEST_BOX'] = 'X26ABC1';
    process.env['TEST_LEASE'] = '30';
    const settings = { environment: '${TEST_URL}', mailboxId: '${TEST_BOX}', leaseMinutes: '${TEST_LEASE}' };
    const variables = { password: '${TEST_PASSWORD}', sharedKey: '${TEST_KEY}' };
    await deploy(change(flow, 'c', settings), { ...credentials, c: variables });
    const sent = new Recorder('sent');
    receive('send', { payload: 'x' });
    await sent.get(1);
  });

  it('names an environment variable that is not set, and does not use its name as the password', async () => {
    const { flow, credentials } = await remote();
    const message = await refused(flow, { ...credentials, c: { password: '${NOT_SET_ANYWHERE}', sharedKey: 'k' } });
    assert.match(message, /NOT_SET_ANYWHERE is not set/);
  });

  for (const [what, credential] of [
    ['password', { sharedKey: 'k' }],
    ['shared key', { password: 'p' }],
  ] as const) {
    it(`reports a missing ${what}`, async () => {
      const { flow, credentials } = await remote();
      assert.match(await refused(flow, { ...credentials, c: credential }), new RegExp(`${what} is missing`));
    });
  }

  describe('with a TLS configuration whose parts cannot be used', () => {
    const NAMES = { certEnv: 'MESH_TEST_CERT', keyEnv: 'MESH_TEST_KEY', caEnv: 'MESH_TEST_CA' };
    const set = (values: Record<string, string>): void => {
      Object.assign(process.env, values);
    };
    afterEach(() => {
      for (const name of Object.values(NAMES)) delete process.env[name];
    });

    it('says the same for credentials, files and environment variables: which part, and why', async () => {
      const { flow, credentials } = await remote();
      const tls = credentials['tls'] ?? {};
      const request = '-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n';
      const expected = /tls: the client certificate is not made of certificates in PEM: it is a signing request\./;
      assert.match(await refused(flow, { ...credentials, tls: { ...tls, certdata: request } }), expected);
      await stop();
      const folder = await mkdtemp(join(tmpdir(), 'mesh-parts-'));
      const paths = { cert: join(folder, 'cert'), key: join(folder, 'key'), ca: join(folder, 'ca') };
      await writeFile(paths.cert, request);
      await writeFile(paths.key, tls['keydata'] ?? '');
      await writeFile(paths.ca, tls['cadata'] ?? '');
      assert.match(await refused(change(flow, 'tls', paths), { c: credentials['c'] ?? {} }), expected);
      await rm(paths.key);
      await stop();
      const unreadable = await refused(change(flow, 'tls', paths), { c: credentials['c'] ?? {} });
      assert.match(unreadable, /the file of its private key cannot be read \(ENOENT\)/);
      await rm(folder, { recursive: true });
      // Node-RED 4 knows no variables here.
      if (process.env['NODE_RED'] === '4') return;
      await stop();
      set({ [NAMES.certEnv]: request, [NAMES.keyEnv]: tls['keydata'] ?? '', [NAMES.caEnv]: tls['cadata'] ?? '' });
      const fromVariables = change(flow, 'tls', { certType: 'env', ...NAMES });
      assert.match(await refused(fromVariables, { c: credentials['c'] ?? {} }), expected);
    });

    it('names the environment variable that is empty or not set (Node-RED 5)', async function () {
      if (process.env['NODE_RED'] === '4') this.skip();
      const { flow, credentials } = await remote();
      const { certdata = '', keydata = '' } = credentials['tls'] ?? {};
      const fromVariables = change(flow, 'tls', { certType: 'env', ...NAMES });
      set({ [NAMES.certEnv]: certdata, [NAMES.keyEnv]: keydata });
      const text = await refused(fromVariables, { c: credentials['c'] ?? {} });
      assert.match(text, /CA is missing: the environment variable MESH_TEST_CA is not set or is empty/);
    });

    it('reads environment variables whose line breaks became spaces (Node-RED 5)', async function () {
      if (process.env['NODE_RED'] === '4') this.skip();
      const { flow, credentials } = await remote();
      const { certdata = '', keydata = '', cadata = '' } = credentials['tls'] ?? {};
      const onOneLine = (pem: string): string => pem.replaceAll(/\r?\n/g, ' ');
      set({
        [NAMES.certEnv]: onOneLine(certdata),
        [NAMES.keyEnv]: onOneLine(keydata),
        [NAMES.caEnv]: onOneLine(cadata),
      });
      await deploy(change(flow, 'tls', { certType: 'env', ...NAMES }), { c: credentials['c'] ?? {} });
      const sent = new Recorder('sent');
      receive('send', { payload: 'x' });
      assert.ok((await sent.get(1)).meshSent.messageId);
    });
  });

  it('refuses a TLS configuration that does not verify the server', async () => {
    const { flow, credentials } = await remote();
    const careless = change(flow, 'tls', { verifyservercert: false });
    assert.match(await refused(careless, credentials), /does not verify/);
  });

  it('reports a TLS configuration that is not valid', async () => {
    const { flow, credentials } = await remote();
    const { keydata: _without, ...half } = credentials['tls'] ?? {};
    assert.match(await refused(flow, { ...credentials, tls: half }), /not valid: its private key is missing/);
  });

  it('reports a TLS configuration or proxy that is gone', async () => {
    const { flow, credentials } = await remote();
    assert.match(
      await refused(
        flow.filter(({ id }) => id !== 'tls'),
        credentials,
      ),
      /TLS configuration is missing/,
    );
    await stop();
    const proxied = change(flow, 'c', { proxy: 'gone' });
    assert.match(await refused(proxied, credentials), /mailbox.s proxy is missing/);
  });

  it('requires a client certificate for Integration and Live', async () => {
    const { flow, credentials } = await remote({ environment: 'integration', tls: '' });
    assert.match(await refused(flow, credentials), /client certificate/);
  });

  for (const [what, settings, expected] of [
    ['an environment that is none', { environment: 'production' }, /environment must be/],
    ['http to another machine', { environment: 'http://mesh.example' }, /environment must be/],
    ['a missing mailbox id', { mailboxId: '' }, /has no id/],
    ['a largest message that is no number', { maxExpandedGb: 'all' }, /maxExpandedGb must be a number/],
    ['no space for parked messages', { maxParkedGb: '0' }, /maxParkedGb must be a number/],
    ['an expansion that is no number', { maxExpansionRatio: 'any' }, /maxExpansionRatio must be a number/],
    ['a rule for checksums that there is not', { checkChecksum: 'maybe' }, /checkChecksum must be one of/],
    ['a lease that is no number', { leaseMinutes: 'an hour' }, /leaseMinutes must be a number/],
    ['no deliveries at all', { maxDeliveries: 0 }, /maxDeliveries/],
    ['a compression that is none', { compression: 'zip' }, /compression must be one of: auto, always, never/],
  ] as const) {
    it(`refuses ${what}`, async () => {
      const { flow, credentials } = await remote(settings);
      assert.match(await refused(flow, credentials), expected);
    });
  }

  describe('with an environment variable', () => {
    const NAME = 'MESH_TEST_SETTING';
    afterEach(() => delete process.env[NAME]);
    const PROPERTIES = [
      'environment',
      'mailboxId',
      'tls',
      'proxy',
      'leftToOthers',
      'leaseMinutes',
      'maxDeliveries',
      'maxParkedGb',
      'maxRequestMb',
      'chunkMb',
      'compression',
      'compressionLevel',
      'checksum',
      'checkChecksum',
      'maxExpandedGb',
      'maxExpansionRatio',
      'meshAcknowledge',
      'odsCode',
      'profilesFile',
      'profiles',
    ];
    for (const value of ['', ' \t', undefined]) {
      for (const form of ['${MESH_TEST_SETTING}', '$(MESH_TEST_SETTING)']) {
        it(`that is ${JSON.stringify(value)} behind ${form}, refuses every setting, and never means the sandbox`, async () => {
          if (value !== undefined) process.env[NAME] = value;
          for (const property of PROPERTIES) {
            const { flow, credentials } = await remote({ [property]: form });
            assert.match(
              await refused(flow, credentials),
              /variable MESH_TEST_SETTING is not set or is empty/,
              property,
            );
            await stop();
          }
        });
      }
      it(`that is ${JSON.stringify(value)}, refuses a password and a shared key`, async () => {
        if (value !== undefined) process.env[NAME] = value;
        for (const field of ['password', 'sharedKey']) {
          const { flow, credentials } = await remote();
          const own = { ...credentials['c'], [field]: '${MESH_TEST_SETTING}' };
          assert.match(await refused(flow, { ...credentials, c: own }), /is missing|is not set or is empty/, field);
          await stop();
        }
      });
    }

    it('that has a value, uses it', async () => {
      process.env[NAME] = 'sandbox';
      await deploy([
        { id: 'c', type: 'mesh-config', environment: '${MESH_TEST_SETTING}', mailboxId: 'X26ABC1' },
        sender('c'),
        { id: 'sent', type: 'helper' },
      ]);
      const sent = new Recorder('sent');
      receive('send', { payload: 'x' });
      await sent.get(1);
    });
  });

  it('does not take a blank environment for the sandbox', async () => {
    for (const environment of ['', '  ', undefined]) {
      const { flow, credentials } = await remote({ environment });
      assert.match(await refused(flow, credentials), /has no environment/);
      await stop();
    }
  });

  it('uses only the first of two configurations of one mailbox', async () => {
    await deploy([
      sandboxConfig('c', 'X26ABC1'),
      sandboxConfig('d', 'x26abc1'),
      sender('c'),
      sender('d', 'second'),
      { id: 'sent', type: 'helper' },
      ...CATCH,
    ]);
    const [sent, errors] = [new Recorder('sent'), new Recorder('caught')];
    receive('send', { payload: 'x' });
    receive('second', { payload: 'x' });
    await sent.get(1);
    const { code, message } = (await errors.get(1)).error;
    assert.equal(code, 'MESH_CONFIGURATION');
    assert.match(message, /X26ABC1 has two configurations/);
    assert.match(logText(), /has two configurations/);
  });

  it('hands the mailbox to its second configuration once the first is gone, without another deploy', async () => {
    const rest: Flow = [{ id: 'sent', type: 'helper' }, ...CATCH];
    const second: Flow = [sandboxConfig('d', 'X26ABC1'), sender('d', 'second')];
    await deploy([sandboxConfig('c', 'X26ABC1'), sender('c'), ...second, ...rest]);
    const errors = new Recorder('caught');
    receive('second', { payload: 'x' });
    assert.match((await errors.get(1)).error.message, /has two configurations/);
    await redeploy([...second, ...rest], 'nodes');
    const sent = new Recorder('sent');
    await until(() => /Connected to the sandbox .*"id":"d"/.test(logText()), 'the second mailbox to connect');
    receive('second', { payload: 'x' });
    await sent.get(1);
  });

  it('hands the mailbox to another configuration when the first is gone', async () => {
    const rest: Flow = [{ id: 'sent', type: 'helper' }, ...CATCH];
    await deploy([sandboxConfig('c', 'X26ABC1'), sender('c'), ...rest]);
    await redeploy([sandboxConfig('d', 'X26ABC1'), sender('d'), ...rest]);
    const sent = new Recorder('sent');
    receive('send', { payload: 'x' });
    await sent.get(1);
  });

  it('uses the proxy, except for excluded hosts', async () => {
    const { flow, credentials } = await remote({ proxy: 'proxy' });
    const proxy = { id: 'proxy', type: 'http proxy', url: 'http://127.0.0.1:9', noproxy: [] as string[] };
    await deploy([proxy, ...flow], credentials);
    const errors = new Recorder('caught');
    receive('send', { payload: 'x' });
    assert.match((await errors.get(1, 18_000)).error.code, /MESH_(CONNECTION|UNKNOWN)/);
    await stop();
    await deploy([{ ...proxy, noproxy: ['127.0.0.1'] }, ...flow], credentials);
    const sent = new Recorder('sent');
    receive('send', { payload: 'x' });
    await sent.get(1);
  }).timeout(30_000);

  it('never shows a secret or patient data in logs, statuses or errors', async () => {
    const { flow, credentials } = await remote();
    const secrets = ['SECRET-PASSWORD', 'SECRET-KEY', 'SECRET-LOCAL', 'SECRET-SUBJECT', 'SECRET-PAYLOAD', 'SECRET-TO'];
    const fields = { localId: 'SECRET-LOCAL', localIdType: 'str', subject: 'SECRET-SUBJECT', subjectType: 'str' };
    const marked = change(flow, 'send', { to: '', ...fields });
    const seen: unknown[] = [];
    const attempt = async (access: Record<string, string>, meshSend: object): Promise<void> => {
      await deploy(marked, { ...credentials, c: access });
      const statuses = statusesOf('send');
      const errors = new Recorder('caught');
      helper.getNode('send').receive({ payload: 'SECRET-PAYLOAD', meshSend });
      await errors.get(1);
      seen.push(...statuses, errors.messages[0]?.error, logText());
      await stop();
    };
    await attempt({ password: 'SECRET-PASSWORD', sharedKey: 'SECRET-KEY' }, { to: 'SECRET-TO' });
    await attempt(credentials['c'] ?? {}, { to: 'SECRET-TO' });
    await attempt(credentials['c'] ?? {}, { to: 'SECRET-TO', checksum: 'http://SECRET-PAYLOAD/' });
    const text = JSON.stringify(seen, (_key, value: unknown) =>
      value instanceof Error ? `${value.stack} ${String(value.cause)}` : value,
    );
    for (const secret of secrets) assert.ok(!text.includes(secret), secret);
    await deploy([]);
  });
});
