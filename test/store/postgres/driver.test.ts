import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from '../../harness/node-red';
import { afterThisTest, emptyFolder } from '../../harness/cleanup';
import { dropSchema, newSchema, postgresUrl } from '../../harness/postgres';
import { LOAD_TYPESCRIPT } from '../../harness/typescript';

const run = promisify(execFile);

/** Whether the driver is loaded in a new process that has opened and closed a storage. */
async function isDriverLoaded(options: { url?: string; schema?: string } = {}): Promise<boolean> {
  const state = JSON.stringify({ folder: await emptyFolder(), ...options });
  const script = `
    const { openStorage } = require(${JSON.stringify(join(ROOT, 'lib', 'index.ts'))});
    openStorage(${state}).then((storage) => storage.close()).then(() => {
      const files = Object.keys(require.cache).map((file) => file.replaceAll('\\\\', '/'));
      process.stdout.write(String(files.some((file) => /node_modules\\/(pg|pg-pool|pg-protocol)\\//.test(file))));
    });`;
  const { stdout } = await run(process.execPath, [...LOAD_TYPESCRIPT, '--eval', script], { cwd: ROOT });
  assert.match(stdout, /^(true|false)$/);
  return stdout === 'true';
}

describe('the driver of PostgreSQL', function () {
  this.timeout(60_000);

  it('is not loaded by a Node-RED whose store is SQLite', async () => assert.equal(await isDriverLoaded(), false));

  it('is loaded by a Node-RED whose store is PostgreSQL', async () => {
    const [url, schema] = [await postgresUrl(), newSchema()];
    afterThisTest(() => dropSchema(schema));
    assert.equal(await isDriverLoaded({ url, schema }), true);
  });
});
