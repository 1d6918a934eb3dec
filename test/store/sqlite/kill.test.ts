import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openSqliteStore } from '../../../lib/store/sqlite/open-sqlite-store';
import { emptyFolder } from '../../harness/cleanup';
import { LOAD_TYPESCRIPT } from '../../harness/typescript';
import { MAILBOX } from '../contract/support';

/** Runs the child, kills it at a random moment of its work, and returns what it has printed. */
async function killedRun(folder: string, run: number): Promise<string[]> {
  const script = join(__dirname, 'enqueue-until-killed.ts');
  const child = spawn(process.execPath, [...LOAD_TYPESCRIPT, script, folder, String(run)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let printed = '';
  child.stdout.on('data', (piece: Buffer) => (printed += piece.toString()));
  await once(child.stdout, 'data');
  await sleep(Math.random() * 300);
  const ended = once(child, 'close');
  child.kill('SIGKILL');
  await ended;
  // The last line may be half a line.
  return printed.split('\n').slice(0, -1);
}

describe('a killed SQLite store', () => {
  it('has every message whose enqueue resolved, after each of six kills', async () => {
    const folder = await emptyFolder();
    const printed: string[] = [];
    for (let run = 0; run < 6; run += 1) {
      const ids = await killedRun(folder, run);
      assert.ok(ids.length > 0);
      printed.push(...ids);
      const store = await openSqliteStore({ folder });
      const rows = await Promise.all(printed.map((id) => store.getOutgoing(id)));
      const lost = printed.filter((_, index) => rows[index] === undefined);
      assert.deepEqual(lost, [], `lost at kill ${run}`);
      for (const row of rows) {
        assert.ok(row?.payload?.kind === 'inline');
        assert.equal(row.payload.bytes.length, row.size);
        assert.ok((await store.history(MAILBOX, row.id)).length >= (row.state === 'accepted' ? 2 : 1));
      }
      const { messages } = await store.countOutgoing(MAILBOX);
      assert.ok(messages.queued + messages.accepted >= printed.length, 'the counts are right, too');
      await store.close();
    }
  }).timeout(60_000);
});
