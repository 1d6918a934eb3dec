/** In a real Node-RED: how long its event loop is held up by a large transfer, and what a flow of small messages costs. */
import type { Profiler } from 'node:inspector';
import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { RealNodeRed } from '../../test/harness/node-red';
import {
  csvFile,
  gzippedPartsOf,
  MIB,
  partsOf,
  randomFile,
  readPart,
  repeatedParts,
  repeatedRandomFile,
  type Part,
} from '../files';
import type { BenchServer } from '../harness/server';
import { freePort } from '../../test/harness/ports';
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

/** What the flow of files can be asked for. */
interface Transfers {
  send: (file: string) => Promise<void>;
  /** Throws where what was received is not what `expected` finds right. */
  receive: (parts: readonly Part[], encoding: 'gzip' | undefined, expected: Expected) => Promise<void>;
  observed: (what: string, transfer: () => Promise<void>) => Promise<NodeTransfer>;
}

type Expected = (saved: string) => Promise<boolean>;

/** Runs `work` with a Node-RED that sends and receives files, after one of each. */
async function withTransfers<T>(
  { warmUp }: Settings,
  server: BenchServer,
  work: (transfers: Transfers) => Promise<T>,
): Promise<T> {
  return withFolder((folder) => {
    const inbox = join(folder, 'inbox');
    mkdirSync(inbox);
    return withNodeRed(folder, fileFlow(server.address, inbox), async ({ nodeRed, hook }) => {
      let messages = 0;
      const transfers: Transfers = {
        async send(file) {
          await nodeRed.inject('go', payload(file));
          await nodeRed.debug('sent', PATIENCE_MS);
        },
        async receive(parts, encoding, expected) {
          await server.clearInbox();
          await server.prepare(`NODES_${(messages += 1)}`, parts, encoding);
          await nodeRed.inject('look');
          await nodeRed.debug('done', PATIENCE_MS);
          const [received] = readdirSync(inbox);
          const saved = join(inbox, received ?? '');
          if (received === undefined || !(await expected(saved))) throw new Error('mesh-poll received other bytes');
          rmSync(saved);
        },
        async observed(what, transfer) {
          const { idleMiB } = await hook<{ idleMiB: number }>('start');
          await transfer();
          const { p99Ms, maxMs, peakMiB } = await hook<HookFigures>('stop');
          return { what, p99Ms, maxMs, idleMiB, aboveIdleMiB: peakMiB - idleMiB };
        },
      };
      const before = csvFile(warmUp);
      await transfers.send(before);
      await transfers.receive(await gzippedPartsOf(before), 'gzip', sameAs(before));
      return work(transfers);
    });
  });
}

const sameAs =
  (file: string): Expected =>
  async (saved) =>
    (await sha256Of(saved)) === (await sha256Of(file));

/** Sends and receives a large file of each kind. */
export async function eventLoop(settings: Settings, server: BenchServer): Promise<NodeTransfer[]> {
  const [random, csv] = [randomFile(settings.large), csvFile(settings.large)];
  const zipped = await gzippedPartsOf(csv);
  return withTransfers(settings, server, async ({ send, receive, observed }) => [
    await observed('send1G random', () => send(random)),
    await observed('send1G CSV', () => send(csv)),
    await observed('receive1G random', () => receive(partsOf(random), undefined, sameAs(random))),
    await observed('receive1G CSV', () => receive(zipped, 'gzip', sameAs(csv))),
  ]);
}

/** Sends and receives 20 GiB of random bytes; the server serves the same bytes again and again. */
export async function eventLoop20G(settings: Settings, server: BenchServer): Promise<NodeTransfer[]> {
  const { huge } = settings;
  return withTransfers(settings, server, async ({ send, receive, observed }) => {
    const file = repeatedRandomFile(huge);
    try {
      const sent = await observed('send20G random', () => send(file));
      // Gone before as much again is written.
      rmSync(file);
      const whole: Expected = async (saved) => statSync(saved).size === huge;
      return [sent, await observed('receive20G random', () => receive(repeatedParts(huge), undefined, whole))];
    } finally {
      rmSync(file, { force: true });
    }
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
