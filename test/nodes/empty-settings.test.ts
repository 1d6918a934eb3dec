/** What comes from the environment and is empty is an error, for the storage and for nodes without a mailbox too. */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { openMailbox, openStorage } from '../../lib/index';
import { deploy, logText, sandboxConfig, statusesOf, stop, until, useUserDir, withMeshSettings } from './support';

const FLOW = [
  sandboxConfig('box', 'X26ABC1'),
  { id: 'poll', type: 'mesh-poll', mailbox: 'box', interval: 0, wires: [[], [], [], []] },
];
const BLANKS = ['', ' ', '\t\n', '${NOT_RESOLVED}', '$(NOT_RESOLVED)'];

describe('an empty setting', () => {
  const userDir = useUserDir();

  for (const variable of ['MESH_STORE_URL', 'MESH_SPOOL_FOLDER', 'MESH_LARGE_PAYLOADS']) {
    it(`in ${variable} opens no storage, in particular no SQLite in place of PostgreSQL`, async () => {
      for (const value of BLANKS) {
        process.env[variable] = value;
        try {
          await deploy(FLOW);
          const expected = new RegExp(`variable ${variable} (is empty|holds an unresolved variable)`);
          await until(() => expected.test(logText()), 'the error');
          assert.deepEqual(await readdir(userDir()), []);
        } finally {
          delete process.env[variable];
          await stop();
        }
      }
    });
  }

  for (const setting of ['storeUrl', 'spoolFolder', 'largePayloads']) {
    it(`in mesh.${setting} of settings.js opens no storage, even if it is undefined`, async () => {
      for (const value of [...BLANKS, undefined]) {
        withMeshSettings({ [setting]: value });
        await deploy(FLOW);
        await until(() => /In settings\.js, mesh may have only/.test(logText()), 'the error');
        assert.deepEqual(await readdir(userDir()), []);
        await stop();
      }
    });
  }

  it('of the library opens neither a storage nor a mailbox', async () => {
    for (const blank of BLANKS) {
      for (const name of ['url', 'spoolFolder', 'schema', 'folder'] as const) {
        const options = { folder: userDir(), [name]: blank };
        await assert.rejects(openStorage(options), { code: 'MESH_CONFIGURATION', message: new RegExp(name) });
      }
      const good = { environment: 'https://127.0.0.1:1', mailboxId: 'X26ABC1', password: 'p', sharedKey: 'k' };
      for (const name of ['environment', 'mailboxId', 'password', 'sharedKey']) {
        const expected = { code: 'MESH_CONFIGURATION', message: new RegExp(name) };
        assert.throws(() => openMailbox({ ...good, [name]: blank }), expected, `${name} ${JSON.stringify(blank)}`);
      }
    }
    assert.deepEqual(await readdir(userDir()), []);
  });

  it('of mesh-mllp-in listens nowhere: no plain connection in place of TLS, no default port or host', async () => {
    process.env['MESH_TEST_SETTING'] = ' ';
    try {
      for (const property of ['tls', 'host', 'port', 'timeout', 'charset', 'clientCertificate']) {
        const node = { id: 'in', type: 'mesh-mllp-in', port: 0, wires: [[]], [property]: '${MESH_TEST_SETTING}' };
        await deploy([node]);
        const seen = statusesOf('in');
        await until(() => seen.at(-1)?.text === 'check settings', property);
        await stop();
      }
    } finally {
      delete process.env['MESH_TEST_SETTING'];
    }
  });
});
