/**
 * Marks that survive a kill of the process: which of the messages with a committed intent were begun, and how MESH
 * responded. An intent in the store says only that a message may have been sent; a mark says, in a write that is not
 * synced, whether its POST was begun. A file that a process has written survives the process (the kernel has it), but
 * not a power cut. So a mark is always believed, and a missing mark only if the machine has not restarted since.
 *
 * With marks, a kill leaves one message unknown, however many intents are committed ahead; a power cut leaves all of
 * those.
 *
 * Marks are about one store, and are worth what they know of it. They name its generation, which a copy of the store
 * does not have; and they and the store count the sender's commits. Marks that are behind the store (their disk was
 * lost, or an older copy of them is back) may lack what was begun: a missing one means nothing. A store that is behind
 * its marks (its write-ahead log was lost, or a backup is back) has forgotten what the marks may still know.
 */
import { createHash } from 'node:crypto';
import { uptime } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { z } from 'zod';
import { constants, type FileHandle, mkdir, open, readFile, writeSync } from '../files';
import { machineNow } from '../clock';
import { StorageError } from '../errors';
import type { Outgoing, SendingProgress } from '../store/store';
import type { Ending } from './attempt';

/** Bytes of a mark: within a page, so that a kill leaves it whole or absent. */
const SLOT = 256;
const EMPTY_SLOT = Buffer.alloc(SLOT);
/** Intents that may be committed ahead. */
export const MAX_AHEAD = 32;
/**
 * Marks that the file has room for: more than twice the intents ahead, since a mark that is overwritten too early reads
 * as missing, and its message is sent twice; and as many attempts as a store may forget with its write-ahead log.
 */
export const SLOTS = 1024;
/** The form of the file. Marks of another form are not read. */
const VERSION = 4;
/** The number of a commit is written before it is made: a kill in between leaves the store this far behind. */
const BEHIND_BY_A_KILL = 1;
/** Tolerance for an adjusted clock when start times of the machine are compared (milliseconds). */
const SAME_BOOT_MS = 5000;

const head = z.object({
  version: z.literal(VERSION),
  /** The generation of the store that the marks are about. */
  generation: z.string(),
  /** The machine's start. */
  boot: z.union([z.string(), z.number()]),
  /** The number of the last commit that was to be made; the store has it, or the one before. */
  commits: z.number(),
  /** Attempts begun before the marks were renewed. */
  begun: z.number(),
});
const mark = z.object({
  /** Counts the attempts, since the store was made. The mark with the higher sequence counts. */
  sequence: z.number(),
  id: z.string(),
  attempt: z.number(),
  /** `begun`: it is not known whether MESH has the message. `free`: MESH has responded and does not have it. */
  is: z.enum(['begun', 'accepted', 'free']),
  messageId: z.string().exactOptional(),
  at: z.number(),
});

/** What is known about an attempt. */
export type Mark = z.output<typeof mark>;

/** What the store knows. */
export interface StoreProgress extends SendingProgress {
  generation: string;
}

/** A message of which the marks know an attempt that the store does not. */
export interface Forgotten {
  mark: Mark;
  /** The message as the store has it; undefined if it does not. */
  row: Outgoing | undefined;
}

/** What the store has forgotten, as far as the marks know. */
export interface Comparison {
  /** The store is behind the marks: an older copy of it is in its place, or its last changes were lost. */
  isStoreBehind: boolean;
  forgotten: Forgotten[];
  /** The store has forgotten more attempts than the marks know: any queued message may have been sent. */
  isMoreForgotten: boolean;
}

/** The marks of one mailbox. The store's lock ensures that only one process uses them. */
export class SendMarks {
  readonly #file: FileHandle;
  /** Marks by message id. */
  readonly #marks = new Map<string, { slot: number; mark: Mark }>();
  /** Sequences in the file, as it was opened. */
  readonly #sequences: number[] = [];
  /** What the head says; undefined if there is none that can be read. */
  #head: z.output<typeof head> | undefined;
  /**
   * True if a message without a mark was not begun. Marks are renewed when nothing is `sending` in the store, so every
   * intent that is found later was committed after that; a store from before it is known by its commits. No time is
   * compared: the clock may have been set back since.
   */
  #isComplete: boolean;
  /** Sequence of the last mark: modulo SLOTS it gives the slot. */
  #sequence = 0;
  /** Reused for every write: writes are synchronous. */
  readonly #bytes = Buffer.alloc(2 * SLOT);
  /**
   * The mark of an attempt that ended, not written yet. Together with the next attempt's mark it is one write, nearly
   * always.
   */
  #due: { slot: number; mark: Mark } | undefined;

  private constructor(file: FileHandle, written: Buffer, boot: string | number) {
    this.#file = file;
    this.#head = head.safeParse(read(written, 0)).data;
    this.#isComplete = this.#head !== undefined && isSame(this.#head.boot, boot);
    if (!this.#head) return;
    for (let slot = 1; slot <= SLOTS; slot += 1) {
      const bytes = written.subarray(slot * SLOT, (slot + 1) * SLOT);
      if (bytes.equals(EMPTY_SLOT)) continue;
      const one = mark.safeParse(read(written, slot));
      if (!one.success) {
        // A broken mark may have been any message's.
        this.#isComplete = false;
        continue;
      }
      this.#sequences.push(one.data.sequence);
      if (one.data.sequence > (this.#marks.get(one.data.id)?.mark.sequence ?? 0))
        this.#marks.set(one.data.id, { slot, mark: one.data });
    }
    this.#sequence = Math.max(this.#head.begun, ...this.#sequences);
  }

  /**
   * Opens the marks of a mailbox (its key in the store) in a folder, which is created (0700) if needed.
   * @throws StorageError
   */
  static async open(folder: string, mailbox: string): Promise<SendMarks> {
    const name = createHash('sha256').update(mailbox).digest('hex').slice(0, 32);
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      // O_CREAT without O_TRUNC: an existing file keeps its content.
      const file = await open(join(folder, name), constants.O_RDWR | constants.O_CREAT, 0o600);
      return new SendMarks(file, await file.readFile(), await bootOfMachine());
    } catch (cause) {
      throw notWritten(cause);
    }
  }

  /**
   * Returns the mark of a message's last attempt; `not begun` where that is certain; undefined where nothing is known.
   */
  of({ id, attempts }: Outgoing): Mark | 'not begun' | undefined {
    const found = this.#marks.get(id)?.mark;
    if (found?.attempt === attempts) return found;
    return this.#isComplete ? 'not begun' : undefined;
  }

  /**
   * Compares the marks with the store, once after they were opened. Marks of another generation are not believed. Where
   * either is behind the other, a missing mark means nothing.
   * @throws what `get` throws
   */
  async compare(known: StoreProgress, get: (id: string) => Promise<Outgoing | undefined>): Promise<Comparison> {
    const forgotten: Forgotten[] = [];
    if (this.#head?.generation !== known.generation) {
      this.#marks.clear();
      this.#isComplete = false;
      this.#sequence = known.begun;
      return { isStoreBehind: false, forgotten, isMoreForgotten: false };
    }
    const behind = this.#head.commits - known.commits;
    for (const { mark: one } of this.#marks.values()) {
      // The store has the intents of all that were begun before its last commit.
      if (one.sequence <= known.begun) continue;
      const row = await get(one.id);
      if (!row || row.attempts < one.attempt) forgotten.push({ mark: one, row });
    }
    const isStoreBehind = behind > BEHIND_BY_A_KILL || forgotten.length > 0;
    if (isStoreBehind || behind < 0) this.#isComplete = false;
    const marked = this.#sequences.filter((sequence) => sequence > known.begun).length;
    const isMoreForgotten = isStoreBehind && this.#sequence - known.begun > marked;
    this.#sequence = Math.max(this.#sequence, known.begun);
    return { isStoreBehind, forgotten, isMoreForgotten };
  }

  /**
   * Returns what the store records before the marks are renewed. It counts on from the later of both, by more than a
   * kill explains: any copy of the store from before, if it is put back later, is behind the renewed marks, which say
   * nothing of what was sent until now. Undefined if nothing was ever sent.
   */
  renewing(known: StoreProgress): SendingProgress | undefined {
    const counted = this.#head?.generation === known.generation ? this.#head.commits : 0;
    const commits = Math.max(known.commits, counted);
    return commits === 0 ? undefined : { commits: commits + BEHIND_BY_A_KILL + 1, begun: this.#sequence };
  }

  /**
   * Clears all marks, for the store as it is now. Call it when every begun message is settled in the store.
   * @throws StorageError
   */
  async renew({ generation, commits }: Pick<StoreProgress, 'generation' | 'commits'>): Promise<void> {
    try {
      this.#isComplete = false;
      this.#marks.clear();
      this.#due = undefined;
      const empty = Buffer.alloc((SLOTS + 1) * SLOT);
      await this.#file.write(empty, 0, empty.length, 0);
      // The old marks are gone from the disk before the head says that a missing mark means something.
      await this.#file.datasync();
      const boot = await bootOfMachine();
      this.#head = { version: VERSION, generation, boot, commits, begun: this.#sequence };
      this.#writeHead(commits);
      this.#isComplete = true;
    } catch (cause) {
      throw notWritten(cause);
    }
  }

  /**
   * Notes that the sender's next commit is about to be made, and returns what the store records in it. Call `committed`
   * once it is made.
   * @throws StorageError
   */
  committing(): SendingProgress {
    const commits = (this.#head?.commits ?? 0) + 1;
    this.#writeHead(commits);
    return { commits, begun: this.#sequence };
  }

  /** The commit that was about to be made is made. */
  committed(): void {
    if (this.#head) this.#head.commits += 1;
  }

  #writeHead(commits: number): void {
    try {
      writeSync(this.#file.fd, inSlot(Buffer.alloc(SLOT), { ...this.#head, commits }), 0, SLOT, 0);
    } catch (cause) {
      throw notWritten(cause);
    }
  }

  /**
   * Marks an attempt as begun. Call it before the first byte goes out.
   * @throws StorageError
   */
  begun({ id, attempts }: Outgoing, at: number): void {
    this.#sequence += 1;
    const slot = (this.#sequence % SLOTS) + 1;
    const begun: Mark = { sequence: this.#sequence, id, attempt: attempts, is: 'begun', at };
    const before = this.#due;
    if (before?.slot === slot - 1) {
      this.#due = undefined;
      this.#write(before.slot, before.mark, begun);
    } else {
      this.#writeDue();
      this.#write(slot, begun);
    }
    this.#marks.set(id, { slot, mark: begun });
  }

  /**
   * Marks how an attempt ended, until the store has it. The mark is written within this turn of the event loop. Never
   * throws: if the write fails, `begun` stands.
   */
  ended({ id }: Outgoing, { change }: Ending, at: number): void {
    const begun = this.#marks.get(id);
    if (!begun || change.state === 'unknown') return;
    const { messageId, state } = change;
    const now = { ...begun.mark, at };
    let ended: Mark;
    if (state === 'accepted' && typeof messageId === 'string') ended = { ...now, is: 'accepted', messageId };
    else if (state !== 'accepted') ended = { ...now, is: 'free' };
    else return;
    this.#writeDue();
    this.#due = { slot: begun.slot, mark: ended };
    this.#marks.set(id, this.#due);
    setImmediate(() => this.#writeDue());
  }

  #writeDue(): void {
    const due = this.#due;
    this.#due = undefined;
    if (!due) return;
    try {
      this.#write(due.slot, due.mark);
    } catch {
      // The mark stays `begun`: after a kill MESH is asked about the message.
    }
  }

  /** Forgets a message whose ending the store has. */
  settled({ id }: Outgoing): void {
    this.#marks.delete(id);
  }

  async close(): Promise<void> {
    this.#writeDue();
    await this.#file.close();
  }

  /** Writes one mark, or two in consecutive slots. A kill between two pages leaves the first mark. */
  #write(slot: number, ...marks: Mark[]): void {
    const bytes = this.#bytes.subarray(0, marks.length * SLOT);
    for (const [i, one] of marks.entries()) inSlot(bytes.subarray(i * SLOT, (i + 1) * SLOT), one);
    try {
      // Synchronous: it copies into a page of the kernel, about 10 µs; a thread of libuv's pool would take longer to
      // wake up.
      writeSync(this.#file.fd, bytes, 0, bytes.length, slot * SLOT);
    } catch (cause) {
      throw notWritten(cause);
    }
  }
}

/** Fills a slot with a value and its checksum. */
function inSlot(slot: Buffer, value: object): Buffer {
  const json = JSON.stringify(value);
  return slot.fill(' ', slot.write(`${json}${crc32(json).toString(16).padStart(8, '0')}`));
}

/** Returns the value in a slot; undefined if it is broken. */
function read(written: Buffer, slot: number): unknown {
  const text = written.toString('utf8', slot * SLOT, (slot + 1) * SLOT).trimEnd();
  const json = text.slice(0, -8);
  if (crc32(json) !== Number.parseInt(text.slice(-8), 16)) return undefined;
  return JSON.parse(json);
}

/** Identifies the machine's last start: Linux has an id for it; elsewhere its time is used. */
async function bootOfMachine(): Promise<string | number> {
  const id = await readFile('/proc/sys/kernel/random/boot_id', 'latin1').catch(() => '');
  return id.trim() || machineNow() - uptime() * 1000;
}

function isSame(one: string | number, other: string | number): boolean {
  if (typeof one === 'string' || typeof other === 'string') return one === other;
  return Math.abs(one - other) < SAME_BOOT_MS;
}

function notWritten(cause: unknown): StorageError {
  return new StorageError('The mark of the message being sent could not be written to the disk.', {
    cause,
    advice: 'Check that the disk is not full and that the user who runs Node-RED may write to the folder of the store.',
  });
}
