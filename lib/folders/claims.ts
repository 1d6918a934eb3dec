/**
 * Pairs of the out folder that are ours: each in a folder of its own, `temp/out/<id>`, until it is in `sent` or `failed`.
 * The id is the pair's for good, so that a message is put into the outbox once however often Node-RED is killed: the
 * renames below are the only steps, each of them is done or not, and `open` goes on with whatever it finds.
 */
import { mkdir, readFile, rmdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { v7 as uuidv7 } from 'uuid';
import { readControlFile, writeControlFile, type ControlFields, type StatusRecord } from './control-file';
import { fileNames, folderNames, isThere, moveFile, onDisk, removeFolder, writeWhole } from './files';

/** The two files of a message, by their names in one folder. */
export interface PairNames {
  /** Without `.ctl`, as it was written. */
  stem: string;
  dat: string;
  ctl: string;
}

/** A pair that nobody else writes to any more. */
export interface Claim extends PairNames {
  /** For good: what was once put into the outbox under it is not put there again. */
  id: string;
  /** Absolute path of the `.dat`. */
  file: string;
  control: Buffer;
}

/** How a pair ended. */
export interface PairOutcome {
  folder: 'sent' | 'failed';
  /** Added to the control file, or instead of what it says. */
  fields?: ControlFields;
  status: StatusRecord;
}

/** As committed in `outcome.json`: from then on a pair is on its way to its folder. */
interface Decision {
  folder: PairOutcome['folder'];
  /** Of the files there. */
  stem: string;
  /** Where the `.ctl` could not be read: it is kept beside the new one. */
  keepOriginal: boolean;
}

const DECISION = 'outcome.json';
const NEW_CONTROL = 'outcome.control';

/** Which folders a pair moves between. */
export interface ClaimFolders {
  out: string;
  sent: string;
  failed: string;
  temp: string;
}

/** The claimed pairs of one mailbox. One per folder and process: see `OutFolder.at`. */
export class Claims {
  readonly #folders: ClaimFolders;
  readonly #root: string;
  /** One step at a time: two that end at once may not choose the same name, and nothing recovers what is under way. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(folders: ClaimFolders) {
    this.#folders = folders;
    this.#root = join(folders.temp, 'out');
  }

  /** Takes a pair out of the out folder. Undefined where it cannot be moved, e.g. since a program still has it open. */
  take(pair: PairNames): Promise<Claim | undefined> {
    return this.#inTurn(() => this.#take(pair));
  }

  /** Gives a pair back whose writer was not done with it after all. */
  release(id: string): Promise<void> {
    return this.#inTurn(() => this.#putBack(id));
  }

  /** Every claimed pair that has not ended, oldest first. What a kill has left half done is done, or undone, first. */
  open(): Promise<Claim[]> {
    return this.#inTurn(async () => {
      const claims: Claim[] = [];
      for (const id of (await folderNames(this.#root)).toSorted()) {
        const claim = await this.#recover(id);
        if (claim) claims.push(claim);
      }
      return claims;
    });
  }

  /**
   * Moves a pair into `sent` or `failed`, the status added to its control file: first the `.dat`, then the `.ctl`. A pair
   * that has ended before is left alone. No file there is replaced: a name that is taken gets a number.
   */
  settle(id: string, outcome: PairOutcome): Promise<void> {
    return this.#inTurn(() => this.#settle(id, outcome));
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(() => onDisk(work));
    this.#last = result.catch(() => undefined);
    return result;
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

  /** Each file moves once: a program that takes what is in `sent` away never sees it come back. */
  async #carryOut(folder: string): Promise<void> {
    const decision = JSON.parse(await readFile(join(folder, DECISION), 'utf8')) as Decision;
    const { dat, ctl } = pairIn(await fileNames(folder));
    const target = join(this.#folders[decision.folder], decision.stem);
    if (dat !== undefined) await moveFile(join(folder, dat), `${target}.dat`);
    if (ctl !== undefined && decision.keepOriginal) await moveFile(join(folder, ctl), `${target}.ctl.original`);
    if (await isThere(join(folder, NEW_CONTROL))) await moveFile(join(folder, NEW_CONTROL), `${target}.ctl`);
    await removeFolder(folder);
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
    // Killed between the two renames: nothing has been sent.
    await this.#putBack(id);
    return undefined;
  }

  async #claim(id: string, names: PairNames): Promise<Claim> {
    const folder = join(this.#root, id);
    return { id, ...names, file: join(folder, names.dat), control: await readFile(join(folder, names.ctl)) };
  }

  /** Back into the out folder; where that has a new file of the name, into `failed`, so that neither is lost. */
  async #putBack(id: string): Promise<void> {
    const folder = join(this.#root, id);
    const names = await fileNames(folder);
    const taken = await Promise.all(names.map((name) => isThere(join(this.#folders.out, name))));
    if (taken.includes(true)) {
      const status = {
        time: new Date().toISOString(),
        event: 'COLLECT',
        success: false,
        code: '',
        description: 'Not sent: a new file of the same name was written over it while it was being collected.',
      };
      await this.#settle(id, { folder: 'failed', status });
      return;
    }
    for (const name of names) await moveFile(join(folder, name), join(this.#folders.out, name));
    await rmdir(folder).catch(() => undefined);
  }

  async #freeStem(target: PairOutcome['folder'], stem: string): Promise<string> {
    const there = new Set((await fileNames(this.#folders[target])).map((name) => name.toLowerCase()));
    const isFree = (name: string): boolean =>
      ['.dat', '.ctl'].every((ending) => !there.has(`${name}${ending}`.toLowerCase()));
    for (let number = 1; ; number += 1) {
      const name = number === 1 ? stem : `${stem}.${number}`;
      if (isFree(name)) return name;
    }
  }
}

/** Open in another program (Windows), or taken away meanwhile. */
const BUSY = new Set(['EBUSY', 'EPERM', 'EACCES', 'ENOENT']);

/** Where the `.ctl` could not be read. */
const MINIMUM: ControlFields = { Version: '1.0', AddressType: 'DTS', MessageType: 'Data' };

/** The pair among the names of a claim's folder; any of it may be missing. */
function pairIn(names: string[]): Partial<PairNames> {
  const dat = names.find((name) => /\.dat$/i.test(name));
  const ctl = names.find((name) => /\.ctl$/i.test(name));
  const stem = (ctl ?? dat)?.slice(0, -'.ctl'.length);
  return { ...(stem !== undefined && { stem }), ...(dat !== undefined && { dat }), ...(ctl !== undefined && { ctl }) };
}

/** Undefined where they cannot be read. */
async function controlFields(path: string): Promise<ControlFields | undefined> {
  try {
    return readControlFile(await readFile(path));
  } catch {
    return undefined;
  }
}

/** Size and time of both files: while they change, somebody writes. Undefined where one is gone. */
export async function pairStamp(paths: string[]): Promise<string | undefined> {
  try {
    const stats = await Promise.all(paths.map((path) => stat(path)));
    return stats.map(({ size, mtimeMs }) => `${size} ${mtimeMs}`).join(' ');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
