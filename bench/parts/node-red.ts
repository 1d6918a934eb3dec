/** Measures a real Node-RED: event loop delay during a large transfer, and the CPU cost of a flow of small messages. */
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
/** Maximum duration of a transfer. */
const TRANSFER_TIMEOUT_MS = 10 * 60_000;

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
    // Deployed rather than read from the flow file: only a deployment moves credentials out of the nodes.
    await nodeRed.deploy(flows);
    return await work({ nodeRed, hook });
  } finally {
    await nodeRed.stop();
  }
}

/** The figures of one transfer by the nodes. */
export interface NodeTransfer {
  what: string;
  p99Ms: number;
  maxMs: number;
  idleMiB: number;
  aboveIdleMiB: number;
}

const payload = (value: string) => [{ p: 'payload', v: value, vt: 'str' }];

/** The transfers that the file flow can make. */
interface Transfers {
  send: (file: string) => Promise<void>;
  /** @throws Error when `expected` does not accept the received file. */
  receive: (parts: readonly Part[], encoding: 'gzip' | undefined, expected: Expected) => Promise<void>;
  observed: (what: string, transfer: () => Promise<void>) => Promise<NodeTransfer>;
}

type Expected = (saved: string) => Promise<boolean>;

/** Runs `work` with a Node-RED that sends and receives files, warmed up with one of each. */
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
          await nodeRed.debug('sent', TRANSFER_TIMEOUT_MS);
        },
        async receive(parts, encoding, expected) {
          await server.clearInbox();
          await server.prepare(`NODES_${(messages += 1)}`, parts, encoding);
          await nodeRed.inject('look');
          await nodeRed.debug('done', TRANSFER_TIMEOUT_MS);
          const [received] = readdirSync(inbox);
          const saved = join(inbox, received ?? '');
          if (received === undefined || !(await expected(saved))) throw new Error('mesh-poll received different bytes');
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

/** Sends and receives 20 GiB of random bytes; the server repeats the same bytes. */
export async function eventLoop20G(settings: Settings, server: BenchServer): Promise<NodeTransfer[]> {
  const { huge } = settings;
  return withTransfers(settings, server, async ({ send, receive, observed }) => {
    const file = repeatedRandomFile(huge);
    try {
      const sent = await observed('send20G random', () => send(file));
      // Removed before as much again is written.
      rmSync(file);
      const whole: Expected = async (saved) => statSync(saved).size === huge;
      return [sent, await observed('receive20G random', () => receive(repeatedParts(huge), undefined, whole))];
    } finally {
      rmSync(file, { force: true });
    }
  });
}

/** The figures of a flow of small messages. CPU in seconds. */
export interface FlowFigures {
  messages: number;
  seconds: number;
  perSecond: number;
  p99Ms: number;
  /** Node-RED's main thread by profile, the store's worker thread by its own clock, other threads, and the server. */
  cpuSeconds: Record<Account, number> & { storeThread: number; otherThreads: number; server: number };
  /** Shares of the total: Node-RED with the nodes, store, client with the rest of the library, server, Node.js. */
  shares: { nodeRed: number; store: number; client: number; server: number; runtime: number };
}

/** Runs mesh-send -> MESH -> mesh-poll -> mesh-ack, from the first message sent to the last one acknowledged. */
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
      await nodeRed.debug('done', TRANSFER_TIMEOUT_MS);
      const seconds = (performance.now() - began) / 1000;
      const figures = await hook<HookFigures>('stop?profile');
      const { cpuSeconds: serverSeconds, messages, inbox } = await server.figures();
      if (messages !== count || inbox !== 0)
        throw new Error(`the server received ${messages} messages, ${inbox} are left`);
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
