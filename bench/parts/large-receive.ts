/**
 * Receives one large message into a file: random bytes against bare undici, gzipped CSV against gunzip alone; and random
 * bytes of three sizes against the NHS Python client, as it comes and with the work added that the library does.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { csvFile, gzippedPartsOf, MIB, partsOf, randomFile, type Part } from '../files';
import { Child } from '../harness/child';
import { compare, type Comparison, type Contestant, type ContestantFigures } from '../harness/compare';
import type { BenchServer } from '../harness/server';
import type { Work } from '../harness/serve';
import { withFolder, type Settings } from '../settings';
import { sha256Of } from './large-send';

const MESSAGE = 'LARGE';
/** Of the Python client: without SHA-256 and fsync. */
const AS_IT_COMES = 'as it comes';

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
  withPlain = false,
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
        if (!withPlain) continue;
        const name = `${peer.name}, ${AS_IT_COMES}`;
        await add(name, 'variant', child, (file) => child.ask('receive', { messageId: MESSAGE, file, plain: true }));
      }
      const control = { reset: () => server.reset(), figures: () => server.figures() };
      return await compare('MiB', contestants, settings.rounds, control);
    } finally {
      await Promise.all([...new Set(contestants.map(({ child }) => child))].map((child) => child.stop()));
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

/** Receiving a message of one size, relative to the NHS Python client; null if that is not installed. */
export interface SizeFigures {
  mib: number;
  /** Our rate relative to the client as it comes, and with SHA-256 and fsync added. */
  toPlain: number | null;
  toEqual: number | null;
  /** Our CPU for each MiB relative to the same. */
  cpuToPlain: number | null;
  cpuToEqual: number | null;
  comparison: Comparison;
}

/** Compares with the Python client at three sizes, 1 GiB unless the setting is smaller. */
export async function receiveSizes(settings: Settings, server: BenchServer): Promise<SizeFigures[]> {
  const python = settings.peers.filter(({ receivesText }) => !receivesText);
  const figures: SizeFigures[] = [];
  for (const bytes of [settings.large / 16, settings.large / 4, settings.large]) {
    const file = randomFile(bytes);
    const comparison = await receive({ ...settings, peers: python }, server, file, partsOf(file), undefined, true);
    const of = (role: Contestant['role']): ContestantFigures | undefined =>
      comparison.standings.find((each) => each.role === role);
    const [ours, plain, equal] = [of('ours'), of('variant'), of('peer')];
    const ratio = (of: 'perSecond' | 'cpuMs', other: ContestantFigures | undefined): number | null =>
      ours && other ? ours[of] / other[of] : null;
    figures.push({
      mib: bytes / MIB,
      toPlain: ratio('perSecond', plain),
      toEqual: ratio('perSecond', equal),
      cpuToPlain: ratio('cpuMs', plain),
      cpuToEqual: ratio('cpuMs', equal),
      comparison,
    });
  }
  return figures;
}
