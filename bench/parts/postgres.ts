/**
 * Enqueueing on PostgreSQL: many at a time against a bare INSERT of the same bytes, one by one with nothing stored and
 * with a million messages, and three instances beside one. The server syncs its commits, as in production.
 */
import { Client } from 'pg';
import { median } from '../../test/harness/median';
import { startPostgres } from '../../test/harness/postgres-server';
import { fillHistory, POSTGRES } from '../../test/harness/store-history';
import { Child } from '../harness/child';
import type { Work } from '../harness/serve';
import type { Settings } from '../settings';
import { benchMailbox } from './store-operations';

const AT_ONCE = 64;
const INSTANCES = 3;
/** Bytes of a payload. */
const SIZE = 1024;

/** The medians of the rounds, in messages a second. */
export interface PostgresFigures {
  /** 64 at a time. */
  together: { perSecond: number; bare: number; toBare: number; spread: [number, number] };
  /** One by one, with nothing stored and with so many messages. */
  oneByOne: { messages: number; empty: number; full: number; toEmpty: number; spread: [number, number] };
  /** 64 at a time on each of three mailboxes, by three instances, and on one by one. Two processors limit both. */
  instances: { one: number; three: number };
}

const rate = ({ messages, seconds }: Work): number => messages / seconds;

/** Runs the rounds; in each one the contestants take turns. */
export async function postgres({ rounds, postgres: amounts, say }: Settings): Promise<PostgresFigures> {
  const server = await startPostgres({ fsync: true });
  const opened = async (schema: string, instance = 1): Promise<Child> => {
    const child = Child.script('contestants/store.ts');
    await child.ask('open', { place: { url: server.url, schema }, mailbox: benchMailbox(instance) });
    return child;
  };
  const enqueue = async (child: Child, count: number, atOnce: number, instance = 1): Promise<number> =>
    rate(await child.ask<Work>('enqueue', { mailbox: benchMailbox(instance), count, atOnce, size: SIZE }));
  /** Returns each contestant's rates, after a round that does not count. */
  const inTurn = async (contestants: ReadonlyArray<() => Promise<number>>): Promise<number[][]> => {
    const rates: number[][] = contestants.map(() => []);
    for (let round = 0; round <= rounds; round += 1) {
      for (const [index, contestant] of contestants.entries()) {
        const measured = await contestant();
        if (round > 0) rates[index]?.push(measured);
      }
    }
    return rates;
  };
  try {
    say('  64 at a time, beside a bare INSERT');
    const bare = Child.script('limits/postgres-insert.ts');
    await bare.ask('open', { url: server.url });
    const ours = await opened('mesh');
    const [bareRates = [], ourRates = []] = await inTurn([
      () => enqueue(bare, amounts.together, AT_ONCE),
      () => enqueue(ours, amounts.together, AT_ONCE),
    ]);
    const toBare = ourRates.map((each, round) => each / (bareRates[round] ?? Number.NaN));

    say(`  one by one, beside ${amounts.messages} messages`);
    const full = await opened('mesh_full');
    await fill(server.url, amounts.messages);
    const empty = await opened('mesh_empty');
    const [emptyRates = [], fullRates = []] = await inTurn([
      () => enqueue(empty, amounts.oneByOne, 1),
      () => enqueue(full, amounts.oneByOne, 1),
    ]);
    const toEmpty = fullRates.map((each, round) => each / (emptyRates[round] ?? Number.NaN));

    say(`  ${INSTANCES} instances, beside one`);
    const all = [ours, ...(await Promise.all([2, 3].map((instance) => opened('mesh', instance))))];
    const [oneRates = [], threeRates = []] = await inTurn([
      () => enqueue(ours, amounts.together, AT_ONCE),
      async () => {
        const each = await Promise.all(all.map((child, index) => enqueue(child, amounts.together, AT_ONCE, index + 1)));
        return each.reduce((sum, one) => sum + one, 0);
      },
    ]);
    return {
      together: {
        perSecond: median(ourRates),
        bare: median(bareRates),
        toBare: median(toBare),
        spread: [Math.min(...toBare), Math.max(...toBare)],
      },
      oneByOne: {
        messages: amounts.messages,
        empty: median(emptyRates),
        full: median(fullRates),
        toEmpty: median(toEmpty),
        spread: [Math.min(...toEmpty), Math.max(...toEmpty)],
      },
      instances: { one: median(oneRates), three: median(threeRates) },
    };
  } finally {
    await Child.stopAll();
    await server.remove();
  }
}

/** Fills the full store, and pays for the server's upkeep now, so that it does not count for the enqueues. */
async function fill(url: string, messages: number): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query('SET search_path TO mesh_full');
    await fillHistory({ messages, lines: 1 }, POSTGRES, (sql) => client.query(sql));
    await client.query('VACUUM ANALYZE');
    await client.query('CHECKPOINT');
  } finally {
    await client.end();
  }
}
