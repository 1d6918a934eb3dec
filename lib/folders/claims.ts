/**
 * Claimed pairs of the out folder: each is in a folder of its own, `temp/out/<id>`, until it is in `sent` or `failed`.
 * A pair keeps its id, so that its message is put into the outbox once, however often Node-RED is killed: the renames
 * below are the only steps, each is atomic, and `open` continues from whatever it finds.
 */
import { join } from 'node:path';
import { uuidv7 } from '../random';
import { lstat, mkdir, readFile, rmdir } from '../files';
import { SerialQueue } from '../store/serial-queue';
import { InvalidMessageError } from '../errors';
import { controlBytes, readControlFile, writeControlFile, type ControlFields, type StatusRecord } from './control-file';
import { fileNames, folderNames, pathExists, moveFile, onDisk, pathOf, removeOwn, writeWhole } from './files';
import { readableName } from './pairing';
import { removeWithRetry } from '../payload/rename-with-retry';

/** The names of a message's two files in one folder. */
export interface PairNames {
  /** The control file's name without `.ctl`. */
  stem: string;
  dat: string;
  ctl: string;
}

/** A pair that no other program writes to any more. */
export interface Claim extends PairNames {
  /** Permanent: a pair that was put into the outbox under it is not put there again. */
  id: string;
  /** Absolute path of the `.dat`. */
  file: string;
  /** The bytes of the `.ctl`, or why they cannot be read. */
  control: Buffer | InvalidMessageError;
}

/** A claimed pair that can be neither sent nor moved for now. */
export interface StuckClaim {
  id: string;
  error: unknown;
}

/** How a pair ended. */
export interface PairOutcome {
  folder: 'sent' | 'failed';
  /** Fields that are added to the control file, or replace its own. */
  fields?: ControlFields;
  status: StatusRecord;
}

/** The content of `outcome.json`. Once it is written, the pair is on its way to its folder. */
interface Decision {
  folder: PairOutcome['folder'];
  /** The files' name there, without ending. */
  stem: string;
  /** True if the `.ctl` could not be read: it is kept beside the new one. */
  keepOriginal: boolean;
}

const DECISION = 'outcome.json';
const NEW_CONTROL = 'outcome.control';

/** The folders between which a pair moves. */
export interface ClaimFolders {
  out: string;
  sent: string;
  failed: string;
  temp: string;
}

/** The claimed pairs of one mailbox. One instance for each folder and process: see `OutFolder.at`. */
export class Claims {
  readonly #folders: ClaimFolders;
  readonly #root: string;
  /**
   * One step at a time: two pairs that end together must not choose the same name, and `open` must not recover a
   * running step.
   */
  readonly #queue = new SerialQueue();

  constructor(folders: ClaimFolders) {
    this.#folders = folders;
    this.#root = join(folders.temp, 'out');
  }

  /**
   * Moves a pair out of the out folder. Returns undefined if it cannot be moved, e.g. because a program still has it
   * open.
   */
  take(pair: PairNames): Promise<Claim | undefined> {
    return this.#run(() => this.#take(pair));
  }

  /** Moves a pair back whose writer had not finished after all. */
  release(id: string): Promise<void> {
    return this.#run(() => this.#putBack(id));
  }

  /**
   * Returns every claimed pair that has not ended, oldest first, and those that are stuck. Steps that a kill interrupted
   * are first completed or undone. Folders that are not ours are left alone.
   */
  open(): Promise<{ claims: Claim[]; stuck: StuckClaim[] }> {
    return this.#run(async () => {
      const claims: Claim[] = [];
      const stuck: StuckClaim[] = [];
      for (const id of (await folderNames(this.#root)).filter((name) => CLAIM_ID.test(name)).toSorted()) {
        try {
          const claim = await onDisk(() => this.#recover(id));
          if (claim) claims.push(claim);
        } catch (error) {
          stuck.push({ id, error });
        }
      }
      return { claims, stuck };
    });
  }

  /**
   * Moves files whose names are no UTF-8 into `failed`, under readable names, with the reason in a new control file.
   * `names`: the `.dat`, the `.ctl`, or both in this order.
   */
  refuse(names: readonly Buffer[], status: StatusRecord): Promise<void> {
    return this.#run(async () => {
      const stem = await this.#freeStem('failed', readableName(names[0] ?? Buffer.alloc(0)).slice(0, -'.dat'.length));
      const target = join(this.#folders.failed, stem);
      for (const name of names) {
        const isControl = /\.ctl$/i.test(name.toString('latin1'));
        await moveFile(pathOf(this.#folders.out, name), `${target}${isControl ? ORIGINAL : '.dat'}`);
      }
      await writeWhole(`${target}.ctl`, writeControlFile(MINIMUM, status));
    });
  }

  /**
   * Moves a pair into `sent` or `failed`, with the status added to its control file: first the `.dat`, then the `.ctl`.
   * A pair that has ended is ignored. No file there is replaced: if a name is taken, a number is added.
   */
  settle(id: string, outcome: PairOutcome): Promise<void> {
    return this.#run(() => this.#settle(id, outcome));
  }

  #run<Result>(work: () => Promise<Result>): Promise<Result> {
    return this.#queue.run(() => onDisk(work));
  }

  async #take({ stem, dat, ctl }: PairNames): Promise<Claim | undefined> {
    const { out } = this.#folders;
    const id = uuidv7();
    const folder = join(this.#root, id);
    await mkdir(folder, { recursive: true });
    try {
      await moveFile(join(out, dat), join(folder, dat));
      await moveFile(join(out, ctl), join(folder, ctl));
    } catch (error) {
      await this.#putBack(id);
      if (BUSY.has((error as NodeJS.ErrnoException).code ?? '')) return undefined;
      throw error;
    }
    return this.#claim(id, { stem, dat, ctl });
  }

  async #settle(id: string, { folder: target, fields, status }: PairOutcome): Promise<void> {
    const folder = join(this.#root, id);
    const names = await fileNames(folder);
    if (!names.includes(DECISION)) {
      const { stem, ctl } = pairIn(names);
      if (stem === undefined) return;
      const old = ctl === undefined ? {} : await controlFields(join(folder, ctl));
      const control = writeControlFile({ ...MINIMUM, ...old, ...fields }, status);
      await writeWhole(join(folder, NEW_CONTROL), control);
      const freeStem = await this.#freeStem(target, stem);
      const decision: Decision = { folder: target, stem: freeStem, keepOriginal: old === undefined };
      await writeWhole(join(folder, DECISION), JSON.stringify(decision));
    }
    await this.#carryOut(folder);
  }

  /** Moves each file once: a program that removes files from `sent` never sees one come back. */
  async #carryOut(folder: string): Promise<void> {
    const decision = JSON.parse(await readFile(join(folder, DECISION), 'utf8')) as Decision;
    const { dat, ctl } = pairIn(await fileNames(folder));
    const target = join(this.#folders[decision.folder], decision.stem);
    if (dat !== undefined) await moveFile(join(folder, dat), `${target}.dat`);
    if (ctl !== undefined && decision.keepOriginal) await moveFile(join(folder, ctl), `${target}${ORIGINAL}`);
    else if (ctl !== undefined) await removeWithRetry(join(folder, ctl));
    if (await pathExists(join(folder, NEW_CONTROL))) await moveFile(join(folder, NEW_CONTROL), `${target}.ctl`);
    await removeOwn(folder, [`${NEW_CONTROL}.part`, `${DECISION}.part`, DECISION]);
  }

  async #recover(id: string): Promise<Claim | undefined> {
    const folder = join(this.#root, id);
    const names = await fileNames(folder);
    if (names.includes(DECISION)) {
      await this.#carryOut(folder);
      return undefined;
    }
    const { stem, dat, ctl } = pairIn(names);
    if (stem !== undefined && dat !== undefined && ctl !== undefined) return this.#claim(id, { stem, dat, ctl });
    // The process was killed between the two renames: nothing was sent.
    await this.#putBack(id);
    return undefined;
  }

  async #claim(id: string, names: PairNames): Promise<Claim> {
    const folder = join(this.#root, id);
    const control = await controlBytes(join(folder, names.ctl)).catch((error: unknown) => {
      if (error instanceof InvalidMessageError) return error;
      throw error;
    });
    return { id, ...names, file: join(folder, names.dat), control };
  }

  /**
   * Moves a pair back into the out folder; if that has a new file of the same name, into `failed`, so that neither is
   * lost.
   */
  async #putBack(id: string): Promise<void> {
    const folder = join(this.#root, id);
    // What somebody else has put there is not ours to move.
    const { dat, ctl } = pairIn(await fileNames(folder));
    const names = [dat, ctl].filter((name) => name !== undefined);
    const taken = await Promise.all(names.map((name) => pathExists(join(this.#folders.out, name))));
    if (taken.includes(true)) {
      const status = {
        time: new Date().toISOString(),
        event: 'COLLECT',
        success: false,
        code: '',
        description: 'Not sent: a new file of the same name was written while it was being collected.',
      };
      await this.#settle(id, { folder: 'failed', status });
      return;
    }
    for (const name of names) await moveFile(join(folder, name), join(this.#folders.out, name));
    await rmdir(folder).catch(() => undefined);
  }

  async #freeStem(target: PairOutcome['folder'], stem: string): Promise<string> {
    const taken = new Set((await fileNames(this.#folders[target])).map((name) => name.toLowerCase()));
    const isFree = (name: string): boolean =>
      ['.dat', '.ctl', ORIGINAL].every((ending) => !taken.has(`${name}${ending}`.toLowerCase()));
    for (let number = 1; ; number += 1) {
      const suffix = number === 1 ? '' : `.${number}`;
      const name = `${fitting(stem, MAX_STEM_BYTES - suffix.length)}${suffix}`;
      if (isFree(name)) return name;
    }
  }
}

/** Returns the stem, cut to this many bytes. */
function fitting(stem: string, bytes: number): string {
  let cut = stem;
  while (Buffer.byteLength(cut) > bytes) cut = cut.slice(0, -1);
  return cut.toWellFormed();
}

/** Names have at most 255 bytes, and the longest ending is that of an original control file while it is written. */
const ORIGINAL = '.ctl.original';
const MAX_STEM_BYTES = 255 - ORIGINAL.length;
/** Names of our folders in `temp/out`. */
const CLAIM_ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Codes of a file that is open in another program (Windows), or was removed meanwhile. */
const BUSY = new Set(['EBUSY', 'EPERM', 'EACCES', 'ENOENT']);

/** The fields of a new control file if the old one could not be read. */
const MINIMUM: ControlFields = { Version: '1.0', AddressType: 'DTS', MessageType: 'Data' };

/** Finds the pair among the names in a claim's folder. Either file may be missing. */
function pairIn(names: string[]): Partial<PairNames> {
  const dat = names.find((name) => /\.dat$/i.test(name));
  const ctl = names.find((name) => /\.ctl$/i.test(name));
  const stem = (ctl ?? dat)?.slice(0, -'.ctl'.length);
  return { ...(stem !== undefined && { stem }), ...(dat !== undefined && { dat }), ...(ctl !== undefined && { ctl }) };
}

/** Returns the control file's fields; undefined if it cannot be read. */
async function controlFields(path: string): Promise<ControlFields | undefined> {
  try {
    return readControlFile(await controlBytes(path));
  } catch {
    return undefined;
  }
}

/** Returns number, size and time of the files, which change while a program writes; undefined if one is gone. */
export async function pairStamp(paths: ReadonlyArray<string | Buffer>): Promise<string | undefined> {
  try {
    const stats = await Promise.all(paths.map((path) => lstat(path)));
    return stats.map(({ ino, size, mtimeMs }) => `${ino} ${size} ${mtimeMs}`).join(' ');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
