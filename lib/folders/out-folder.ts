/**
 * The out folder of a mailbox, read as the MESH Client does: a `.dat` and then a `.ctl` of the same name are one
 * message. Files that are still being written are left alone. A complete pair is claimed, and offered until it is
 * settled.
 */
import { join, resolve } from 'node:path';
import { readFile } from '../files';
import { MeshError } from '../errors';
import { Claims, pairStamp, type Claim, type PairNames, type PairOutcome } from './claims';
import { readControlFile, type ControlFields } from './control-file';
import { clientFolders, fileNames, onDisk } from './files';

/** A message of the out folder, for the outbox. */
export interface OutgoingPair {
  /** Permanent: the key under which the pair is put into the outbox once. */
  id: string;
  /** The name of both files, without their endings. */
  stem: string;
  /** Absolute path of the payload. */
  file: string;
  control: ControlFields;
}

/** A problem in the out folder that needs a person. File names are left out: they may contain patients' names. */
export interface FolderProblem {
  /**
   * `no-dat`: a `.ctl` without `.dat`, still there. `no-ctl`: the reverse. `unreadable`: the pair was moved to
   * `failed`.
   */
  kind: 'no-dat' | 'no-ctl' | 'unreadable';
  /** Why the pair is unreadable. */
  error?: MeshError;
}

/** How the out folder is scanned. */
export interface ScanOptions {
  /** A pair is complete when neither file has changed for this time (milliseconds). */
  settledForMs: number;
  /** How long half a pair, or a `.ctl` that cannot be read, may stay before it is reported (milliseconds). */
  patienceMs: number;
  /** Pairs offered and not settled at most. The rest stays in the out folder. */
  maxInFlight: number;
}

/** The result of a scan. */
export interface Scan {
  /** Pairs to send now, in the order of their `.ctl` files. */
  offered: OutgoingPair[];
  /** New problems: each is reported once. */
  problems: FolderProblem[];
  /** Pairs offered and not settled. */
  inFlight: number;
  /** True if a pair may be complete soon, so that another scan is worthwhile. */
  isUnsettled: boolean;
}

/** A pair that was offered and not settled is offered again after this time: a flow may have lost it. */
const OFFER_MS = 60 * 60 * 1000;

const shared = new Map<string, OutFolder>();

export class OutFolder {
  readonly #root: string;
  #claims: Promise<{ claims: Claims; out: string }> | undefined;
  /** By claim id: when the pair is offered again unless it has been settled. */
  readonly #offers = new Map<string, number>();
  /** By name in the out folder: the stamp, since when it has been so, and whether a problem was reported. */
  #seen = new Map<string, { stamp: string; since: number; isReported: boolean }>();

  private constructor(root: string) {
    this.#root = root;
  }

  /** Returns this process's one instance for a mailbox's folder, which has `in`, `out`, `sent`, `failed` and `temp`. */
  static at(root: string): OutFolder {
    const path = resolve(root);
    const found = shared.get(path) ?? new OutFolder(path);
    shared.set(path, found);
    return found;
  }

  /** Offers every pair again: the flow that it was offered to may have lost it in a restart. */
  restart(): void {
    this.#offers.clear();
  }

  /** Offers a pair again after `delayMs` (milliseconds): it could not be put into the outbox now. */
  offerAgain(id: string, delayMs: number): void {
    this.#offers.set(id, performance.now() + delayMs);
  }

  /**
   * Moves an offered pair to `sent` or `failed`. Repeatable.
   * @throws StorageError
   */
  async settle(id: string, outcome: PairOutcome): Promise<void> {
    const { claims } = await this.#opened();
    await claims.settle(id, outcome);
    this.#offers.delete(id);
  }

  /**
   * Scans the folder once.
   * @throws StorageError when the folders cannot be used
   */
  async scan(options: ScanOptions): Promise<Scan> {
    const { claims, out } = await this.#opened();
    const scan: Scan = { offered: [], problems: [], inFlight: 0, isUnsettled: false };
    const open = await claims.open();
    const ids = new Set(open.map(({ id }) => id));
    for (const id of this.#offers.keys()) if (!ids.has(id)) this.#offers.delete(id);
    for (const claim of open) await this.#offer(claim, claims, scan);
    const maxClaims = options.maxInFlight - open.length;
    await this.#collect({ claims, out, maxClaims, options }, scan);
    scan.inFlight = this.#offers.size;
    return scan;
  }

  async #collect(
    { claims, out, maxClaims, options }: { claims: Claims; out: string; maxClaims: number; options: ScanOptions },
    scan: Scan,
  ): Promise<void> {
    let left = maxClaims;
    for (const entry of await this.#observe(out)) {
      const quietMs = performance.now() - entry.since;
      const isPatienceOver = quietMs >= options.patienceMs;
      if (entry.pair === undefined) {
        if (isPatienceOver) this.#reportOnce(entry, { kind: entry.isControl ? 'no-dat' : 'no-ctl' }, scan);
        continue;
      }
      if (left <= 0) continue;
      const isWhole = quietMs >= options.settledForMs;
      // A .ctl that cannot be read may still be being written, slowly.
      if (!isWhole || !(isPatienceOver || (await isReadable(join(out, entry.pair.ctl))))) {
        scan.isUnsettled = true;
        continue;
      }
      const claim = await claims.take(entry.pair);
      if (claim === undefined) continue;
      const now = await onDisk(() => pairStamp([claim.file, join(claim.file, '..', claim.ctl)]));
      if (now !== entry.stamp) {
        await claims.release(claim.id);
        continue;
      }
      left -= 1;
      await this.#offer(claim, claims, scan);
    }
  }

  /** Offers a claimed pair, unless it is offered already. A pair whose `.ctl` cannot be read fails. */
  async #offer(claim: Claim, claims: Claims, scan: Scan): Promise<void> {
    const again = this.#offers.get(claim.id);
    if (again !== undefined && performance.now() < again) return;
    try {
      const control = readControlFile(claim.control);
      this.#offers.set(claim.id, performance.now() + OFFER_MS);
      scan.offered.push({ id: claim.id, stem: claim.stem, file: claim.file, control });
    } catch (error) {
      if (!(error instanceof MeshError)) throw error;
      const time = new Date().toISOString();
      const status = { time, event: 'COLLECT', success: false, code: '', description: error.message };
      await claims.settle(claim.id, { folder: 'failed', status });
      scan.problems.push({ kind: 'unreadable', error });
    }
  }

  /** Returns the pairs and half pairs in the out folder, the oldest control file first. */
  async #observe(out: string): Promise<Seen[]> {
    const names = await onDisk(() => fileNames(out));
    const byName = new Map(names.map((name) => [name.toLowerCase(), name]));
    const before = this.#seen;
    this.#seen = new Map();
    const found: Seen[] = [];
    for (const name of names.filter((candidate) => /\.(ctl|dat)$/i.test(candidate))) {
      const stem = name.slice(0, -4);
      const isControl = /\.ctl$/i.test(name);
      const other = byName.get(`${stem}${isControl ? '.dat' : '.ctl'}`.toLowerCase());
      if (!isControl && other !== undefined) continue;
      const pair = other === undefined ? undefined : { stem, dat: other, ctl: name };
      const files = pair ? [pair.dat, pair.ctl] : [name];
      const stamp = await onDisk(() => pairStamp(files.map((file) => join(out, file))));
      if (stamp === undefined) continue;
      const old = before.get(name);
      const seen = old?.stamp === stamp ? old : { stamp, since: performance.now(), isReported: false };
      this.#seen.set(name, seen);
      found.push({ name, isControl, stamp, since: seen.since, ...(pair && { pair }) });
    }
    return found.toSorted((one, two) => controlTime(one) - controlTime(two) || (one.name < two.name ? -1 : 1));
  }

  #reportOnce({ name }: Seen, problem: FolderProblem, scan: Scan): void {
    const seen = this.#seen.get(name);
    if (seen === undefined || seen.isReported) return;
    seen.isReported = true;
    scan.problems.push(problem);
  }

  #opened(): Promise<{ claims: Claims; out: string }> {
    this.#claims ??= onDisk(() => clientFolders(this.#root)).then(
      (folders) => ({ claims: new Claims(folders), out: folders.out }),
      (error: unknown) => {
        this.#claims = undefined;
        throw error;
      },
    );
    return this.#claims;
  }
}

/** A file of the out folder, with its pair if the other half exists. */
interface Seen {
  name: string;
  isControl: boolean;
  stamp: string;
  since: number;
  pair?: PairNames;
}

/** Returns the time of the stamp's last file, which is the control file. */
function controlTime({ stamp }: Seen): number {
  return Number(stamp.split(' ').at(-1));
}

async function isReadable(path: string): Promise<boolean> {
  try {
    readControlFile(await readFile(path));
    return true;
  } catch {
    return false;
  }
}
