/**
 * The inbox in its own process, killed with SIGKILL at random moments again and again, while MESH is faulty. Nothing is
 * lost, nothing is done twice, and everything is acknowledged to MESH. `MESH_KILLS` makes it longer, `MESH_SEED`
 * repeats a run.
 */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Sandbox } from '../../lib/sandbox/index';
import { afterThisTest, emptyFolder } from '../harness/cleanup';
import { mailboxAt, sandbox } from '../harness/mailboxes';
import { until } from '../harness/until';
import { size } from '../harness/size';
import { LOAD_TYPESCRIPT } from '../harness/typescript';
import type { ChildOptions, ChildReport } from './durable-child';
import { noise, rowsOf, sha256, spoolFiles, storageIn } from './durable-support';

const KILLS = Number(process.env['MESH_KILLS'] ?? size(4, 8));
const SEED = Number(process.env['MESH_SEED'] ?? Date.now() % 1_000_000);

describe('the durable inbox, killed', () => {
  for (const meshAcknowledge of ['when-spooled', 'when-done'] as const) {
    it(`${KILLS} times, loses and repeats nothing, acknowledging ${meshAcknowledge} (seed ${SEED})`, async function () {
      this.timeout(60_000 + KILLS * 5000);
      let seed = SEED;
      const random = (): number => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
      const server = await sandbox({ protocol: 'https' });
      const alice = mailboxAt(server);
      const folder = await emptyFolder();
      const caFile = join(await emptyFolder(), 'ca.pem');
      await writeFile(caFile, server.ca ?? '');
      const options: ChildOptions = { url: server.url, caFile, folder, meshAcknowledge };
      beFaulty(server);

      const sums = new Map<string, string>();
      const reports: Array<ChildReport & { round: number }> = [];
      const send = async (): Promise<void> => {
        const payload = noise(
          random() < 0.3 ? 70_000 + Math.floor(random() * 400_000) : 1 + Math.floor(random() * 5000),
        );
        const workflowId = random() < 0.4 ? 'FILE' : 'WF';
        const { messageId } = await alice.send({ to: 'X26ABC2', workflowId, payload });
        sums.set(messageId, sha256(payload));
      };

      for (let round = 0; round < KILLS; round += 1) {
        for (let n = 0; n < 8; n += 1) await send();
        const child = receiver(options, (report) => reports.push({ ...report, round }));
        // Some processes are killed before they have reported anything.
        if (random() < 0.3) await sleep(200 + random() * 400);
        else await until('it to begin', () => reports.some((each) => each.round === round) || isThrough(), 15_000);
        await sleep(random() * 150);
        child.kill('SIGKILL');
        await once(child, 'close');
      }
      function isThrough(): boolean {
        const done = new Set(reports.filter(({ event }) => event === 'done').map(({ messageId }) => messageId));
        return done.size === sums.size;
      }

      server.clearFaults();
      const last = receiver(options, (report) => reports.push({ ...report, round: KILLS }));
      const isAcknowledged = (): boolean => server.messages().every(({ status }) => status === 'acknowledged');
      const delivered = (): Set<string> => new Set(reports.map(({ messageId }) => messageId));
      await until(
        'everything to be delivered and acknowledged',
        () => isAcknowledged() && delivered().size === sums.size,
        20_000,
      );
      await sleep(200);
      last.kill('SIGTERM');
      await once(last, 'close');

      const storage = await storageIn(folder);
      const rows = await rowsOf(server, storage);
      assert.deepEqual(rows.map(({ messageId }) => messageId).sort(), [...sums.keys()].sort(), 'each is stored once');
      assert.ok(rows.every((row) => row.state === 'done'));
      for (const row of rows) assert.equal(row.sha256, sums.get(row.messageId));
      assert.equal(
        (await spoolFiles(storage)).length,
        rows.filter(({ size }) => size > 64 * 1024).length,
        'no orphans',
      );

      let again = 0;
      for (const [messageId, sum] of sums) {
        const mine = reports.filter((report) => report.messageId === messageId);
        const deliveries = mine.filter(({ event }) => event === 'delivered');
        for (const delivery of deliveries) assert.equal(delivery.sha256, sum);
        // Each redelivery has a higher count, and none follows the end of the message.
        const counts = deliveries.map(({ deliveryCount = 0 }) => deliveryCount);
        assert.deepEqual(
          counts,
          [...new Set(counts)].sort((one, other) => one - other),
        );
        assert.ok(mine.every(({ event }) => event !== 'parked'));
        const done = mine.findIndex(({ event }) => event === 'done');
        assert.ok(done < 0 || mine.slice(done + 1).length === 0, 'nothing comes after it is done');
        again += counts.length - 1;
      }
      if (process.env['MESH_FIGURES']) {
        const unacknowledged = rows.filter(({ acknowledgedAt }) => acknowledgedAt === null).length;
        console.log(
          `${KILLS} kills, seed ${SEED}: ${sums.size} messages, all done, ${again} redeliveries, ` +
            `${unacknowledged} acknowledged without a record`,
        );
      }
    });
  }
});

/** Drops 5 % of requests before their effect and 5 % after it, refuses 5 %, and breaks some bodies. */
function beFaulty(server: Sandbox): void {
  const some = { mailboxId: 'X26ABC2', operation: '*', times: Infinity, probability: 0.05 };
  server.fault({ ...some, effect: { kind: 'drop', when: 'before' } });
  server.fault({ ...some, effect: { kind: 'drop', when: 'after' } });
  server.fault({ ...some, effect: { kind: 'status', status: 503 } });
  server.fault({ ...some, operation: 'retrieve_message', effect: { kind: 'truncate', bytes: 500 } });
  server.fault({ ...some, operation: 'retrieve_message', effect: { kind: 'corrupt' } });
}

function receiver(options: ChildOptions, onReport: (report: ChildReport) => void): ChildProcess {
  const child = spawn(
    process.execPath,
    [...LOAD_TYPESCRIPT, join(__dirname, 'durable-child.ts'), JSON.stringify(options)],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  afterThisTest(() => child.kill('SIGKILL'));
  // A line that the kill cut off does not count.
  createInterface({ input: child.stdout }).on(
    'line',
    (line) => line.endsWith('}') && onReport(JSON.parse(line) as ChildReport),
  );
  return child;
}
