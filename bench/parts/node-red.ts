/** In a real Node-RED: how long its event loop is held up by a large transfer, and what a flow of small messages costs. */
import type { Profiler } from 'node:inspector';
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { freePort, RealNodeRed } from '../../scripts/node-red';
import { csvFile, gzippedPartsOf, MIB, partsOf, randomFile, readPart, type Part } from '../files';
import type { BenchServer } from '../harness/server';
import { fileFlow, messagesFlow } from '../node-red/flows';
import { accounts, type Account } from '../node-red/profile';
import { withFolder, type Settings } from '../settings';
import { sha256Of } from './large-send';

const HOOK = resolve(__dirname, '..', 'node-red', 'hook.cjs');
/** A transfer of 1 GiB may take so long before it counts as stuck. */
const PATIENCE_MS = 10 * 60_000;

interface HookFigures {
  p99Ms: number;
  maxMs: number;
  peakMiB: number;
  cpuSeconds: number;
  mainSeconds: number;
  storeSeconds: number;
  profile?: Profiler.Profile;
}

interface Observed {
  nodeRed: RealNodeRed;
  hook: <T>(command: string) => Promise<T>;
}

async function withNodeRed<T>(folder: string, flows: unknown[], work: (observed: Observed) => Promise<T>): Promise<T> {
  const port = await freePort();
  const nodeRed = await RealNodeRed.start({
    userDir: join(folder, 'node-red'),
    flows: [],
    settings: `bench: void require(${JSON.stringify(HOOK)}),`,
    env: { BENCH_HOOK_PORT: String(port) },
  });
  const hook = async <T>(command: string): Promise<T> => {
    const response = await fetch(`http://127.0.0.1:${port}/${command}`);
    if (!response.ok) throw new Error(`hook: ${await response.text()}`);
    return (await response.json()) as T;
  };
  try {
    // Deployed, not read from the file: only then are the credentials taken out of the nodes.
    await nodeRed.deploy(flows);
    return await work({ nodeRed, hook });
  } finally {
    await nodeRed.stop();
  }
}

/** One transfer by the nodes. */
export interface NodeTransfer {
  what: string;
  p99Ms: number;
  maxMs: number;
  idleMiB: number;
  aboveIdleMiB: number;
}

const payload = (value: string) => [{ p: 'payload', v: value, vt: 'str' }];

/** Sends and receives a large file of each kind. */
export async function eventLoop(settings: Settings, server: BenchServer): Promise<NodeTransfer[]> {
  const { large, warmUp } = settings;
  return withFolder(async (folder) => {
    const inbox = join(folder, 'inbox');
    mkdirSync(inbox);
    return withNodeRed(folder, fileFlow(server.address, inbox), async ({ nodeRed, hook }) => {
      let messages = 0;
      const send = async (file: string): Promise<void> => {
        await nodeRed.inject('go', payload(file));
        await nodeRed.debug('sent', PATIENCE_MS);
      };
      const receive = async (file: string, parts: readonly Part[], encoding?: 'gzip'): Promise<void> => {
        await server.clearInbox();
        await server.prepare(`NODES_${(messages += 1)}`, parts, encoding);
        await nodeRed.inject('look');
        await nodeRed.debug('done', PATIENCE_MS);
        const [received] = readdirSync(inbox);
        const saved = join(inbox, received ?? '');
        if (!existsSync(saved) || (await sha256Of(saved)) !== (await sha256Of(file))) {
          throw new Error('mesh-poll received other bytes');
        }
        rmSync(saved);
      };
      const observed = async (what: string, transfer: () => Promise<void>): Promise<NodeTransfer> => {
        const { idleMiB } = await hook<{ idleMiB: number }>('start');
        await transfer();
        const { p99Ms, maxMs, peakMiB } = await hook<HookFigures>('stop');
        return { what, p99Ms, maxMs, idleMiB, aboveIdleMiB: peakMiB - idleMiB };
      };
      const [random, csv, before] = [randomFile(large), csvFile(large), csvFile(warmUp)];
      await send(before);
      await receive(before, await gzippedPartsOf(before), 'gzip');
      const zipped = await gzippedPartsOf(csv);
      return [
        await observed('send random', () => send(random)),
        await observed('send CSV', () => send(csv)),
        await observed('receive random', () => receive(random, partsOf(random))),
        await observed('receive CSV', () => receive(csv, zipped, 'gzip')),
      ];
    });
  });
}

/** What a flow of small messages came to. CPU in seconds. */
export interface FlowFigures {
  messages: number;
  seconds: number;
  perSecond: number;
  p99Ms: number;
  /** Of Node-RED's main thread by the profile; the store's worker thread by its own clock; the rest of its process; the server. */
  cpuSeconds: Record<Account, number> & { storeThread: number; otherThreads: number; server: number };
  /** Of all of them together: Node-RED with the nodes, the store, the client with the rest of the library, the server, Node.js. */
  shares: { nodeRed: number; store: number; client: number; server: number; runtime: number };
}

/** mesh-send -> MESH -> mesh-poll -> mesh-ack, from the first message in to the last one acknowledged. */
export async function flow(settings: Settings, server: BenchServer): Promise<FlowFigures> {
  const { flow: count, smallBytes } = settings;
  const text = readPart({ file: csvFile(MIB), start: 0, end: smallBytes }).toString('latin1');
  return withFolder((folder) =>
    withNodeRed(folder, messagesFlow(server.address, count, text), async ({ nodeRed, hook }) => {
      await server.clearInbox();
      await server.reset({ looped: true });
      await hook('start?profile');
      const began = performance.now();
      await nodeRed.inject('go');
      await nodeRed.debug('done', PATIENCE_MS);
      const seconds = (performance.now() - began) / 1000;
      const figures = await hook<HookFigures>('stop?profile');
      const { cpuSeconds: serverSeconds, messages, inbox } = await server.figures();
      if (messages !== count || inbox !== 0) throw new Error(`the server got ${messages} messages, ${inbox} are left`);
      if (!figures.profile) throw new Error('no profile');
      const main = accounts(figures.profile);
      const otherThreads = Math.max(0, figures.cpuSeconds - figures.mainSeconds - figures.storeSeconds);
      const all = { ...main, storeThread: figures.storeSeconds, otherThreads, server: serverSeconds };
      const total = Object.values(all).reduce((sum, each) => sum + each, 0);
      return {
        messages: count,
        seconds,
        perSecond: count / seconds,
        p99Ms: figures.p99Ms,
        cpuSeconds: all,
        shares: {
          nodeRed: (all.nodeRed + all.nodes) / total,
          store: (all.store + all.storeThread) / total,
          client: (all.client + all.library) / total,
          server: all.server / total,
          runtime: (all.runtime + all.otherThreads) / total,
        },
      };
    }),
  );
}
