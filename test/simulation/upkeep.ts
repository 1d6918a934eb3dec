/**
 * What people do with a Node-RED that they stop, and with its folders: they restart it, put a backup back, erase a
 * message, try another version, mount another folder, and put files of their own beside ours.
 */
import { dirname } from 'node:path';
import { ConfigurationError, InvalidMessageError, NotFoundError } from '../../lib/errors';
import { openFile } from '../../lib/store/sqlite/driver';
import { SCHEMA_VERSION } from '../../lib/store/rules/schema-version';
import { eraseMessage } from '../../lib/store/tools/erase';
import { sqliteSide } from '../../lib/store/tools/side';
import type { SimulatedClock } from './clock';
import type { Disk, Node } from './disk';
import type { Faults, Kind } from './faults';
import type { Flow } from './flow';
import type { Model } from './model';
import { FOLDER } from './process';
import type { SeededRandom } from './random';
import type { Schedule } from './schedule';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const SPOOL = `${FOLDER}/spool`;
const MARK = `${SPOOL}/mesh-spool.json`;
/** The store is these files; what its marks know is beside them, and is not put back with it. */
const STORE = ['mesh.db', 'mesh.db-wal'].map((name) => `${FOLDER}/${name}`);
/** Copies that are kept. */
const COPIES = 2;
/** Names as our files have them, of nobody's message. */
const OUT_NAME = 'out-0198a5f01111722201a3334444555566';
const IN_NAME = 'in-0198a5f01111722201a3334444555566-0198a5f0-1111-7222-a333-444455556666';
/** Files that people and other programs put beside ours. The last ones look like ours, and are not. */
const FOREIGN = [
  'notes.txt',
  'letters/discharge.pdf',
  'quarantine/notes.txt',
  'mesh.db.bak',
  'part-1.zip',
  'upload-.tmp',
  `${OUT_NAME}.pdf`,
  `${IN_NAME}.old`,
  `${OUT_NAME.replace('0', '1')}/scan.tif`,
];

/** The machine's Node-RED, as people stop and start it. */
interface Machine {
  /** Stops Node-RED, or ends its process. Returns false if it did not run, or has ended by itself meanwhile. */
  stop(): Promise<boolean>;
  /** Starts Node-RED again. */
  start(): void;
  /** Runs a tool on the store, while Node-RED is stopped. Returns undefined if it was killed; then Node-RED starts. */
  useTool<Result>(work: () => Promise<Result>): Promise<Result | undefined>;
  /** Does something with the store at once, while Node-RED is stopped and nothing goes wrong. */
  atOnce(work: () => void): void;
  /** Whether Node-RED has its mailbox open. */
  isOpen(): boolean;
}

interface UpkeepParts {
  schedule: Schedule;
  faults: Faults;
  disk: Disk;
  clock: SimulatedClock;
  model: Model;
  flow: Flow;
  machine: Machine;
  note: (line: string) => void;
}

/** A copy of store and spool, of one moment. */
interface Copy {
  store: ReadonlyArray<[path: string, node: Node | undefined]>;
  spool: Node | undefined;
  /** Tells the model that the copy is in the store's place. */
  putBack: () => void;
}

export class Upkeep {
  readonly #parts: UpkeepParts;
  readonly #copies: Copy[] = [];
  /** The spool folder, while another one is in its place. */
  #away: Node | undefined;
  #isBusy = false;

  constructor(parts: UpkeepParts) {
    this.#parts = parts;
  }

  /** Somebody restarts Node-RED. */
  restart(): Promise<void> {
    return this.#alone(async () => {
      if (await this.#parts.machine.stop()) await this.#startSoon('restart');
    });
  }

  /** A backup is made of what the disk has at this moment. */
  copy(): void {
    const { disk, model, note } = this.#parts;
    if (this.#isBusy || this.#away || !disk.find(SPOOL)) return;
    const store = STORE.map((path): [string, Node | undefined] => [path, disk.find(path)?.copy()]);
    this.#copies.push({ store, spool: disk.find(SPOOL)?.copy(), putBack: model.storeCopied() });
    if (this.#copies.length > COPIES) this.#copies.shift();
    note('person: copies store and spool');
  }

  /** Somebody puts the store of a backup back, or store and spool. The marks beside it stay. */
  putBack(): Promise<void> {
    const { machine, disk, faults, note } = this.#parts;
    const random = faults.of('backup put back');
    return this.#alone(async () => {
      if (this.#copies.length === 0 || !(await machine.stop())) return;
      const { store, spool, putBack } = random.pick(this.#copies);
      const withSpool = random.chance(0.5) && !this.#away;
      for (const [path, node] of store) disk.put(path, node?.copy());
      if (withSpool) disk.put(SPOOL, spool?.copy());
      putBack();
      note(`person: puts a backup of the store${withSpool ? ' and the spool' : ''} back`);
      await this.#startSoon('backup put back');
    });
  }

  /** Somebody has a message erased: mostly with Node-RED stopped, as the tool demands. */
  erase(): Promise<void> {
    const { machine, faults, model } = this.#parts;
    const random = faults.of('erase');
    return this.#alone(async () => {
      const target = this.#chooseForErasure(random);
      if (!target) return;
      if (machine.isOpen() && random.chance(0.2)) {
        const outcome = await this.#runErase(target, true);
        // A kill at that moment ends the tool too, before it was refused.
        if (outcome !== 'refused' && machine.isOpen()) model.violated('Node-RED: erased in a store that was in use');
        return;
      }
      if (!(await machine.stop())) return;
      const outcome = await machine.useTool(() => this.#runErase(target, random.chance(0.7)));
      if (outcome === undefined) {
        // Killed half-way: either all of it has happened, or the payload alone is gone. Node-RED starts by itself.
        target.half();
        return;
      }
      if (outcome === 'failed') target.half();
      if (outcome === 'erased') {
        target.done();
        this.#requireGone(target);
      }
      await this.#startSoon('erase');
    });
  }

  /** Somebody has another version change the store, and then starts this one again: it refuses. */
  tryOtherVersion(): Promise<void> {
    const { machine, model, faults, note } = this.#parts;
    const random = faults.of('newer version');
    return this.#alone(async () => {
      if (!(await machine.stop())) return;
      const version = SCHEMA_VERSION + random.pick([1, 1, 1, -1]);
      let isMade = false;
      machine.atOnce(() => void (isMade = setVersion(version)));
      if (!isMade) {
        machine.start();
        return;
      }
      note(`person: has the version with schema ${version} change the store`);
      const before = this.#bytesOfStore();
      machine.start();
      await this.#wait(random.between(5, 90) * SECOND);
      if (machine.isOpen()) model.violated('Node-RED: a store of another version was opened');
      if (this.#bytesOfStore() !== before) model.violated('Node-RED: a store of another version was touched');
      const isStopped = await machine.stop();
      machine.atOnce(() => void setVersion(SCHEMA_VERSION));
      note('person: puts the version of the store back');
      // Otherwise it was killed meanwhile, and starts by itself.
      if (isStopped) machine.start();
    });
  }

  /** Another folder is mounted in the spool's place for a while, or none. */
  replaceSpool(): void {
    const { disk, schedule, faults, note } = this.#parts;
    const random = faults.of('folder replaced');
    const folder = disk.find(SPOOL);
    if (this.#away || !folder) return;
    this.#away = folder;
    const kind = random.pick(['none', 'an empty one', 'one of other people', 'one of another store'] as const);
    disk.put(SPOOL, kind === 'none' ? undefined : disk.newNode(true, 0o700));
    if (kind === 'one of other people') for (const name of FOREIGN) disk.putForeign(`${SPOOL}/${name}`, 'theirs');
    if (kind === 'one of another store') {
      disk.putForeign(MARK, '{"store":"another"}');
      for (const name of [OUT_NAME, IN_NAME]) disk.putForeign(`${SPOOL}/${name}`, 'theirs');
    }
    note(`disk: instead of the spool folder, ${kind}`);
    schedule.in(random.between(1, 15) * MINUTE, () => this.#putSpoolBack());
  }

  /** Somebody puts files of their own into our folders. */
  addForeignFiles(): void {
    const { disk, faults } = this.#parts;
    const random = faults.of('foreign files');
    for (const folder of [FOLDER, SPOOL]) {
      const path = `${folder}/${random.pick(FOREIGN)}`;
      // A quarantine is ours, whoever has made it.
      // An unmarked folder with other people's files is refused for good (lib/payload/spool-mark.ts), and rightly.
      const isOurs = folder === FOLDER || disk.find(MARK) !== undefined;
      const isPossible = isOurs && disk.find(path.includes('/quarantine/') ? dirname(path) : folder) !== undefined;
      if (isPossible && !disk.find(path)) disk.putForeign(path, 'theirs');
    }
  }

  #putSpoolBack(): void {
    const { disk, note } = this.#parts;
    disk.put(SPOOL, this.#away);
    this.#away = undefined;
    note('disk: the spool folder is back');
  }

  /** One thing at a time: who finds Node-RED stopped by somebody else leaves it alone. */
  async #alone(work: () => Promise<void>): Promise<void> {
    if (this.#isBusy) return;
    this.#isBusy = true;
    await work();
    this.#isBusy = false;
  }

  async #startSoon(kind: Kind): Promise<void> {
    const { machine, faults } = this.#parts;
    await this.#wait(faults.of(kind).between(1, 60) * SECOND);
    machine.start();
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#parts.schedule.in(ms, resolve));
  }

  /** A failure of the disk leaves it half-way, as a kill does. */
  async #runErase({ reference }: Target, force: boolean): Promise<'erased' | 'refused' | 'failed'> {
    const { note, clock } = this.#parts;
    note(`person: erases ${reference}${force ? ' by force' : ''}`);
    try {
      const side = await sqliteSide(FOLDER);
      try {
        const erasure = { reference, by: 'case 1', force, now: Math.floor(clock.wall), spool: SPOOL };
        for (const line of await eraseMessage(side, erasure)) note(`erase: ${line}`);
        return 'erased';
      } finally {
        await side.close();
      }
    } catch (error) {
      note(`erase: ${String(error)}`);
      const isRefused =
        error instanceof ConfigurationError || error instanceof InvalidMessageError || error instanceof NotFoundError;
      return isRefused ? 'refused' : 'failed';
    }
  }

  /** A sent message of one row, or a received one. */
  #chooseForErasure(random: SeededRandom): Target | undefined {
    const { model, flow } = this.#parts;
    const sent = [...model.sent.values()].flatMap((sending): Target[] => {
      const [id, ...more] = flow.ids.get(sending.name) ?? [];
      if (id === undefined || more.length > 0 || sending.copies > 1 || sending.outcome !== 'confirmed') return [];
      const done = (): void => void (sending.isErased = true);
      const half = (): void => {
        sending.isGivenUp = true;
        sending.hits.add('erase');
      };
      return [{ name: sending.name, reference: id, done, half }];
    });
    const received = [...model.received.entries()].map(([messageId, receiving]): Target => {
      const done = (): void => void (receiving.isErased = true);
      const half = (): void => {
        receiving.isTakenAway = true;
        receiving.hits.add('erase');
      };
      return { name: receiving.name, reference: messageId, done, half };
    });
    const all = [...sent, ...received];
    return all.length === 0 ? undefined : random.pick(all);
  }

  /** After an erasure, no file of ours has a byte of the message, however damaged or incomplete a copy of it was. */
  #requireGone({ name }: Target): void {
    const { disk, model } = this.#parts;
    for (const [path, node] of disk.files(FOLDER)) {
      if (!node.bytes.includes(`${name};${name};`)) continue;
      model.violated(`${name}: erased, and still in ${path}`);
    }
  }

  #bytesOfStore(): string {
    const files = STORE.map((path) => this.#parts.disk.find(path)?.bytes.toString('latin1') ?? '');
    return files.join('\n');
  }
}

/** A message that is to be erased. */
interface Target {
  name: string;
  /** As the tool finds it. */
  reference: string;
  /** Tells the model that it is erased, or that it may be. */
  done: () => void;
  half: () => void;
}

/** Gives the store another schema's number, as its version would. Returns false if the store was never made. */
function setVersion(version: number): boolean {
  const database = openFile(`${FOLDER}/mesh.db`, {});
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE');
    const [table] = database.prepare("SELECT 1 FROM sqlite_master WHERE name = 'schema_version'").all();
    if (!table) return false;
    database.exec(`UPDATE schema_version SET version = ${version}`);
    return true;
  } finally {
    database.close();
  }
}
