/** Measures the event loop delay and the memory of a real Node-RED during a large transfer. */
import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { csvFile, gzippedPartsOf, partsOf, randomFile, repeatedParts, repeatedRandomFile, type Part } from '../files';
import type { BenchServer } from '../harness/server';
import { fileFlow } from '../node-red/flows';
import { withNodeRed, type HookFigures } from '../node-red/run';
import { withFolder, type Settings } from '../settings';
import { sha256Of } from './large-send';

/** Maximum duration of a transfer. */
const TRANSFER_TIMEOUT_MS = 10 * 60_000;

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
