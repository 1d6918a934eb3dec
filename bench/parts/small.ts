/** Small messages on one connection, against bare undici. */
import { join } from 'node:path';
import { csvFile, MIB } from '../files';
import { Child } from '../harness/child';
import { compare, type Comparison, type Contestant } from '../harness/compare';
import type { BenchServer } from '../harness/server';
import type { Work } from '../harness/serve';
import { withFolder, type Settings } from '../settings';

/** Rounds per round of large messages: a round of small ones takes at most a second, so it carries more noise. */
const ROUNDS = 3;

/** Counts inbox fillings: each has new message ids, because the library delivers an id only once. */
let filled = 0;

type Job = 'smallSend' | 'smallDurableSend' | 'smallReceive';

async function run(settings: Settings, server: BenchServer, job: Job): Promise<Comparison> {
  const { small: count, smallRunUp, smallBytes: bytes } = settings;
  const file = csvFile(MIB);
  const limitJob = job === 'smallDurableSend' ? 'smallSend' : job;
  const contestant = (name: string, role: Contestant['role'], child: Child, command: string): Contestant => {
    const done = async (expected: number): Promise<Work> => {
      await server.reset();
      if (job === 'smallReceive') await server.fill(expected, `SMALL${(filled += 1)}`, file, bytes);
      const work = await child.ask<Work>(command, { count: expected, file, bytes });
      await check(server, job, work, { count: expected, bytes }, name);
      return work;
    };
    return {
      name,
      role,
      child,
      async round() {
        await done(smallRunUp);
        return done(count);
      },
    };
  };
  return withFolder(async (folder) => {
    await server.clearInbox();
    const limit = contestant('undici', 'limit', Child.script('limits/undici-small.ts'), limitJob);
    const ours = contestant('library', 'ours', Child.script('contestants/small.ts'), job);
    const peers = settings.peers.map((peer) => contestant(peer.name, 'peer', peer.start(), limitJob));
    const all = [limit, ours, ...peers];
    try {
      for (const each of all) {
        await each.child.ask('connect', server.address);
        if (each === ours) await each.child.ask('connectDurable', { ...server.address, folder: join(folder, 'state') });
        for (let warmUp = 1; warmUp <= settings.smallWarmUps; warmUp += 1) {
          await each.round(0);
        }
      }
      const control = { reset: () => server.reset(), figures: () => server.figures() };
      const comparison = await compare('message', all, ROUNDS * settings.rounds, control);
      await ours.child.ask('close');
      return comparison;
    } finally {
      await Promise.all(all.map(({ child }) => child.stop()));
    }
  });
}

async function check(
  server: BenchServer,
  job: Job,
  work: Work,
  expected: { count: number; bytes: number },
  name: string,
): Promise<void> {
  const { messages, inbox } = await server.figures();
  const done = job === 'smallReceive' ? expected.count - inbox : messages;
  if (work.messages === expected.count && done === expected.count && work.bytes === expected.count * expected.bytes)
    return;
  throw new Error(`${name}: ${work.messages} (server: ${done}) of ${expected.count} messages, ${work.bytes} bytes`);
}

export const smallSend = (settings: Settings, server: BenchServer): Promise<Comparison> =>
  run(settings, server, 'smallSend');
export const smallDurableSend = (settings: Settings, server: BenchServer): Promise<Comparison> =>
  run(settings, server, 'smallDurableSend');
export const smallReceive = (settings: Settings, server: BenchServer): Promise<Comparison> =>
  run(settings, server, 'smallReceive');
