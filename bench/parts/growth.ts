/** Measures whether a message costs more CPU (client, all threads) with many messages in the inbox or the ledger. */
import { join } from 'node:path';
import { csvFile, MIB } from '../files';
import { Child } from '../harness/child';
import { median } from '../../test/harness/median';
import type { BenchServer } from '../harness/server';
import type { Work } from '../harness/serve';
import { withFolder, type Settings } from '../settings';
import { seedLedger } from './store-operations';

/** CPU microseconds per message, with few and with many messages. */
export interface Growth {
  few: { of: number; cpuMicroseconds: number };
  many: { of: number; cpuMicroseconds: number };
  /** many / few. */
  ratio: number;
}

const microseconds = ({ cpuSeconds, messages }: Work): number => (1e6 * cpuSeconds) / messages;

/** Starts a process with a durable mailbox, and warms it up. */
async function started(server: BenchServer, folder: string, batch: object): Promise<Child> {
  const child = Child.script('contestants/small.ts');
  await child.ask('connectDurable', { ...server.address, folder });
  await child.ask('smallDurableSend', batch);
  return child;
}

/** Drains an inbox of few messages several times, and an inbox of many once. */
async function inboxGrowth(settings: Settings, server: BenchServer): Promise<Growth> {
  const { inbox, smallBytes: bytes, rounds, smallWarmUps } = settings;
  const [few, many] = inbox;
  // With few messages: code that is not compiled yet would make the few cost more.
  const warmUps = 2 * smallWarmUps;
  const file = csvFile(MIB);
  const drain = (name: string, count: number, times: number): Promise<number> =>
    withFolder(async (folder) => {
      const child = await started(server, folder, { count: 20, file, bytes });
      const costs: number[] = [];
      try {
        for (let round = 1; round <= warmUps + times; round += 1) {
          const now = round <= warmUps ? few : count;
          await server.clearInbox();
          await server.fill(now, `${name}${round}`, file, bytes);
          const work = await child.ask<Work>('smallReceive', { count: now });
          if (round > warmUps) costs.push(microseconds(work));
        }
        await child.ask('close');
        return median(costs);
      } finally {
        await child.stop();
      }
    });
  const small = await drain('FEW', few, rounds);
  return growthOf([few, small], [many, await drain('MANY', many, 1)]);
}

/** Sends durably with an empty ledger and with a full one in turn. */
async function ledgerGrowth(settings: Settings, server: BenchServer): Promise<Growth> {
  const { ledgerRows, small: count, smallBytes: bytes, rounds } = settings;
  const batch = { count, file: csvFile(MIB), bytes };
  return withFolder(async (folder) => {
    const [empty, full] = [join(folder, 'empty'), join(folder, 'full')];
    // The store creates its tables when it is first opened.
    const first = await started(server, full, batch);
    await first.ask('close');
    await first.stop();
    seedLedger(full, ledgerRows);
    const children = [await started(server, empty, batch), await started(server, full, batch)];
    const costs: [number[], number[]] = [[], []];
    try {
      for (let round = 1; round <= rounds; round += 1) {
        for (const [i, child] of children.entries()) {
          costs[i as 0 | 1].push(microseconds(await child.ask<Work>('smallDurableSend', batch)));
        }
      }
      await Promise.all(children.map((child) => child.ask('close')));
    } finally {
      await Promise.all(children.map((child) => child.stop()));
    }
    return growthOf([0, median(costs[0])], [ledgerRows, median(costs[1])]);
  });
}

function growthOf([few, before]: [number, number], [many, after]: [number, number]): Growth {
  return {
    few: { of: few, cpuMicroseconds: before },
    many: { of: many, cpuMicroseconds: after },
    ratio: after / before,
  };
}

export async function growth(settings: Settings, server: BenchServer): Promise<{ inbox: Growth; ledger: Growth }> {
  return { inbox: await inboxGrowth(settings, server), ledger: await ledgerGrowth(settings, server) };
}
