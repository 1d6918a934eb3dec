/** The seams between the durable lines and the machine, by which a simulation runs them in a world of its own. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import * as promises from 'node:fs/promises';
import { join } from 'node:path';
import { createTransport, setNetwork, type Transport } from '../../lib/client/transport';
import { after as callAfter, every, machineNow, machineSteady, pause, setMachine, systemClock } from '../../lib/clock';
import { readMailboxOptions } from '../../lib/config';
import { readFile, setFiles, type Files } from '../../lib/files';
import { randomBytes, randomNumber, randomUUID, setRandomness, uuidv7 } from '../../lib/random';
import { openFile, setDriver, type Database } from '../../lib/store/sqlite/driver';
import { openSqliteStore, setStoreWorker } from '../../lib/store/sqlite/open-sqlite-store';

const ROOT = join(__dirname, '..', '..');

describe('the seams', () => {
  it('are set by nothing in the package but the process of a flow test, and exported by none of its entries', () => {
    const names = /\b(?:setMachine|setClock|setFiles|setRandomness|setNetwork|setDriver|setStoreWorker)\b/g;
    const sources = ['lib', 'nodes'].flatMap((folder) =>
      readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
        // Its own process, with the sandbox in the place of MESH: the nodes never load it (imports.test.ts).
        .filter((file) => /\.(?:ts|cjs|js)$/.test(file) && !file.startsWith('flow-tests'))
        .map((file) => readFileSync(join(ROOT, folder, file), 'utf8')),
    );
    const found = sources.flatMap((text) =>
      [...text.matchAll(names)].map(({ index }) =>
        text.slice(text.lastIndexOf('\n', index) + 1, text.indexOf('\n', index)),
      ),
    );
    assert.deepEqual(
      found.filter((line) => !/^export function set|^ ?\*|^\/\*\*/.test(line)),
      [],
    );
  });

  it('let files be replaced, and put back', async () => {
    setFiles({ ...promises, readFile: async () => 'replaced' } as unknown as Files);
    try {
      assert.equal(await readFile(__filename, 'utf8'), 'replaced');
    } finally {
      setFiles();
    }
    assert.match(await readFile(__filename, 'utf8'), /^\/\*\* The seams/);
  });

  it('let clocks and timers be replaced, and put back', async () => {
    const planned = new Set<() => void>();
    setMachine({
      now: () => 1000,
      steady: () => 5,
      sleep: async () => undefined,
      after(_ms, callback) {
        planned.add(callback);
        return () => void planned.delete(callback);
      },
    });
    try {
      assert.deepEqual([machineNow(), machineSteady(), systemClock.now()], [1000, 5, 1000]);
      await pause(1_000_000_000);
      callAfter(10, () => undefined)();
      assert.equal(planned.size, 0);
      let calls = 0;
      const stop = every(10, () => (calls += 1));
      const isDue = (): void => [...planned].forEach((call) => planned.delete(call) && call());
      isDue();
      isDue();
      stop();
      assert.deepEqual([calls, planned.size], [2, 0]);
    } finally {
      setMachine();
    }
    assert.ok(Math.abs(machineNow() - Date.now()) < 1000);
  });

  it('let randomness be replaced, and put back', () => {
    setRandomness({
      number: () => 0.5,
      bytes: (size) => Buffer.alloc(size, 7),
      uuid: () => 'four',
      uuidv7: () => 'seven',
    });
    try {
      assert.deepEqual([randomNumber(), randomBytes(1)[0], randomUUID(), uuidv7()], [0.5, 7, 'four', 'seven']);
    } finally {
      setRandomness();
    }
    assert.match(uuidv7(), /^[0-9a-f-]{14}7/);
  });

  it('let the network be replaced, and put back', async () => {
    const config = readMailboxOptions({
      environment: 'http://127.0.0.1:1',
      mailboxId: 'X26ABC1',
      password: 'password',
      sharedKey: 'TestKey',
    });
    const other: Transport = { request: () => Promise.reject(new Error('replaced')), close: async () => undefined };
    setNetwork(() => other);
    try {
      assert.equal(createTransport(config), other);
    } finally {
      setNetwork();
    }
    const real = createTransport(config);
    assert.notEqual(real, other);
    await real.close();
  });

  it('let SQLite and its thread be replaced, and put back', async () => {
    const database = {} as Database;
    setDriver(() => database);
    setStoreWorker(() => {
      throw new Error('replaced');
    });
    try {
      assert.equal(openFile('nowhere', {}), database);
      await assert.rejects(openSqliteStore({ folder: 'nowhere' }), /replaced/);
    } finally {
      setDriver();
      setStoreWorker();
    }
    const memory = openFile(':memory:', {});
    assert.equal(memory.prepare('SELECT 1 AS one').get()?.['one'], 1);
    memory.close();
  });
});
