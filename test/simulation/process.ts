/** One process of Node-RED with one mailbox, as its nodes use lib: storage, outbox, inbox, and a flow. */
import { setNetwork } from '../../lib/client/transport';
import { setMachine, type Clock } from '../../lib/clock';
import { setFiles } from '../../lib/files';
import { openMailbox, openStorage, type DurableMailbox, type Storage } from '../../lib/index';
import { setRandomness } from '../../lib/random';
import type { InboxConsumer, InboxPoller } from '../../lib/receive/inbox-types';
import { loadProfiles } from '../../lib/acks/profiles';
import { setDriver } from '../../lib/store/sqlite/driver';
import { setStoreWorker } from '../../lib/store/sqlite/open-sqlite-store';
import type { SimulatedClock } from './clock';
import type { Disk } from './disk';
import { Descriptors, simulatedFiles } from './files';
import type { Network } from './network';
import type { SeededRandom } from './random';
import type { Life, Schedule } from './schedule';
import { SimulatedWorker, simulatedDriver } from './sqlite';

export const OUR_MAILBOX = 'X26ABC1';
export const FOLDER = '/data/mesh';
/** The wait of a node whose storage could not be opened (milliseconds). */
const OPEN_AGAIN_MS = 5000;
/** For how long Node-RED waits for its nodes to close (milliseconds). */
const CLOSE_MS = 15_000;
const profiles = loadProfiles();

/** How the mailbox of one world is set. */
export interface Settings {
  maxRequestBytes: number;
  chunkBytes: number;
  meshAcknowledge: 'when-spooled' | 'when-done';
  minimumIntervalMs: number;
  leaseMs: number;
}

/** What a process runs in. */
export interface ProcessParts {
  schedule: Schedule;
  random: SeededRandom;
  disk: Disk;
  clock: SimulatedClock;
  network: Network;
  settings: Settings;
  bootId: string;
  consumer: (poller: InboxPoller) => InboxConsumer;
  /** Called with what the outbox says of a message. */
  onEvent: (event: string, id: string) => void;
  /** Called when the mailbox is open. */
  onOpen: (process: Process) => void;
  note: (line: string) => void;
}

/** Puts lib back on the machine. */
export function leaveWorld(): void {
  setMachine();
  setFiles();
  setRandomness();
  setNetwork();
  setDriver();
  setStoreWorker();
}

/** A process, from its start until it ends or is killed: of Node-RED, or of a tool that runs while Node-RED does not. */
export class Process {
  readonly life: Life = { isOver: false };
  readonly #parts: ProcessParts;
  readonly #over = Promise.withResolvers<undefined>();
  #storage: Storage | undefined;
  mailbox: DurableMailbox | undefined;
  poller: InboxPoller | undefined;

  constructor(parts: ProcessParts) {
    this.#parts = parts;
  }

  /** Puts lib into this world. Nothing of an earlier process may run any more. */
  enter(): void {
    const { schedule, random, disk, clock, network, bootId } = this.#parts;
    const { life } = this;
    const descriptors = new Descriptors(disk);
    const delay = (): number => random.between(0, 4);
    setMachine(clock.machine(life));
    setFiles(simulatedFiles({ disk, descriptors, bootId, later: (work) => this.#later(work, delay()) }));
    setRandomness(this.#randomness());
    setNetwork((config) => network.transport(config, life));
    setDriver(simulatedDriver({ disk, descriptors, random, now: () => clock.wall }));
    setStoreWorker((data) => new SimulatedWorker(data, schedule, life, delay));
  }

  /** Starts Node-RED. */
  start(): void {
    this.enter();
    void this.#run();
  }

  /** Ends at once: nothing that it has planned happens any more. */
  end(): void {
    this.life.isOver = true;
    this.#over.resolve(undefined);
  }

  /** Resolves with the result of work of this process; with undefined if the process ends before. */
  unlessEnded<Result>(work: Promise<Result>): Promise<Result | undefined> {
    const result = work.catch((error: unknown) => {
      if (!this.life.isOver) throw error;
      return undefined;
    });
    return Promise.race([result, this.#over.promise]);
  }

  /** Closes the nodes, as far as it gets: Node-RED waits for 15 seconds. */
  async close(): Promise<void> {
    const { promise: patience, resolve } = Promise.withResolvers<void>();
    this.#parts.schedule.in(CLOSE_MS, resolve, this.life);
    await this.unlessEnded(Promise.race([this.#close(), patience]));
  }

  async #close(): Promise<void> {
    await this.poller?.close();
    await this.mailbox?.close();
    await this.#storage?.close();
  }

  async #run(): Promise<void> {
    const { settings, note, consumer, onOpen, onEvent, clock } = this.#parts;
    const machine = clock.machine(this.life);
    // The process's own: what lib remembers of a clock must not outlive it.
    const own: Clock = { ...machine, sleep: (ms, signal) => machine.sleep(ms, signal, true) };
    while (!this.#storage) {
      this.#storage = await openStorage({ folder: FOLDER, clock: own }).catch((error: unknown) => {
        note(`storage not opened: ${String(error)}`);
        return undefined;
      });
      if (!this.#storage) await machine.sleep(OPEN_AGAIN_MS, undefined, true);
    }
    const { maxRequestBytes, chunkBytes, meshAcknowledge, minimumIntervalMs, leaseMs } = settings;
    const mailbox = openMailbox({
      environment: 'https://mesh.simulated',
      mailboxId: OUR_MAILBOX,
      password: 'password',
      sharedKey: 'key',
      compression: 'never',
      maxRequestBytes,
      chunkBytes,
      profiles,
      storage: this.#storage,
      clock: own,
    });
    const poller = mailbox.inbox({ meshAcknowledge, minimumIntervalMs, leaseMs, maxDeliveries: 4 });
    mailbox.outbox.onEvent(({ event, message }) => {
      note(`outbox: ${event} ${message.id} ${message.messageId ?? ''}`);
      onEvent(event, message.id);
    });
    mailbox.onSending(({ storeError }) => {
      if (storeError) note(`outbox: the store fails: ${storeError.message}`);
    });
    poller.add(consumer(poller));
    mailbox.start();
    this.mailbox = mailbox;
    this.poller = poller;
    onOpen(this);
  }

  /** Runs work in a step of its own. The promise never settles once the process is over. */
  #later<Result>(work: () => Result, ms: number): Promise<Result> {
    return new Promise((resolve, reject) => {
      const run = (): void => {
        try {
          const result = work();
          if (!this.life.isOver) resolve(result);
        } catch (error) {
          if (!this.life.isOver) reject(error);
        }
      };
      this.#parts.schedule.in(ms, run, this.life);
    });
  }

  #randomness(): Parameters<typeof setRandomness>[0] {
    const { random, clock } = this.#parts;
    const hex = (size: number): string => random.bytes(size).toString('hex');
    return {
      number: () => random.number(),
      bytes: (size) => random.bytes(size),
      uuid: () => `${hex(4)}-${hex(2)}-4${hex(2).slice(1)}-a${hex(2).slice(1)}-${hex(6)}`,
      uuidv7: () => {
        const time = Math.floor(clock.wall).toString(16).padStart(12, '0');
        return `${time.slice(0, 8)}-${time.slice(8)}-7${hex(2).slice(1)}-a${hex(2).slice(1)}-${hex(6)}`;
      },
    };
  }
}
