/** Receives one large message into a file: random bytes against bare undici, gzipped CSV against gunzip alone. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { csvFile, gzippedPartsOf, partsOf, randomFile, type Part } from '../files';
import { Child } from '../harness/child';
import { compare, type Comparison, type Contestant } from '../harness/compare';
import type { BenchServer } from '../harness/server';
import type { Work } from '../harness/serve';
import { withFolder, type Settings } from '../settings';
import { sha256Of } from './large-send';

const MESSAGE = 'LARGE';

/** Returns a contestant that receives the file; the file is removed outside the timed part. */
function receiver(
  name: string,
  role: Contestant['role'],
  child: Child,
  folder: string,
  ask: (file: string) => Promise<Work>,
): Contestant {
  return {
    name,
    role,
    child,
    async round(round) {
      const file = join(folder, `${name.replaceAll(' ', '-')}-${round}`);
      try {
        return await ask(file);
      } finally {
        rmSync(file, { force: true });
      }
    },
  };
}

async function receive(
  settings: Settings,
  server: BenchServer,
  payload: string,
  parts: readonly Part[],
  encoding: 'gzip' | undefined,
): Promise<Comparison> {
  await server.clearInbox();
  await server.prepare(MESSAGE, parts, encoding);
  const expected = await sha256Of(payload);
  return withFolder(async (folder) => {
    const contestants: Contestant[] = [];
    const add = async (
      name: string,
      role: Contestant['role'],
      child: Child,
      ask: (file: string) => Promise<Work>,
      isBinarySafe = true,
    ) => {
      contestants.push(receiver(name, role, child, folder, ask));
      // Warms up, and checks that the received file equals the one that was sent.
      const file = join(folder, `warm-up-${role}`);
      await ask(file);
      if (isBinarySafe && (await sha256Of(file)) !== expected) throw new Error(`${name} received different bytes`);
      rmSync(file, { force: true });
    };
    try {
      await addLimit(server, parts, encoding, add);
      const ours = Child.script('contestants/large.ts');
      await ours.ask('connect', server.address);
      await add('library', 'ours', ours, (file) => ours.ask('receive', { messageId: MESSAGE, file }));
      for (const peer of settings.peers) {
        // The peer keeps the message in one string, so neither random bytes nor more than V8's maximum length.
        if (peer.receivesText && (!encoding || settings.large >= 512 * 2 ** 20)) continue;
        const child = peer.start();
        await child.ask('connect', server.address);
        await add(peer.name, 'peer', child, (file) => child.ask('receive', { messageId: MESSAGE, file }));
      }
      const control = { reset: () => server.reset(), figures: () => server.figures() };
      return await compare('MiB', contestants, settings.rounds, control);
    } finally {
      await Promise.all(contestants.map(({ child }) => child.stop()));
    }
  });
}

async function addLimit(
  server: BenchServer,
  parts: readonly Part[],
  encoding: 'gzip' | undefined,
  add: (name: string, role: 'limit', child: Child, ask: (file: string) => Promise<Work>) => Promise<void>,
): Promise<void> {
  if (encoding) {
    const child = Child.script('limits/gunzip.ts');
    await child.ask('load', { parts });
    await add('gunzip', 'limit', child, (file) => child.ask('expand', { file }));
    return;
  }
  const child = Child.script('limits/undici-large.ts');
  await child.ask('connect', server.address);
  const message = { messageId: MESSAGE, chunks: parts.length };
  await add('undici', 'limit', child, (file) => child.ask('receive', { ...message, file }));
}

export function receiveRandom(settings: Settings, server: BenchServer): Promise<Comparison> {
  const file = randomFile(settings.large);
  return receive(settings, server, file, partsOf(file), undefined);
}

export async function receiveCsv(settings: Settings, server: BenchServer): Promise<Comparison> {
  const file = csvFile(settings.large);
  return receive(settings, server, file, await gzippedPartsOf(file), 'gzip');
}
