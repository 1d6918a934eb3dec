/**
 * The out folder of a mailbox, read as the MESH Client does: a `.dat` and then a `.ctl` of the same name are one
 * message. Files that are still being written are left alone. A complete pair is claimed, and offered until it is
 * settled.
 */
import { join, resolve } from 'node:path';
import { machineSteady } from '../clock';
import { InvalidMessageError, MeshError, StorageError } from '../errors';
import { Claims, pairStamp, type Claim, type PairOutcome } from './claims';
import { controlBytes, readControlFile, type ControlFields } from './control-file';
import { clientFolders, folderEntries, onDisk, pathOf } from './files';
import { pairUp, readableName, type Candidate, type NoPair } from './pairing';

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

/**
 * A problem in the out folder that needs a person. File names are in no error, log or status: they may contain patients'
 * names. `name` is for the person who looks after the folder, as a message's payload is.
 */
export interface FolderProblem {
  /**
   * `no-dat`: a `.ctl` without `.dat`, still there. `no-ctl`: the reverse. `not-a-file`: a link, folder or pipe with the
   * name of a message, still there. `ambiguous`: several files that differ in case only, still there. `stuck`: a pair
   * that cannot be moved, still there. `bad-name`: the name is no UTF-8; moved to `failed`. `unreadable`: the `.ctl`
   * cannot be read; the pair was moved to `failed`.
   */
  kind: NoPair | 'stuck' | 'unreadable';
  /** Why. */
  error?: MeshError;
  /** The name in the folder; bytes that are no UTF-8 as `%` and their numbers. */
  name?: string;
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
  /** What was reported and is still there. */
  needsAttention: number;
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
  #seen = new Map<string, State>();
  /** Ids of claims that are stuck and were reported. */
  #stuck = new Set<string>();

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
    this.#offers.set(id, machineSteady() + delayMs);
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
    const scan: Scan = { offered: [], problems: [], inFlight: 0, needsAttention: 0, isUnsettled: false };
    const { claims: open, stuck } = await claims.open();
    const ids = new Set(open.map(({ id }) => id));
    for (const id of this.#offers.keys()) if (!ids.has(id)) this.#offers.delete(id);
    const before = this.#stuck;
    this.#stuck = new Set();
    for (const { id, error } of stuck) this.#reportStuck(id, error, before, scan);
    for (const claim of open) {
      try {
        await this.#offer(claim, claims, scan);
      } catch (error) {
        this.#reportStuck(claim.id, error, before, scan);
      }
    }
    await this.#collect({ claims, out, maxClaims: options.maxInFlight - open.length, options }, scan);
    scan.inFlight = this.#offers.size;
    scan.needsAttention = this.#stuck.size + [...this.#seen.values()].filter(({ isReported }) => isReported).length;
    return scan;
  }

  /** Looks at everything in the folder by itself: one that fails keeps no other from being sent. */
  async #collect(
    { claims, out, maxClaims, options }: { claims: Claims; out: string; maxClaims: number; options: ScanOptions },
    scan: Scan,
  ): Promise<void> {
    let left = maxClaims;
    const scannedAt = machineSteady();
    for (const entry of await this.#observe(out)) {
      const look = {
        entry,
        quietMs: Math.max(0, scannedAt - entry.state.since),
        claims,
        out,
        mayTake: left > 0,
        options,
      };
      const outcome = await this.#look(look, scan).catch((error: unknown): FolderProblem => {
        if (!(error instanceof StorageError)) throw error;
        return { kind: 'stuck', error };
      });
      if (outcome === 'claimed') left -= 1;
      if (typeof outcome !== 'object') continue;
      if (outcome.error instanceof StorageError && entry.kind === 'pair' && isOfAll(outcome.error)) throw outcome.error;
      this.#reportOnce(entry, { ...outcome, name: entry.names.map(readableName).at(-1) ?? '' }, scan);
    }
  }

  /** Returns what became of an entry: claimed, left for now, or left for a person. */
  async #look(
    { entry, quietMs, claims, out, mayTake, options }: Look,
    scan: Scan,
  ): Promise<'claimed' | 'left' | FolderProblem> {
    const isPatienceOver = quietMs >= options.patienceMs;
    const isWhole = quietMs >= options.settledForMs;
    if (entry.kind === 'bad-name') {
      if (isPatienceOver || (isWhole && entry.names.length === 2)) await this.#refuse(entry, claims, scan);
      return 'left';
    }
    if (entry.kind !== 'pair') return isPatienceOver ? { kind: entry.kind } : 'left';
    if (!mayTake) return 'left';
    const [dat = '', ctl = ''] = entry.names.map((name) => name.toString('utf8'));
    // A .ctl that cannot be read may still be being written, slowly.
    if (!isWhole || !(isPatienceOver || (await isReadable(join(out, ctl))))) {
      scan.isUnsettled = true;
      return 'left';
    }
    const claim = await claims.take({ stem: ctl.slice(0, -'.ctl'.length), dat, ctl });
    if (claim === undefined) return isPatienceOver ? { kind: 'stuck' } : 'left';
    const now = await onDisk(() => pairStamp([claim.file, join(claim.file, '..', claim.ctl)]));
    if (now !== entry.state.stamp) {
      await claims.release(claim.id);
      return 'left';
    }
    try {
      await this.#offer(claim, claims, scan);
    } catch (error) {
      this.#reportStuck(claim.id, error, new Set(), scan);
    }
    return 'claimed';
  }

  async #refuse({ names }: Seen, claims: Claims, scan: Scan): Promise<void> {
    const error = new InvalidMessageError('The name of a file in the out folder is no UTF-8. It was not sent.', {
      advice: 'Correct the program that writes it, or the character set of the share. The files are in failed.',
    });
    const time = new Date().toISOString();
    await claims.refuse(names, { time, event: 'COLLECT', success: false, code: '', description: error.message });
    scan.problems.push({ kind: 'bad-name', error, name: readableName(names.at(-1) ?? Buffer.alloc(0)) });
  }

  #reportStuck(id: string, error: unknown, before: ReadonlySet<string>, scan: Scan): void {
    if (!(error instanceof MeshError)) throw error;
    this.#stuck.add(id);
    if (!before.has(id)) scan.problems.push({ kind: 'stuck', error, name: join('temp', 'out', id) });
  }

  /** Offers a claimed pair, unless it is offered already. A pair whose `.ctl` cannot be read fails. */
  async #offer(claim: Claim, claims: Claims, scan: Scan): Promise<void> {
    const again = this.#offers.get(claim.id);
    if (again !== undefined && machineSteady() < again) return;
    try {
      if (claim.control instanceof MeshError) throw claim.control;
      const control = readControlFile(claim.control);
      this.#offers.set(claim.id, machineSteady() + OFFER_MS);
      scan.offered.push({ id: claim.id, stem: claim.stem, file: claim.file, control });
    } catch (error) {
      if (!(error instanceof MeshError)) throw error;
      const time = new Date().toISOString();
      const status = { time, event: 'COLLECT', success: false, code: '', description: error.message };
      await claims.settle(claim.id, { folder: 'failed', status });
      scan.problems.push({ kind: 'unreadable', error, name: claim.ctl });
    }
  }

  /** Returns what is in the out folder, the oldest control file first. */
  async #observe(out: string): Promise<Seen[]> {
    const entries = await onDisk(() => folderEntries(out));
    const before = this.#seen;
    this.#seen = new Map();
    const found: Seen[] = [];
    const states: State[] = [];
    for (const candidate of pairUp(entries)) {
      const key = candidate.names.map((name) => name.toString('latin1')).join('/');
      // What cannot be looked at has no stamp that changes, and is reported when the patience is over.
      const stamp = await pairStamp(candidate.names.map((name) => pathOf(out, name))).catch(() => '');
      if (stamp === undefined) continue;
      const old = before.get(key);
      const state = old?.stamp === stamp ? old : { stamp, since: Infinity, isReported: false };
      states.push(state);
      this.#seen.set(key, state);
      found.push({ ...candidate, key, state });
    }
    // One moment for all that are new: a scan that takes long would else take a younger pair before an older one.
    const seenAt = machineSteady();
    for (const state of states) state.since = Math.min(state.since, seenAt);
    return found.toSorted((one, two) => controlTime(one) - controlTime(two) || (one.key < two.key ? -1 : 1));
  }

  #reportOnce({ state }: Seen, problem: FolderProblem, scan: Scan): void {
    if (state.isReported) return;
    state.isReported = true;
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

/** How long something in the out folder has been as it is. */
interface State {
  stamp: string;
  /** Steady milliseconds. */
  since: number;
  isReported: boolean;
}

/** What belongs together in the out folder. */
interface Seen extends Candidate {
  key: string;
  state: State;
}

interface Look {
  entry: Seen;
  /** For how long it had not changed when the scan began (milliseconds). */
  quietMs: number;
  claims: Claims;
  out: string;
  /** False if enough pairs are offered. */
  mayTake: boolean;
  options: ScanOptions;
}

/** Returns the time of the stamp's last file, which is the control file. */
function controlTime({ state }: Seen): number {
  return Number(state.stamp.split(' ').at(-1));
}

/** Whether an error is one of the whole folder or machine, so that the next pair would fare the same. */
function isOfAll(error: StorageError): boolean {
  const { code = '' } = (error.cause ?? {}) as NodeJS.ErrnoException;
  return ['ENOSPC', 'EDQUOT', 'EROFS', 'EMFILE', 'ENFILE', 'EIO', 'ESTALE', 'EXDEV'].includes(code);
}

async function isReadable(path: string): Promise<boolean> {
  try {
    readControlFile(await controlBytes(path));
    return true;
  } catch {
    return false;
  }
}
