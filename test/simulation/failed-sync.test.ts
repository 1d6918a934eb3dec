/** A sync that has failed is not made good by a later one that succeeds: the system takes what it dropped for written. */
import assert from 'node:assert/strict';
import { fileSink } from '../../lib/payload/file-sink';
import { setFiles } from '../../lib/files';
import { setDriver } from '../../lib/store/sqlite/driver';
import { openEngine, type Engine } from '../../lib/store/sqlite/engine';
import { MAILBOX, newId, note, outgoing, T } from '../store/contract/support';
import { Disk, systemError } from './disk';
import { Faults, NOTHING_LEFT_OUT } from './faults';
import { Descriptors, simulatedFiles } from './files';
import { leaveWorld } from './process';
import { SeededRandom } from './random';
import { simulatedDriver } from './sqlite';

const FOLDER = '/data/mesh';

/** A disk on which nothing fails by itself, and the processes that use it. */
function machine() {
  const random = new SeededRandom(1);
  const disk = new Disk(new Faults(random, { ...NOTHING_LEFT_OUT, only: [] }), () => 0);
  const sync = disk.sync.bind(disk);
  disk.makeFolders(FOLDER, 0o700);
  return {
    /** Begins another process: nothing of the one before happens any more. */
    startProcess: (): void => {
      const descriptors = new Descriptors(disk);
      disk.onAccess = () => undefined;
      disk.sync = sync;
      setFiles(simulatedFiles({ disk, descriptors, later: async (work) => work(), bootId: 'boot' }));
      setDriver(simulatedDriver({ disk, descriptors, random, now: () => 0 }));
    },
    /** The next sync fails, and `then` happens. */
    failNextSync: (then: () => void = () => undefined): void => {
      disk.sync = (node) => {
        disk.sync = sync;
        node.drop();
        then();
        throw systemError('EIO', 'fsync');
      };
    },
    kill: (): void => {
      disk.onAccess = () => {
        throw new Error('The process is over.');
      };
    },
    cutPower: () => disk.cut(random),
  };
}

/** Enqueues a message. Returns its id, or the name of the error. */
function enqueue(engine: Engine, id: string): string {
  const [result] = engine.run([{ id: 1, name: 'enqueue', args: [outgoing({ id }), note('queued')] }]);
  return result && 'error' in result ? result.error.name : id;
}

function idsIn(engine: Engine): string[] {
  const [result] = engine.run([{ id: 1, name: 'listOutgoing', args: [{ mailbox: MAILBOX }, { limit: 99 }] }]);
  return result && 'value' in result ? (result.value as Array<{ id: string }>).map(({ id }) => id) : [];
}

describe('a sync that fails', () => {
  afterEach(() => leaveWorld());

  it('and a kill right after it take no later commit away when the power is cut', () => {
    const { startProcess, failNextSync, kill, cutPower } = machine();
    const [before, during, after] = [newId(), newId(), newId()];
    startProcess();
    const first = openEngine({ folder: FOLDER, test: {} });
    assert.equal(enqueue(first, before), before);
    failNextSync(kill);
    enqueue(first, during);
    startProcess();
    assert.equal(enqueue(openEngine({ folder: FOLDER, test: {} }), after), after);
    cutPower();
    startProcess();
    const found = idsIn(openEngine({ folder: FOLDER, test: {} }));
    // The one in between may be there or not: nobody was told of it.
    assert.deepEqual(
      found.filter((id) => id !== during),
      [before, after],
    );
  });

  it('as the store keeps the time takes no later commit away when the power is cut', () => {
    const { startProcess, failNextSync, cutPower } = machine();
    const [before, after] = [newId(), newId()];
    startProcess();
    const engine = openEngine({ folder: FOLDER, test: {} });
    assert.equal(enqueue(engine, before), before);
    failNextSync();
    const [result] = engine.run([{ id: 1, name: 'trustTime', args: [T, false] }]);
    assert.ok(result && 'error' in result);
    assert.equal(enqueue(engine, after), after);
    cutPower();
    startProcess();
    assert.deepEqual(idsIn(openEngine({ folder: FOLDER, test: {} })), [before, after]);
  });

  it('while a download is noted fails the download', async () => {
    const { startProcess, failNextSync } = machine();
    startProcess();
    const sink = await fileSink(`${FOLDER}/received`, { replace: false });
    await sink.write(Buffer.alloc(100_000, 1));
    failNextSync();
    await assert.rejects(sink.sync(100_000), { code: 'MESH_STORAGE' });
    await assert.rejects(sink.finish(), { code: 'MESH_STORAGE' });
  });
});
