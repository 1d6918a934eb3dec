/**
 * What a kill would make us forget of the messages whose intent is committed: which of them were begun, and what MESH has
 * answered. An intent in the store says only that a message may have been sent; these marks say of each, in a write that is not
 * waited for, whether its POST was begun. A file that a process has written survives its kill (the kernel has it), but not a power
 * cut: so a mark that is there is believed, and that there is none is believed only while the machine has run on since.
 *
 * With them a kill leaves one message unknown, however many intents are committed ahead; a power cut leaves those.
 */
import { createHash } from 'node:crypto';
import { constants, writeSync } from 'node:fs';
import { mkdir, open, readFile, type FileHandle } from 'node:fs/promises';
import { uptime } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { z } from 'zod';
import { StorageError } from '../errors';
import type { Outgoing } from '../store/store';
import type { Ending } from './attempt';

/** Bytes of a mark: within a page, so that a kill leaves it whole or not there. */
const SLOT = 256;
/** Intents that may be ahead. Begun and not settled in the store are as many, and the one on the wire. */
export const MOST_AHEAD = 32;
/** Marks that are kept. One that was written over would be one that was never made, and its message sent twice. */
const SLOTS = 2 * MOST_AHEAD;
/** A release that knows only version 1 has 32 slots: to it, the lack of a mark of ours means nothing. */
const VERSION = 2;
/** The machine's clock may be set a little meanwhile (milliseconds). */
const SAME_BOOT_MS = 5000;

const head = z.object({ version: z.literal([1, VERSION]), boot: z.union([z.string(), z.number()]), since: z.number() });
const mark = z.object({
  /** Of two marks of a message the later one counts. */
  sequence: z.number(),
  id: z.string(),
  attempt: z.number(),
  /** `begun`: nobody knows whether MESH has it. `free`: MESH has answered, and has not got it. */
  is: z.enum(['begun', 'accepted', 'free']),
  messageId: z.string().exactOptional(),
  at: z.number(),
});

/** What is known of an attempt. */
export type Mark = z.output<typeof mark>;

/** The marks of one mailbox. One process at a time: its store's lock sees to that. */
export class SendMarks {
  readonly #file: FileHandle;
  /** By message. */
  readonly #marks = new Map<string, { slot: number; mark: Mark }>();
  /** Whether a message without a mark was not begun, if its first intent is not older than `#since`. */
  #isComplete: boolean;
  #since: number;
  /** Of the last mark: its slot is the rest when it is divided by SLOTS. */
  #sequence = 0;
  /** For what is written: it is written at once. */
  readonly #bytes = Buffer.alloc(2 * SLOT);
  /** How an attempt ended, not written yet: with the next one's beginning it is one write, and nearly always that is at once. */
  #due: { slot: number; mark: Mark } | undefined;

  private constructor(file: FileHandle, written: Buffer, boot: string | number) {
    this.#file = file;
    const first = head.safeParse(read(written, 0));
    this.#isComplete = first.success && isSame(first.data.boot, boot);
    this.#since = first.success ? first.data.since : Infinity;
    for (let slot = 1; slot <= SLOTS; slot += 1) {
      const bytes = written.subarray(slot * SLOT, (slot + 1) * SLOT);
      if (bytes.every((byte) => byte === 0)) continue;
      const one = mark.safeParse(read(written, slot));
      // It may have been any message's.
      if (!one.success) this.#isComplete = false;
      else if (one.data.sequence > (this.#marks.get(one.data.id)?.mark.sequence ?? 0))
        this.#marks.set(one.data.id, { slot, mark: one.data });
    }
  }

  /** Those of a mailbox (its key in the store), in a folder that is made (0700) if it is not there. Throws StorageError. */
  static async open(folder: string, mailbox: string): Promise<SendMarks> {
    const name = createHash('sha256').update(mailbox).digest('hex').slice(0, 32);
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      // Made if it is not there, and kept as it is.
      const file = await open(join(folder, name), constants.O_RDWR | constants.O_CREAT, 0o600);
      return new SendMarks(file, await file.readFile(), await bootOfMachine());
    } catch (cause) {
      throw notWritten(cause);
    }
  }

  /** What is known of the last attempt at a message; `not begun` where it is sure; undefined where nothing is known. */
  of({ id, attempts, firstAttemptAt }: Outgoing): Mark | 'not begun' | undefined {
    const found = this.#marks.get(id)?.mark;
    if (found?.attempt === attempts) return found;
    return this.#isComplete && (firstAttemptAt ?? 0) >= this.#since ? 'not begun' : undefined;
  }

  /**
   * Compares the marks with the store: where it knows less than they do, it is an older one that was put back, and what it calls
   * `sending` may have been sent since by the one in whose place it is. Then the lack of a mark means nothing. Throws what `get`
   * throws.
   */
  async compare(get: (id: string) => Promise<Outgoing | undefined>): Promise<void> {
    for (const [id, { mark: one }] of this.#marks) {
      const row = await get(id);
      if (!row || row.attempts < one.attempt) this.#isComplete = false;
    }
  }

  /** Everything that was begun is settled in the store: starts anew, at this time. Throws StorageError. */
  async renew(since: number): Promise<void> {
    try {
      this.#isComplete = false;
      this.#sequence = 0;
      this.#marks.clear();
      this.#due = undefined;
      const whole = Buffer.alloc((SLOTS + 1) * SLOT);
      await this.#file.write(whole, 0, whole.length, 0);
      // The marks are gone before the head says that the lack of one means something.
      await this.#file.datasync();
      const boot = await bootOfMachine();
      await this.#file.write(inSlot(Buffer.alloc(SLOT), { version: VERSION, boot, since }), 0, SLOT, 0);
      this.#isComplete = true;
      this.#since = since;
    } catch (cause) {
      throw notWritten(cause);
    }
  }

  /** Before the first byte goes out. Throws StorageError. */
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
   * What the attempt has come to, for the time until the store has it: written within this turn of the event loop. Never throws:
   * `begun` stands then.
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
      // What was begun is asked for at MESH.
    }
  }

  /** The store has what became of it. */
  settled({ id }: Outgoing): void {
    this.#marks.delete(id);
  }

  async close(): Promise<void> {
    this.#writeDue();
    await this.#file.close();
  }

  /** One mark or two, one behind the other, from a slot on. A kill between two pages leaves the first of them. */
  #write(slot: number, ...marks: Mark[]): void {
    const bytes = this.#bytes.subarray(0, marks.length * SLOT);
    for (const [i, one] of marks.entries()) inSlot(bytes.subarray(i * SLOT, (i + 1) * SLOT), one);
    try {
      // Synchronous: a page of the kernel's memory, about 10 µs; a thread of libuv's pool would take longer to wake up.
      writeSync(this.#file.fd, bytes, 0, bytes.length, slot * SLOT);
    } catch (cause) {
      throw notWritten(cause);
    }
  }
}

/** The slot, filled with the value and its checksum. */
function inSlot(slot: Buffer, value: object): Buffer {
  const json = JSON.stringify(value);
  return slot.fill(' ', slot.write(`${json}${crc32(json).toString(16).padStart(8, '0')}`));
}

/** Undefined where it is not whole. */
function read(written: Buffer, slot: number): unknown {
  const text = written.toString('utf8', slot * SLOT, (slot + 1) * SLOT).trimEnd();
  const json = text.slice(0, -8);
  if (crc32(json) !== Number.parseInt(text.slice(-8), 16)) return undefined;
  return JSON.parse(json);
}

/** Linux names each start of the machine; elsewhere its time has to do. */
async function bootOfMachine(): Promise<string | number> {
  const id = await readFile('/proc/sys/kernel/random/boot_id', 'latin1').catch(() => '');
  return id.trim() || Date.now() - uptime() * 1000;
}

function isSame(one: string | number, other: string | number): boolean {
  if (typeof one === 'string' || typeof other === 'string') return one === other;
  return Math.abs(one - other) < SAME_BOOT_MS;
}

function notWritten(cause: unknown): StorageError {
  return new StorageError('What is being sent could not be noted on the disk.', {
    cause,
    advice: 'See that the disk is not full and that the user of Node-RED may write the folder of the store.',
  });
}
